// `--seed`: two demo tenants with a member of every role, made through the service's own API. A second time finds them.
import { BUILT_IN_ROLES } from '@tenantry/client'
import type { Service } from '../service.ts'

const DEMO = ['acme', 'globex']
const USERS: Record<string, string> = {
  owner: 'user_olga',
  admin: 'user_adam',
  member: 'user_mia',
  viewer: 'user_vera',
}

export const seed = async ({ app, root_api_key }: Pick<Service, 'app' | 'root_api_key'>): Promise<void> => {
  const post = async (url: string, payload: object): Promise<{ status: number; body: { id: string } }> => {
    const { statusCode, body } = await app.fastify.inject({
      method: 'POST',
      url,
      payload,
      headers: { authorization: `Bearer ${root_api_key}` },
    })
    return { status: statusCode, body: JSON.parse(body) }
  }
  for (const slug of DEMO) {
    const tenant = await post('/tenants', { name: slug, slug })
    process.stdout.write(`seed ${slug} ${tenant.body.id}\n`)
    for (const { key } of BUILT_IN_ROLES)
      await post('/memberships', { tenant_id: tenant.body.id, user_id: USERS[key], roles: [key] })
  }
}
