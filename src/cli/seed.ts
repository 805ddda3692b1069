// `--seed`: two demo tenants with a member of every role, made through the service's own API. A second time finds them.
import { BUILT_IN_ROLES, type BuiltInRoleKey, createTenantryClient, unwrap } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Service } from '../service.ts'

type Tenant = components['schemas']['Tenant']

export interface SeededTenant {
  id: string
  slug: string
  name: string
  /** Who has which role. Null for a real tenant that has the slug of a demo tenant: it is left alone. */
  members: Record<BuiltInRoleKey, string> | null
}

const TENANTS = [
  { slug: 'acme', name: 'Acme' },
  { slug: 'globex', name: 'Globex' },
]
const MEMBERS = { owner: 'user_olga', admin: 'user_adam', member: 'user_mia', viewer: 'user_vera' }

/** By this a demo tenant is known again, so that nobody's real "acme" gets demo members. */
const MARK = { demo: true }

type Seeding = Pick<Service, 'app' | 'root_api_key'>
type Tenantry = ReturnType<typeof clientOf>

export const seed = async (service: Seeding): Promise<SeededTenant[]> => {
  const tenantry = clientOf(service)
  const seeded: SeededTenant[] = []
  for (const wanted of TENANTS) {
    const tenant = (await findTenant(tenantry, wanted.slug)) ?? (await createTenant(tenantry, wanted))
    const isDemo = tenant.metadata.demo === MARK.demo
    if (isDemo) await addMembers(tenantry, tenant.id)
    const { id, slug, name } = tenant
    seeded.push({ id, slug, name, members: isDemo ? MEMBERS : null })
  }
  return seeded
}

/** The typed client, without a network: nobody listens yet. */
const clientOf = ({ app, root_api_key }: Seeding) =>
  createTenantryClient({
    base_url: 'http://seed.invalid',
    api_key: root_api_key,
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const { pathname, search } = new URL(request.url)
      const { statusCode, headers, body } = await app.fastify.inject({
        method: request.method as 'GET' | 'POST',
        url: pathname + search,
        headers: Object.fromEntries(request.headers),
        payload: await request.text(),
      })
      return new Response(body, { status: statusCode, headers: { 'content-type': String(headers['content-type']) } })
    },
  })

const findTenant = async (tenantry: Tenantry, slug: string): Promise<Tenant | undefined> => {
  const { data } = await unwrap(tenantry.GET('/tenants', { params: { query: { slug } } }))
  return data[0]
}

const createTenant = (tenantry: Tenantry, { slug, name }: (typeof TENANTS)[number]): Promise<Tenant> =>
  unwrap(tenantry.POST('/tenants', { body: { slug, name, metadata: MARK, owner: { user_id: MEMBERS.owner } } }))

const addMembers = async (tenantry: Tenantry, tenant_id: string): Promise<void> => {
  for (const { key } of BUILT_IN_ROLES) {
    const user_id = MEMBERS[key]
    const { data } = await unwrap(tenantry.GET('/memberships', { params: { query: { tenant_id, user_id } } }))
    if (data.length === 0) await unwrap(tenantry.POST('/memberships', { body: { tenant_id, user_id, roles: [key] } }))
  }
}
