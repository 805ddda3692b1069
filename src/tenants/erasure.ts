// The end of a scheduled deletion. Rows and personal data go; the history stays, and its chain still verifies, because it
// never held anything personal.
import { sql } from 'drizzle-orm'
import { History } from '../database/history.ts'
import {
  apiKeys,
  eventPersonalData,
  grants,
  groupMembers,
  groupRoles,
  groups,
  idempotencyKeys,
  issuers,
  memberships,
  policies,
  resources,
  roles,
} from '../database/schema.ts'
import type { Database, PlatformTx } from '../database/scope.ts'
import { TENANT } from '../revocations/targets.ts'
import { findErasable, findTenant, releaseSlug, updateTenant } from './queries.ts'

const AT_A_TIME = 100
const ROWS_AT_A_TIME = 5_000

const OWNED = [
  [grants, grants.tenant_id],
  [groupMembers, groupMembers.tenant_id],
  [groupRoles, groupRoles.tenant_id],
  [groups, groups.tenant_id],
  [resources, resources.tenant_id],
  [memberships, memberships.tenant_id],
  [policies, policies.history_id],
  [roles, roles.history_id], // after whatever holds them
  [apiKeys, apiKeys.history_id],
  [issuers, issuers.history_id],
  [idempotencyKeys, idempotencyKeys.history_id],
  [eventPersonalData, eventPersonalData.history_id],
] as const

/**
 * Erases every tenant whose grace is over. Safe to run on several replicas at once. Answers how many it erased.
 * @throws AggregateError when some could not be; all were tried
 */
export const eraseDueTenants = async (database: Database, now: Date): Promise<number> => {
  const due = await database.asPlatform('find tenants whose grace is over', (tx) => findErasable(tx, now, AT_A_TIME))
  const faults: unknown[] = []
  for (const id of due) await erase(database, id, now).catch((fault: unknown) => void faults.push(fault))
  if (faults.length > 0) throw new AggregateError(faults, `${faults.length} of ${due.length} tenants were not erased`)
  return due.length
}

const erase = async (database: Database, id: string, now: Date): Promise<void> => {
  while (await database.asPlatform('empty a tenant, some rows at a time', (tx) => deleteSome(tx, id, now)));
  await database.asPlatform('erase a tenant', (tx) => eraseTenant(tx, id, now))
}

/** Undefined when another replica, or a restore, was first. */
const lockDue = async (tx: PlatformTx, id: string, now: Date) => {
  const history = await History.lock(tx, id)
  const tenant = await findTenant(tx, id)
  if (!history || tenant?.status !== 'deletion_scheduled' || tenant.deletes_at === null) return undefined
  return Date.parse(tenant.deletes_at) > now.getTime() ? undefined : { history, tenant }
}

/** A large tenant in one transaction would outlast the time that a statement has. Answers whether there was anything. */
const deleteSome = async (tx: PlatformTx, id: string, now: Date): Promise<boolean> => {
  if (!(await lockDue(tx, id, now))) return false
  for (const [table, owner] of OWNED) {
    const some = sql`select ctid from ${table} where ${owner} = ${id} limit ${ROWS_AT_A_TIME}`
    const gone = await tx.execute(sql`delete from ${table} where ctid = any (array(${some})) returning 1 as gone`)
    if ((gone as unknown as { rows: unknown[] }).rows.length > 0) return true // the shape both drivers answer
  }
  return false
}

const eraseTenant = async (tx: PlatformTx, id: string, now: Date): Promise<void> => {
  const due = await lockDue(tx, id, now)
  if (!due) return
  const { history, tenant } = due
  await releaseSlug(tx, tenant.slug, id, now)
  await updateTenant(tx, id, {
    ...{ status: 'erased', name: 'Erased', slug: `erased-${id}`, settings: {}, metadata: {}, deletes_at: null },
    ...{ role_set: null, trust_caller_properties: false, revision: history.next, updated_at: now.toISOString() },
  })
  await history.append(tx, {
    type: 'tenant.erased',
    actor: { type: 'system', id: null },
    at: now,
    data: {},
    revokes: [TENANT],
  })
}
