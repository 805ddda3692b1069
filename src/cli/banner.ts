// What a person sees first: the address, how to load the key, and the quick start ready to paste.
import type { Config } from '../config.ts'

export interface Started {
  address: string
  config: Pick<Config, 'database_url' | 'data_dir'>
  root_api_key_file: string | undefined
}

export const banner = ({ address, config, root_api_key_file }: Started): string => {
  const where =
    config.database_url === undefined
      ? `embedded PostgreSQL in ${config.data_dir} (for development: it never calls fsync)`
      : 'PostgreSQL'
  const load =
    root_api_key_file === undefined
      ? 'Your key is the one in TENANTRY_ROOT_API_KEY.'
      : `Load the root key into your shell:\n\n  export TENANTRY_API_KEY="$(cat '${root_api_key_file}')"`
  return `
Tenantry is listening on ${address}
  database   ${where}
  reference  ${address}/docs

${load}

Then, in the same shell:

  curl -s ${address}/tenants -H "Authorization: Bearer $TENANTRY_API_KEY" \\
    -H 'Content-Type: application/json' -d '{"name":"Acme","owner":{"user_id":"user_olga"}}'

  curl -s ${address}/memberships -H "Authorization: Bearer $TENANTRY_API_KEY" \\
    -H 'Content-Type: application/json' -d '{"tenant_id":"<the id from above>","user_id":"user_vera"}'

Stop with Ctrl-C.
`
}
