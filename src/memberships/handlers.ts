// HTTP in and out of memberships.

import type { Clock } from '../clock.ts'
import { History } from '../database/history.ts'
import type { Database, Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { afterId, DEFAULT_LIMIT, pageOf } from '../http/pagination.ts'
import { etagOf } from '../http/preconditions.ts'
import type { Principal } from '../http/principal.ts'
import { rehearse } from '../http/rehearsal.ts'
import { requireTenant, tenantOf } from '../http/scope.ts'
import { requireSmall } from '../http/text.ts'
import { type By, type Write, writeHeaders } from '../http/write.ts'
import { accessChanges } from './access-changes.ts'
import {
  type Changed,
  changeMembership,
  createMembership,
  moveMembership,
  removeMembership,
  signOut,
  type Which,
} from './operations.ts'
import { findMembership, findMemberships, listMemberships } from './queries.ts'
import { maySeeEmails, viewOf } from './rules.ts'

type Mine =
  | 'createMembership'
  | 'listMemberships'
  | 'getMembership'
  | 'updateMembership'
  | 'deleteMembership'
  | 'suspendMembership'
  | 'signOutMembership'
  | 'reactivateMembership'

const whichOf = ({ scope, path, if_match }: Pick<Call<'getMembership'>, 'scope' | 'path' | 'if_match'>): Which => ({
  tenant_id: requireTenant(scope),
  id: path.membership_id,
  ifMatch: if_match,
})

const changedReply = ({ membership, history }: Changed, { principal, now }: By) => ({
  status: 200 as const,
  body: viewOf(membership, principal, now),
  headers: writeHeaders(history, membership.revision),
})

/** Whether somebody has a certain address is as private as the address. */
const requireMayFilter = (principal: Principal, email: string | undefined): void => {
  if (email === undefined || maySeeEmails(principal)) return
  throw new Problem('permission.missing', {
    detail: 'Filtering by e-mail needs the permission tenantry.membership:manage.',
  })
}

/** What the change would mean for the one membership. */
const rehearseOn = (
  write: Write,
  call: Call<'deleteMembership'> | Call<'updateMembership'>,
  change: (tx: Tx, by: By) => Promise<unknown>,
) =>
  rehearse(write, call, async (tx, by) => {
    const { tenant_id, id } = whichOf(call)
    await History.lock(tx, tenant_id)
    return accessChanges(tx, await findMemberships(tx, [id]), async () => void (await change(tx, by)), by.now)
  })

interface Services {
  database: Database
  write: Write
  clock: Clock
}

export const membershipHandlers = ({ database, write, clock }: Services): Pick<Handlers, Mine> => {
  const move = (to: 'suspend' | 'reactivate') => (call: Call<'suspendMembership' | 'reactivateMembership'>) =>
    write(call, async (tx, by) => changedReply(await moveMembership(tx, by, whichOf(call), to, call.body?.reason), by))

  return {
    createMembership: (call) => {
      const { tenant_id: _, ...input } = call.body
      const tenant_id = requireTenant(call.scope)
      requireSmall({ properties: input.properties })
      const create = (tx: Tx, by: By) => createMembership(tx, by, tenant_id, input)
      if (call.query.dry_run)
        return rehearse(write, call, (tx, by) =>
          accessChanges(tx, [], async () => (await create(tx, by)).membership, by.now),
        )
      return write(call, async (tx, by) => {
        const { membership, history } = await create(tx, by)
        const headers = { ...writeHeaders(history, membership.revision), Location: `/memberships/${membership.id}` }
        return { status: 201, body: viewOf(membership, by.principal, by.now), headers }
      })
    },

    listMemberships: async ({ principal, scope, query: { limit = DEFAULT_LIMIT, cursor, ...filters } }) => {
      requireMayFilter(principal, filters.email)
      const { user_id, role, status, email } = filters
      const now = clock()
      const tenant_id = tenantOf(scope)
      const filter = { tenant_id, user_id, role, status, email, now, after: afterId(cursor), limit: limit + 1 }
      const rows = await database.within(scope, 'list memberships of all tenants', (tx) => listMemberships(tx, filter))
      return {
        status: 200,
        body: pageOf(
          rows,
          limit,
          (row) => viewOf(row, principal, now),
          ({ id }) => id,
        ),
      }
    },

    getMembership: async (call) => {
      const { tenant_id, id } = whichOf(call)
      const membership = await database.forTenant({ tenant_id }, (tx) => findMembership(tx, tenant_id, id))
      if (!membership) throw new Problem('membership.not_found')
      const body = viewOf(membership, call.principal, clock())
      return { status: 200, body, headers: { ETag: etagOf(membership.revision) } }
    },

    updateMembership: (call) => {
      requireSmall({ properties: call.body.properties })
      const change = (tx: Tx, by: By) => changeMembership(tx, by, whichOf(call), call.body)
      if (call.query.dry_run) return rehearseOn(write, call, change)
      return write(call, async (tx, by) => changedReply(await change(tx, by), by))
    },

    deleteMembership: (call) => {
      const remove = (tx: Tx, by: By) => removeMembership(tx, by, whichOf(call))
      if (call.query.dry_run) return rehearseOn(write, call, remove)
      return write(call, async (tx, by) => {
        const history = await remove(tx, by)
        return { status: 204, body: undefined, headers: writeHeaders(history) }
      })
    },

    signOutMembership: (call) =>
      write(call, async (tx, by) => changedReply(await signOut(tx, by, whichOf(call), call.body?.reason), by)),

    suspendMembership: move('suspend'),
    reactivateMembership: move('reactivate'),
  }
}
