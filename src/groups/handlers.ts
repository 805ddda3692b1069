// HTTP in and out of groups and who is in them.
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../clock.ts'
import { History } from '../database/history.ts'
import type { Database, Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { listMembersOf } from '../grants/holdings.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { afterId, DEFAULT_LIMIT, pageOf } from '../http/pagination.ts'
import { etagOf } from '../http/preconditions.ts'
import { rehearse } from '../http/rehearsal.ts'
import { requireTenant, tenantOf } from '../http/scope.ts'
import { type By, type Write, writeHeaders } from '../http/write.ts'
import { accessChanges } from '../memberships/access-changes.ts'
import { findMemberships } from '../memberships/operations.ts'
import { viewOf as viewOfMembership } from '../memberships/rules.ts'
import { type Changed, changeGroup, createGroup, moveMember, removeGroup, type Which } from './operations.ts'
import { findGroup, type GroupRow, listGroups } from './queries.ts'

type Mine =
  | 'createGroup'
  | 'listGroups'
  | 'getGroup'
  | 'updateGroup'
  | 'deleteGroup'
  | 'listGroupMembers'
  | 'addGroupMember'
  | 'removeGroupMember'

interface Services {
  database: Database
  write: Write
  clock: Clock
}

const viewOf = ({ roles, ...group }: GroupRow): components['schemas']['Group'] => ({
  ...group,
  roles: roles.map(({ key }) => key),
})

const whichOf = ({
  scope,
  path,
  if_match,
}: Pick<Call<'getGroup'>, 'scope' | 'if_match'> & { path: { group_id: string } }): Which => ({
  ...{ tenant_id: requireTenant(scope), id: path.group_id, ifMatch: if_match },
})

const headersOf = ({ group, history }: Changed): Record<string, string> => writeHeaders(history, group.revision)

export const groupHandlers = ({ database, write, clock }: Services): Pick<Handlers, Mine> => {
  const move = (to: 'in' | 'out') => (call: Call<'addGroupMember' | 'removeGroupMember'>) => {
    const { membership_id } = call.path
    const change = (tx: Tx, by: By): Promise<History> => moveMember(tx, by, whichOf(call), membership_id, to)
    if (call.query.dry_run)
      return rehearse(write, call, async (tx, by) => {
        await History.lock(tx, requireTenant(call.scope))
        const touched = await findMemberships(tx, [membership_id])
        return accessChanges(tx, touched, async () => void (await change(tx, by)), by.now)
      })
    return write(call, async (tx, by) => ({
      ...{ status: 204 as const, body: undefined },
      headers: writeHeaders(await change(tx, by)),
    }))
  }

  return {
    createGroup: (call) =>
      write(call, async (tx, by) => {
        const { tenant_id: _, ...input } = call.body
        const changed = await createGroup(tx, by, requireTenant(call.scope), input)
        const headers = { ...headersOf(changed), Location: `/groups/${changed.group.id}` }
        return { status: 201, body: viewOf(changed.group), headers }
      }),

    listGroups: async ({ scope, query: { limit = DEFAULT_LIMIT, cursor, name, membership_id, role } }) => {
      const filter = { tenant_id: tenantOf(scope), name, membership_id, role, after: afterId(cursor), limit: limit + 1 }
      const rows = await database.within(scope, 'list groups of all tenants', (tx) => listGroups(tx, filter))
      return { status: 200, body: pageOf(rows, limit, viewOf, ({ id }) => id) }
    },

    getGroup: async (call) => {
      const which = whichOf(call)
      const group = await database.forTenant(which, (tx) => findGroup(tx, which))
      if (!group) throw new Problem('group.not_found')
      return { status: 200, body: viewOf(group), headers: { ETag: etagOf(group.revision) } }
    },

    updateGroup: (call) =>
      write(call, async (tx, by) => {
        const changed = await changeGroup(tx, by, whichOf(call), call.body)
        return { status: 200, body: viewOf(changed.group), headers: headersOf(changed) }
      }),

    deleteGroup: (call) =>
      write(call, async (tx, by) => ({
        ...{ status: 204, body: undefined },
        headers: writeHeaders(await removeGroup(tx, by, whichOf(call))),
      })),

    listGroupMembers: async (call) => {
      const { limit = DEFAULT_LIMIT, cursor } = call.query
      const which = whichOf(call)
      const page = { after: afterId(cursor), limit: limit + 1 }
      const rows = await database.forTenant(which, async (tx) => {
        if (!(await findGroup(tx, which))) throw new Problem('group.not_found')
        return findMemberships(tx, await listMembersOf(tx, which.tenant_id, which.id, page))
      })
      const now = clock()
      const view = (row: (typeof rows)[number]) => viewOfMembership(row, call.principal, now)
      return { status: 200, body: pageOf(rows, limit, view, ({ id }) => id) }
    },

    addGroupMember: move('in'),
    removeGroupMember: move('out'),
  }
}
