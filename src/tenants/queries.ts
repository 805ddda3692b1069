// SQL of tenants; private to this slice.
import { and, asc, eq, gt, ilike, lte, or, type SQL, sql } from 'drizzle-orm'
import { tenants } from '../database/schema.ts'
import type { PlatformTx, Tx } from '../database/scope.ts'
import type { TenantStatus } from './status.ts'

export type TenantRow = typeof tenants.$inferSelect

export const insertTenant = async (tx: PlatformTx, row: typeof tenants.$inferInsert): Promise<TenantRow> => {
  const [inserted] = await tx.insert(tenants).values(row).returning()
  if (!inserted) throw new Error('insert of a tenant answered no row')
  return inserted
}

export const findTenant = async (tx: Tx, id: string): Promise<TenantRow | undefined> => {
  const [row] = await tx.select().from(tenants).where(eq(tenants.id, id))
  return row
}

export const updateTenant = async (
  tx: Tx,
  id: string,
  change: Partial<TenantRow> & Pick<TenantRow, 'revision' | 'updated_at'>,
): Promise<TenantRow> => {
  const [row] = await tx.update(tenants).set(change).where(eq(tenants.id, id)).returning()
  if (!row) throw new Error('update of a tenant answered no row')
  return row
}

interface Filter {
  slug: string | undefined
  status: TenantStatus | undefined
  q: string | undefined
  after: string | undefined
  limit: number
}

export const listTenants = (tx: PlatformTx, { slug, status, q, after, limit }: Filter): Promise<TenantRow[]> => {
  const like = q === undefined ? '' : `%${q.replaceAll(/[\\%_]/g, '\\$&')}%`
  const wanted: (SQL | undefined)[] = [
    slug === undefined ? undefined : eq(tenants.slug, slug),
    status === undefined ? undefined : eq(tenants.status, status),
    q === undefined ? undefined : or(ilike(tenants.name, like), ilike(tenants.slug, like)),
    after === undefined ? undefined : gt(tenants.id, after),
  ]
  return tx
    .select()
    .from(tenants)
    .where(and(...wanted))
    .orderBy(asc(tenants.id))
    .limit(limit)
}

/** Whether the slug is the tenant's now: it was free, quarantined long enough, or its own before. */
export const claimSlug = async (tx: Tx, slug: string, tenant_id: string, now: Date): Promise<boolean> => {
  const [row] = await tx
    .select({ claimed: sql<boolean>`tenantry.claim_slug(${slug}, ${tenant_id}, ${now.toISOString()})` })
    .from(sql`(values (1)) as one`)
  return row?.claimed ?? false
}

export const releaseSlug = async (tx: Tx, slug: string, tenant_id: string, now: Date): Promise<void> => {
  await tx.execute(sql`select tenantry.release_slug(${slug}, ${tenant_id}, ${now.toISOString()})`)
}

/** Tenants whose grace is over, some at a time, in no order: those that cannot be erased must not stand in the way. */
export const findErasable = async (tx: PlatformTx, now: Date, limit: number): Promise<string[]> => {
  const rows = await tx
    .select({ id: tenants.id })
    .from(tenants)
    .where(and(eq(tenants.status, 'deletion_scheduled'), lte(tenants.deletes_at, now.toISOString())))
    .orderBy(sql`random()`)
    .limit(limit)
  return rows.map(({ id }) => id)
}
