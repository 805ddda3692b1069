// The memberships that hold a role, for what happens to the role. A shared role's holders are in many tenants: each tenant's
// history is locked before anything in it changes, in the order of their ids, as whoever locks several does.
import { givesForATime, requireEndWithinOwn } from '../authorization/escalation.ts'
import { History } from '../database/history.ts'
import type { Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { countUses, remapUses } from '../grants/remapping.ts'
import type { By } from '../http/write.ts'
import type { RoleRow } from '../roles/operations.ts'
import {
  countHolders,
  listHolders,
  listTenantsOfHolders,
  type MembershipRow,
  replaceRole,
  updateRevisions,
} from './queries.ts'

export { countHolders, listAllHolders } from './queries.ts'

/** What one transaction does in a few seconds. Whoever writes in one of these tenants waits for it. */
const MOST_REMAPPED = 10_000
const MOST_TENANTS = 500
const AT_A_TIME = 500

/**
 * Gives everybody who holds one role the other in its place. The histories of a shared role's holders are locked here; of a
 * tenant's role the caller holds the lock.
 * @throws Problem `role.in_use` for more than can be done at once
 */
export const remapHolders = async (tx: Tx, by: By, own: History, from: RoleRow, to: RoleRow): Promise<void> => {
  const tenants = await listTenantsOfHolders(tx, from)
  const { groups, grants } = await countUses(tx, from)
  const held = (await countHolders(tx, from)) + groups + grants
  if (tenants.length > MOST_TENANTS || held > MOST_REMAPPED) {
    throw new Problem('role.in_use', {
      detail: `More than ${MOST_REMAPPED} memberships, groups and grants, or some in more than ${MOST_TENANTS} tenants, have this role, and so many at once are not changed. Give some of them another role first.`,
    })
  }
  for (const tenant_id of tenants) {
    const history = tenant_id === own.id ? own : await History.lock(tx, tenant_id)
    if (history) await remapWithin(tx, by, history, from, to)
  }
}

const remapWithin = async (tx: Tx, by: By, history: History, from: RoleRow, to: RoleRow): Promise<void> => {
  const gives = givesForATime(by.principal, [from], [to])
  for (let isMore = true; isMore; ) {
    const rows = await listHolders(tx, from, { tenant_id: history.id, limit: AT_A_TIME })
    if (gives) for (const { expires_at } of rows) requireEndWithinOwn(by.principal, expires_at, [to])
    if (rows.length > 0) await remapSome(tx, by, history, rows, from, to)
    isMore = rows.length === AT_A_TIME
  }
  await remapUses(tx, by, history, from, to, gives)
}

const remapSome = async (
  tx: Tx,
  by: By,
  history: History,
  rows: MembershipRow[],
  from: RoleRow,
  to: RoleRow,
): Promise<void> => {
  const changes = rows.map(({ id, roles }, index) => {
    const keys = roles.map(({ key }) => key)
    const kept = keys.filter((key) => key !== from.key && key !== to.key)
    return { id, revision: history.next + index, from: keys, to: [...kept, to.key].sort() }
  })
  await replaceRole(
    tx,
    history.id,
    changes.map(({ id }) => id),
    from,
    to,
  )
  await updateRevisions(tx, history.id, changes, by.now.toISOString())
  await history.append(
    tx,
    ...changes.map(({ id, from, to }) => ({
      ...{ type: 'membership.updated', actor: by.actor, at: by.now },
      data: { membership_id: id, changed: ['roles'], roles: { from, to } },
    })),
  )
}
