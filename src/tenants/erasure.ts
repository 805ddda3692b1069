// The end of a scheduled deletion. Rows and personal data go; the history stays, and its chain still verifies, because it
// never held anything personal.
import { eq } from 'drizzle-orm'
import { History } from '../database/history.ts'
import { apiKeys, eventPersonalData, idempotencyKeys, memberships } from '../database/schema.ts'
import type { Database, PlatformTx } from '../database/scope.ts'
import { TENANT } from '../revocations/targets.ts'
import { findErasable, findTenant, releaseSlug, updateTenant } from './queries.ts'

const AT_A_TIME = 100

/** Erases every tenant whose grace is over. Safe to run on several replicas at once. Answers how many it erased. */
export const eraseDueTenants = async (database: Database, now: Date): Promise<number> => {
  const due = await database.asPlatform('find tenants whose grace is over', (tx) => findErasable(tx, now, AT_A_TIME))
  for (const id of due) await database.asPlatform('erase a tenant', (tx) => eraseTenant(tx, id, now))
  return due.length
}

const eraseTenant = async (tx: PlatformTx, id: string, now: Date): Promise<void> => {
  const history = await History.lock(tx, id)
  const tenant = await findTenant(tx, id)
  if (!history || tenant?.status !== 'deletion_scheduled' || tenant.deletes_at === null) return // another replica, or a restore, was first
  if (Date.parse(tenant.deletes_at) > now.getTime()) return
  await tx.delete(memberships).where(eq(memberships.tenant_id, id))
  await tx.delete(apiKeys).where(eq(apiKeys.history_id, id))
  await tx.delete(idempotencyKeys).where(eq(idempotencyKeys.history_id, id))
  await tx.delete(eventPersonalData).where(eq(eventPersonalData.history_id, id))
  await releaseSlug(tx, tenant.slug, id, now)
  await updateTenant(tx, id, {
    ...{ status: 'erased', name: 'Erased', slug: `erased-${id}`, settings: {}, metadata: {}, deletes_at: null },
    ...{ revision: history.next, updated_at: now.toISOString() },
  })
  await history.append(tx, {
    type: 'tenant.erased',
    actor: { type: 'system', id: null },
    at: now,
    data: {},
    revokes: [TENANT],
  })
}
