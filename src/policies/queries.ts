// SQL of policies; private to this slice.
import { and, asc, count, eq, gt, inArray, isNotNull, isNull, ne, type SQL, sql } from 'drizzle-orm'
import { PLATFORM, policies } from '../database/schema.ts'
import type { Database, Tx } from '../database/scope.ts'
import type { PolicyInForce } from './set.ts'

export type PolicyRow = typeof policies.$inferSelect

type Which = Pick<PolicyRow, 'history_id' | 'id'>

export const findPolicy = async (tx: Tx, id: string): Promise<PolicyRow | undefined> => {
  const [row] = await tx.select().from(policies).where(eq(policies.id, id))
  return row
}

export interface Filter {
  tenant_id: string | undefined
  key: string | undefined
  shared: boolean | undefined
  after: string | undefined
  limit: number
}

export const listPolicies = (tx: Tx, { tenant_id, key, shared, after, limit }: Filter): Promise<PolicyRow[]> => {
  const wanted: (SQL | undefined)[] = [
    tenant_id === undefined ? undefined : inArray(policies.history_id, [tenant_id, PLATFORM]),
    key === undefined ? undefined : eq(policies.key, key),
    shared === undefined ? undefined : shared ? isNull(policies.tenant_id) : isNotNull(policies.tenant_id),
    after === undefined ? undefined : gt(policies.id, after),
  ]
  return tx
    .select()
    .from(policies)
    .where(and(...wanted))
    .orderBy(asc(policies.id))
    .limit(limit)
}

/** How many there are, and how many characters they have together, but for one. */
export const measurePolicies = async (
  tx: Tx,
  history_id: string,
  but_for?: string,
): Promise<{ number: number; characters: number }> => {
  const [row] = await tx
    .select({ number: count(), characters: sql<number>`coalesce(sum(length(${policies.text})), 0)::int` })
    .from(policies)
    .where(and(eq(policies.history_id, history_id), but_for === undefined ? undefined : ne(policies.id, but_for)))
  return row ?? { number: 0, characters: 0 }
}

/** @throws PostgreSQL's unique violation of `policies_key` */
export const insertPolicy = async (tx: Tx, row: typeof policies.$inferInsert): Promise<PolicyRow> => {
  const [inserted] = await tx.insert(policies).values(row).returning()
  if (!inserted) throw new Error('insert of a policy answered no row')
  return inserted
}

const at = ({ history_id, id }: Which) => and(eq(policies.history_id, history_id), eq(policies.id, id))

export const updatePolicy = async (
  tx: Tx,
  which: Which,
  change: Partial<PolicyRow> & Pick<PolicyRow, 'revision' | 'updated_at'>,
): Promise<PolicyRow> => {
  const [row] = await tx.update(policies).set(change).where(at(which)).returning()
  if (!row) throw new Error('update of a policy answered no row')
  return row
}

export const deletePolicy = async (tx: Tx, which: Which): Promise<void> => {
  await tx.delete(policies).where(at(which))
}

const READ_POLICIES = { name: 'read_policies', text: 'select tenantry.read_policies($1) as value' }

/** What is in force in a tenant now, and the digest that facts name it by; null where nothing is. */
export const readPolicies = (
  database: Database,
  tenant_id: string,
): Promise<{ digest: string; policies: PolicyInForce[] } | null> =>
  database.call(READ_POLICIES, tenant_id) as Promise<{ digest: string; policies: PolicyInForce[] } | null> // the function's own shape
