// What a person sees first: the address, how to load the key, and the quick start, ready to paste line by line.
import type { Config } from '../config.ts'
import type { SeededTenant } from './seed.ts'

export interface Started {
  address: string
  config: Pick<Config, 'database_url' | 'data_dir'>
  root_api_key_file: string | undefined
  seeded: SeededTenant[]
}

export const banner = ({ address, config, root_api_key_file, seeded }: Started): string => `
Tenantry is listening on ${address}
  database   ${config.database_url === undefined ? `embedded, in ${config.data_dir}; for development: it never calls fsync` : 'PostgreSQL'}
  reference  ${address}/docs
${demoTenants(seeded)}
In another shell, load the root key:

  ${loadKey(root_api_key_file)}

Then create a tenant with its owner, add a member, issue a token, check access:

${indented(quickStart(address))}

Stop with Ctrl-C.
`

const indented = (lines: string[]): string => lines.map((line) => `  ${line}`).join('\n')

const demoTenants = (seeded: SeededTenant[]): string =>
  seeded
    .map(({ id, slug, members }) => {
      const users = Object.entries(members ?? {}).map(([role, user_id]) => `${user_id} (${role})`)
      const who = members === null ? 'no demo tenant, left alone' : users.join(', ')
      return `  ${slug.padEnd(9)}  ${id}: ${who}
`
    })
    .join('')

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const loadKey = (file: string | undefined): string =>
  file === undefined
    ? 'export TENANTRY_API_KEY="$TENANTRY_ROOT_API_KEY"   # the value that the service was started with'
    : `export TENANTRY_API_KEY="$(cat ${quoted(file)})"`

/** Bodies are written '{…"'$TENANT'"…}', so that they can be read and the shell still fills in the id. */
const quickStart = (address: string): string[] => {
  const tenant = '"tenant_id":"\'$TENANT\'"'
  const check = `{"subject":{"type":"user","id":"user_vera"},"action":{"name":"read"},"resource":{"type":"invoice","id":"1"},"context":{${tenant}}}`
  return [
    `post() { curl -sS ${quoted(address)}"$1" -H "Authorization: Bearer $TENANTRY_API_KEY" -H 'Content-Type: application/json' -d "$2"; echo; }`,
    `TENANT=$(post /tenants '{"name":"Acme","owner":{"user_id":"user_olga"}}' | sed -E 's/.*"id":"([^"]+)".*/\\1/'); echo "$TENANT"`,
    `post /memberships '{${tenant},"user_id":"user_vera","roles":["viewer"]}'`,
    `post /tokens '{${tenant},"user_id":"user_vera"}'`,
    `post /access/v1/evaluation '${check}'`,
  ]
}
