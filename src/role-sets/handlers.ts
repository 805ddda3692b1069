// HTTP in and out of sets of shared roles.
import type { components } from '@tenantry/client/contract'
import type { Database, Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Handlers } from '../http/handlers.ts'
import { afterId, DEFAULT_LIMIT, pageOf } from '../http/pagination.ts'
import { etagOf } from '../http/preconditions.ts'
import { rehearse } from '../http/rehearsal.ts'
import { type By, type Write, writeHeaders } from '../http/write.ts'
import { type Changed, changeRoleSet, createRoleSet, removeRoleSet } from './operations.ts'
import { countHeldOutside, findRoleSet, listRoleSets, type RoleSetRow } from './queries.ts'

type Mine = 'createRoleSet' | 'listRoleSets' | 'getRoleSet' | 'updateRoleSet' | 'deleteRoleSet'

const viewOf = ({ history_id: _, ...set }: RoleSetRow): components['schemas']['RoleSet'] => set

const bodyAndHeaders = ({ set, history }: Changed) => ({
  body: viewOf(set),
  headers: writeHeaders(history, set.revision),
})

export const roleSetHandlers = ({ database, write }: { database: Database; write: Write }): Pick<Handlers, Mine> => ({
  createRoleSet: (call) =>
    write(call, async (tx, by) => {
      const { body, headers } = bodyAndHeaders(await createRoleSet(tx, by, call.body))
      return { status: 201, body, headers: { ...headers, Location: `/role-sets/${body.id}` } }
    }),

  listRoleSets: async ({ query: { limit = DEFAULT_LIMIT, cursor } }) => {
    const after = afterId(cursor)
    const rows = await database.asPlatform('list role sets', (tx) => listRoleSets(tx, { after, limit: limit + 1 }))
    return { status: 200, body: pageOf(rows, limit, viewOf, ({ id }) => id) }
  },

  getRoleSet: async ({ path }) => {
    const set = await database.asPlatform('get a role set', (tx) => findRoleSet(tx, path.role_set_id))
    if (!set) throw new Problem('role_set.not_found')
    return { status: 200, body: viewOf(set), headers: { ETag: etagOf(set.revision) } }
  },

  updateRoleSet: (call) => {
    const which = { id: call.path.role_set_id, ifMatch: call.if_match }
    const change = (tx: Tx, by: By): Promise<Changed> => changeRoleSet(tx, by, which, call.body)
    if (!call.query.dry_run)
      return write(call, async (tx, by) => ({ status: 200, ...bodyAndHeaders(await change(tx, by)) }))
    return rehearse(write, call, async (tx, by) => {
      const { set } = await change(tx, by)
      return { dry_run: true as const, outside: await countHeldOutside(tx, set) }
    })
  },

  deleteRoleSet: (call) => {
    const which = { id: call.path.role_set_id, ifMatch: call.if_match }
    return write(call, async (tx, by) => ({
      ...{ status: 204, body: undefined },
      headers: writeHeaders(await removeRoleSet(tx, by, which)),
    }))
  },
})
