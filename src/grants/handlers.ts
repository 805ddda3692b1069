// HTTP in and out of grants.
import type { components } from '@tenantry/client/contract'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { afterId, DEFAULT_LIMIT, pageOf } from '../http/pagination.ts'
import { etagOf } from '../http/preconditions.ts'
import { requireTenant, tenantOf } from '../http/scope.ts'
import { type Write, writeHeaders } from '../http/write.ts'
import { type Changed, changeGrant, createGrant, removeGrant, type Which } from './operations.ts'
import { findGrant, type GrantRow, listGrants, resourceOf } from './queries.ts'

type Mine = 'createGrant' | 'listGrants' | 'getGrant' | 'updateGrant' | 'deleteGrant'

const viewOf = (row: GrantRow): components['schemas']['AccessGrant'] => {
  const { role, role_id: _, role_history_id: __, resource_type: ___, resource_id: ____, ...grant } = row
  return { ...grant, role: role.key, resource: resourceOf(row) }
}

const whichOf = ({ scope, path, if_match }: Pick<Call<'getGrant'>, 'scope' | 'path' | 'if_match'>): Which => ({
  ...{ tenant_id: requireTenant(scope), id: path.grant_id, ifMatch: if_match },
})

const headersOf = ({ grant, history }: Changed): Record<string, string> => writeHeaders(history, grant.revision)

export const grantHandlers = ({ database, write }: { database: Database; write: Write }): Pick<Handlers, Mine> => ({
  createGrant: (call) =>
    write(call, async (tx, by) => {
      const { tenant_id: _, ...input } = call.body
      const changed = await createGrant(tx, by, requireTenant(call.scope), input)
      const headers = { ...headersOf(changed), Location: `/grants/${changed.grant.id}` }
      return { status: 201, body: viewOf(changed.grant), headers }
    }),

  listGrants: async ({ scope, query: { limit = DEFAULT_LIMIT, cursor, ...filters } }) => {
    const { membership_id, group_id, role, resource_type, resource_id } = filters
    if (resource_id !== undefined && resource_type === undefined) {
      const detail = 'An id means something only with the type of the resource: give resource_type too.'
      throw new Problem('request.invalid', { errors: [{ pointer: 'query/resource_type', detail }] })
    }
    const page = { tenant_id: tenantOf(scope), after: afterId(cursor), limit: limit + 1 }
    const filter = { ...page, membership_id, group_id, role, resource_type, resource_id }
    const rows = await database.within(scope, 'list grants of all tenants', (tx) => listGrants(tx, filter))
    return { status: 200, body: pageOf(rows, limit, viewOf, ({ id }) => id) }
  },

  getGrant: async (call) => {
    const which = whichOf(call)
    const grant = await database.forTenant(which, (tx) => findGrant(tx, which))
    if (!grant) throw new Problem('grant.not_found')
    return { status: 200, body: viewOf(grant), headers: { ETag: etagOf(grant.revision) } }
  },

  updateGrant: (call) =>
    write(call, async (tx, by) => {
      const changed = await changeGrant(tx, by, whichOf(call), call.body)
      return { status: 200, body: viewOf(changed.grant), headers: headersOf(changed) }
    }),

  deleteGrant: (call) =>
    write(call, async (tx, by) => ({
      ...{ status: 204, body: undefined },
      headers: writeHeaders(await removeGrant(tx, by, whichOf(call))),
    })),
})
