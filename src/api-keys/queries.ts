// SQL of API keys; private to this slice.
import { and, asc, eq, gt, isNotNull, isNull, type SQL, sql } from 'drizzle-orm'
import { apiKeys } from '../database/schema.ts'
import type { PlatformTx, Tx } from '../database/scope.ts'

export type ApiKeyRow = typeof apiKeys.$inferSelect

export const insertApiKey = async (tx: Tx, row: typeof apiKeys.$inferInsert): Promise<ApiKeyRow> => {
  const [inserted] = await tx.insert(apiKeys).values(row).returning()
  if (!inserted) throw new Error('insert of an API key answered no row')
  return inserted
}

export const findApiKey = async (tx: Tx, history_id: string, id: string): Promise<ApiKeyRow | undefined> => {
  const [row] = await tx
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.history_id, history_id), eq(apiKeys.id, id)))
  return row
}

export interface Filter {
  history_id: string | undefined
  shared: boolean | undefined
  after: string | undefined
  limit: number
}

export const listApiKeys = (tx: Tx, { history_id, shared, after, limit }: Filter): Promise<ApiKeyRow[]> => {
  const wanted: (SQL | undefined)[] = [
    history_id === undefined ? undefined : eq(apiKeys.history_id, history_id),
    shared === undefined ? undefined : shared ? isNull(apiKeys.tenant_id) : isNotNull(apiKeys.tenant_id),
    after === undefined ? undefined : gt(apiKeys.id, after),
  ]
  return tx
    .select()
    .from(apiKeys)
    .where(and(...wanted))
    .orderBy(asc(apiKeys.id))
    .limit(limit)
}

export const deleteApiKey = async (tx: Tx, history_id: string, id: string): Promise<void> => {
  await tx.delete(apiKeys).where(and(eq(apiKeys.history_id, history_id), eq(apiKeys.id, id)))
}

export const findRootKey = async (tx: PlatformTx): Promise<ApiKeyRow | undefined> => {
  const [row] = await tx.select().from(apiKeys).where(eq(apiKeys.root, true))
  return row
}

export const updateSecret = async (
  tx: PlatformTx,
  id: string,
  change: { hash: Buffer; hint: string; revision: number },
): Promise<void> => {
  await tx.update(apiKeys).set(change).where(eq(apiKeys.id, id))
}

/** Never moves a time backwards: replicas write when they get to it. */
export const updateLastUsed = async (tx: PlatformTx, uses: { id: string; last_used_at: string }[]): Promise<void> => {
  await tx.execute(sql`
    update tenantry.api_keys k set last_used_at = used.last_used_at
    from jsonb_to_recordset(${JSON.stringify(uses)}::jsonb) as used (id uuid, last_used_at timestamptz)
    where k.id = used.id and (k.last_used_at is null or k.last_used_at < used.last_used_at)`)
}
