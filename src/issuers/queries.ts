// SQL of trusted issuers; private to this slice.
import { and, asc, count, eq, gt, isNotNull, isNull, type SQL } from 'drizzle-orm'
import { issuers } from '../database/schema.ts'
import type { Database, Tx } from '../database/scope.ts'

export type IssuerRow = typeof issuers.$inferSelect

/** What a token is verified by. */
export type TrustedIssuer = Omit<IssuerRow, 'history_id' | 'created_at' | 'updated_at'> & {
  /** What its user ids must not begin with: another shared issuer's do. */
  reserved_prefixes: string[]
}

const FIND = { name: 'find_issuers', text: 'select tenantry.find_issuers($1, $2) as value' }

/** Who may speak for users in this tenant under this name, the tenant's own issuer first. Without a tenant: the shared one. */
export const findIssuers = (
  database: Database,
  issuer: string,
  tenant_id: string | undefined,
): Promise<TrustedIssuer[]> => database.call(FIND, issuer, tenant_id ?? null) as Promise<TrustedIssuer[]> // the function's own shape

const FIND_OF = { name: 'find_issuers_of', text: 'select tenantry.find_issuers_of($1, $2, $3) as value' }

/** Who is trusted under this name for any of these audiences, in whichever tenant: the shared one first, then the oldest. */
export const findIssuersOf = (
  database: Database,
  issuer: string,
  audiences: string[],
  limit: number,
): Promise<TrustedIssuer[]> => database.call(FIND_OF, issuer, audiences, limit) as Promise<TrustedIssuer[]> // the function's own shape

export const insertIssuer = async (tx: Tx, row: typeof issuers.$inferInsert): Promise<IssuerRow> => {
  const [inserted] = await tx.insert(issuers).values(row).returning()
  if (!inserted) throw new Error('insert of an issuer answered no row')
  return inserted
}

const at = (history_id: string, id: string) => and(eq(issuers.history_id, history_id), eq(issuers.id, id))

export const findIssuer = async (tx: Tx, history_id: string, id: string): Promise<IssuerRow | undefined> => {
  const [row] = await tx.select().from(issuers).where(at(history_id, id))
  return row
}

export const countIssuers = async (tx: Tx, history_id: string): Promise<number> => {
  const [row] = await tx.select({ count: count() }).from(issuers).where(eq(issuers.history_id, history_id))
  return row?.count ?? 0
}

/** Whether another issuer of this history says whose users have the same ids. */
export const hasPrefix = async (tx: Tx, history_id: string, user_id_prefix: string): Promise<boolean> => {
  const found = await tx
    .select({ id: issuers.id })
    .from(issuers)
    .where(and(eq(issuers.history_id, history_id), eq(issuers.user_id_prefix, user_id_prefix)))
    .limit(1)
  return found.length > 0
}

export interface Filter {
  history_id: string | undefined
  shared: boolean | undefined
  after: string | undefined
  limit: number
}

export const listIssuers = (tx: Tx, { history_id, shared, after, limit }: Filter): Promise<IssuerRow[]> => {
  const wanted: (SQL | undefined)[] = [
    history_id === undefined ? undefined : eq(issuers.history_id, history_id),
    shared === undefined ? undefined : shared ? isNull(issuers.tenant_id) : isNotNull(issuers.tenant_id),
    after === undefined ? undefined : gt(issuers.id, after),
  ]
  return tx
    .select()
    .from(issuers)
    .where(and(...wanted))
    .orderBy(asc(issuers.id))
    .limit(limit)
}

export const updateIssuer = async (
  tx: Tx,
  history_id: string,
  id: string,
  change: Partial<IssuerRow> & Pick<IssuerRow, 'revision' | 'updated_at'>,
): Promise<IssuerRow> => {
  const [row] = await tx.update(issuers).set(change).where(at(history_id, id)).returning()
  if (!row) throw new Error('update of an issuer answered no row')
  return row
}

export const deleteIssuer = async (tx: Tx, history_id: string, id: string): Promise<void> => {
  await tx.delete(issuers).where(at(history_id, id))
}
