// HTTP in and out of roles.
import type { components } from '@tenantry/client/contract'
import { History } from '../database/history.ts'
import type { Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { afterId, DEFAULT_LIMIT, pageOf } from '../http/pagination.ts'
import { etagOf } from '../http/preconditions.ts'
import { mayDo } from '../http/principal.ts'
import { rehearse } from '../http/rehearsal.ts'
import { historyOf, tenantOf } from '../http/scope.ts'
import { type By, type Write, writeHeaders } from '../http/write.ts'
import { accessChanges, MOST_CHANGES } from '../memberships/access-changes.ts'
import { listHolders } from '../memberships/holders.ts'
import { allowedShared } from '../role-sets/allowed.ts'
import { roleCatalogueHandler } from './catalogue.ts'
import { type Changed, changeRole, createRole, removeRole, type Which } from './operations.ts'
import { findRole, listRoles, type RoleRow } from './queries.ts'

type Services = Parameters<typeof roleCatalogueHandler>[0] & { write: Write }

type Mine = 'getRoleCatalogue' | 'createRole' | 'listRoles' | 'getRole' | 'updateRole' | 'deleteRole'
type Changing = Pick<Call<'deleteRole'>, 'scope' | 'path' | 'principal' | 'if_match'>

const viewOf = ({ history_id: _, ...role }: RoleRow): components['schemas']['Role'] => role

const whichOf = ({ path, if_match }: Changing): Which => ({ id: path.role_id, ifMatch: if_match })

const changedReply = ({ role, history }: Changed) => ({
  status: 200 as const,
  body: viewOf(role),
  headers: writeHeaders(history, role.revision),
})

/** What the change would mean for those who hold the role. Who they are, only those may see who may read members. */
const rehearseOnHolders = (
  write: Write,
  call: Changing & Parameters<Write>[0],
  change: (tx: Tx, by: By) => Promise<unknown>,
) => {
  const { principal, path, scope } = call
  if (!mayDo(principal, 'tenantry.membership:read')) {
    throw new Problem('permission.missing', { detail: 'A dry run needs the permission tenantry.membership:read too.' })
  }
  return rehearse(write, call, async (tx, by) => {
    await History.lock(tx, historyOf(scope))
    const holders = await listHolders(tx, { id: path.role_id }, { limit: MOST_CHANGES + 1 })
    return accessChanges(tx, holders, async () => void (await change(tx, by)))
  })
}

export const roleHandlers = ({ write, ...services }: Services): Pick<Handlers, Mine> => ({
  getRoleCatalogue: roleCatalogueHandler(services),

  createRole: (call) =>
    write(call, async (tx, by) => {
      const { tenant_id: _, ...input } = call.body
      const { role, history } = await createRole(tx, by, call.scope, input)
      const headers = { ...writeHeaders(history, role.revision), Location: `/roles/${role.id}` }
      return { status: 201, body: viewOf(role), headers }
    }),

  listRoles: async ({ scope, query: { limit = DEFAULT_LIMIT, cursor, key, shared } }) => {
    const tenant_id = tenantOf(scope)
    const filter = { tenant_id, key, shared, after: afterId(cursor), limit: limit + 1 }
    const rows = await services.database.within(scope, 'list roles of all tenants', async (tx) => {
      const allowed = tenant_id === undefined ? undefined : await allowedShared(tx, tenant_id)
      return listRoles(tx, { ...filter, allowed })
    })
    return { status: 200, body: pageOf(rows, limit, viewOf, ({ id }) => id) }
  },

  getRole: async ({ scope, path }) => {
    const role = await services.database.within(scope, 'get a shared role', (tx) => findRole(tx, path.role_id))
    if (!role) throw new Problem('role.not_found')
    return { status: 200, body: viewOf(role), headers: { ETag: etagOf(role.revision) } }
  },

  updateRole: (call) => {
    const change = (tx: Tx, by: By) => changeRole(tx, by, call.scope, whichOf(call), call.body)
    if (call.query.dry_run) return rehearseOnHolders(write, call, change)
    return write(call, async (tx, by) => changedReply(await change(tx, by)))
  },

  deleteRole: (call) => {
    const remove = (tx: Tx, by: By) => removeRole(tx, by, call.scope, whichOf(call), call.query.remap_to)
    if (call.query.dry_run) return rehearseOnHolders(write, call, remove)
    return write(call, async (tx, by) => ({
      ...{ status: 204, body: undefined },
      headers: writeHeaders(await remove(tx, by)),
    }))
  },
})
