// HTTP in and out of what callers ask about themselves, before any tenant is chosen.
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Handlers } from '../http/handlers.ts'
import { afterId, DEFAULT_LIMIT, pageOf } from '../http/pagination.ts'
import type { Identities, Identity } from '../http/principal.ts'
import { listMembershipsOfUser, type Own } from '../memberships/operations.ts'
import { statusOf } from '../memberships/rules.ts'

const NO_STORE = { 'Cache-Control': 'no-store' }

const meOf = ({ auth_time, ...identity }: Identity): components['schemas']['Me'] => ({
  ...identity,
  auth_time: auth_time === null ? null : new Date(auth_time * 1_000).toISOString(),
})

/** Those that are good for the tenant, where one is named. */
const goodFor = (identities: Identities, tenant_id: string | undefined): Identity[] =>
  identities.filter((each) => tenant_id === undefined || each.tenant_id === null || each.tenant_id === tenant_id)

/** The shared issuer's word, or the only one. @throws Problem `tenant.required` where several tenants' issuers have one */
const oneOf = (identities: Identity[]): Identity => {
  const [first, ...others] = identities
  if (first === undefined) throw new Problem('token.invalid', { detail: 'The token is not good for this tenant.' })
  if (first.tenant_id === null || others.length === 0) return first
  throw new Problem('tenant.required', {
    errors: [{ pointer: 'query/tenant_id', detail: 'Several tenants know you.' }],
  })
}

const viewOf = ({ row, roles, tenant }: Own, now: Date): components['schemas']['MyMembership'] => ({
  ...{ membership_id: row.id, user_id: row.user_id, tenant_id: row.tenant_id, tenant_slug: tenant.slug },
  ...{ tenant_name: tenant.name, tenant_status: tenant.status, roles: roles.map(({ key }) => key) },
  ...{ status: statusOf(row, now), expires_at: row.expires_at, created_at: row.created_at },
})

export const meHandlers = ({
  database,
  clock,
}: {
  database: Database
  clock: Clock
}): Pick<Handlers, 'getMe' | 'listMyMemberships'> => ({
  getMe: async ({ identities, query: { tenant_id } }) => ({
    status: 200,
    body: meOf(oneOf(goodFor(identities, tenant_id))),
    headers: NO_STORE,
  }),

  listMyMemberships: async ({ identities, query: { tenant_id, limit = DEFAULT_LIMIT, cursor } }) => {
    const users = goodFor(identities, tenant_id)
    if (users.some(({ type }) => type !== 'user')) throw new Problem('credential.not_a_user')
    const page = { users, tenant_id, after: afterId(cursor), limit: limit + 1 }
    const rows = await database.asPlatform('list the memberships of one user', (tx) => listMembershipsOfUser(tx, page))
    const now = clock()
    const body = pageOf(
      rows,
      limit,
      (row) => viewOf(row, now),
      ({ row }) => row.id,
    )
    return { status: 200, body, headers: NO_STORE }
  },
})
