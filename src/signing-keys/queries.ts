// SQL of signing keys; private to this slice. Private parts are sealed before they get here.
import { asc, eq, inArray, sql } from 'drizzle-orm'
import { histories, PLATFORM, signingKeys } from '../database/schema.ts'
import type { PlatformTx } from '../database/scope.ts'

export type SigningKeyRow = typeof signingKeys.$inferSelect
type Change = Partial<Pick<SigningKeyRow, 'status' | 'retired_at' | 'sealed_private_key'>>

/** In the order of their lives. */
export const listSigningKeys = (tx: PlatformTx): Promise<SigningKeyRow[]> =>
  tx.select().from(signingKeys).orderBy(asc(signingKeys.activates_at), asc(signingKeys.kid))

/** The keys, and the platform's revision that they are true at, in one statement. */
export const readSigningKeys = async (tx: PlatformTx): Promise<{ revision: number; rows: SigningKeyRow[] }> => {
  const found = await tx
    .select({ row: signingKeys, revision: sql`${histories.revision}`.mapWith(histories.revision) })
    .from(histories)
    .innerJoin(signingKeys, sql`true`)
    .where(eq(histories.id, PLATFORM))
    .orderBy(asc(signingKeys.activates_at), asc(signingKeys.kid))
  return { revision: found[0]?.revision ?? 0, rows: found.map(({ row }) => row) }
}

export const insertSigningKey = async (tx: PlatformTx, row: typeof signingKeys.$inferInsert): Promise<void> => {
  await tx.insert(signingKeys).values(row)
}

export const updateSigningKey = async (tx: PlatformTx, kid: string, change: Change): Promise<void> => {
  await tx.update(signingKeys).set(change).where(eq(signingKeys.kid, kid))
}

export const deleteSigningKeys = async (tx: PlatformTx, kids: string[]): Promise<void> => {
  await tx.delete(signingKeys).where(inArray(signingKeys.kid, kids))
}
