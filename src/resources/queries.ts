// SQL of registered resources; private to this slice.
import { and, asc, eq, sql } from 'drizzle-orm'
import { resources } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'

export type ResourceRow = typeof resources.$inferSelect
export type Which = Pick<ResourceRow, 'tenant_id' | 'type' | 'id'>

const at = ({ tenant_id, type, id }: Which) =>
  and(eq(resources.tenant_id, tenant_id), eq(resources.type, type), eq(resources.id, id))

export const findResource = async (tx: Tx, which: Which): Promise<ResourceRow | undefined> => {
  const [row] = await tx.select().from(resources).where(at(which))
  return row
}

export interface Filter {
  tenant_id: string | undefined
  type: string | undefined
  after: Which | undefined
  limit: number
}

export const listResources = (tx: Tx, { tenant_id, type, after, limit }: Filter): Promise<ResourceRow[]> =>
  tx
    .select()
    .from(resources)
    .where(
      and(
        tenant_id === undefined ? undefined : eq(resources.tenant_id, tenant_id),
        type === undefined ? undefined : eq(resources.type, type),
        after &&
          sql`(${resources.tenant_id}, ${resources.type}, ${resources.id}) > (${after.tenant_id}::uuid, ${after.type}, ${after.id})`,
      ),
    )
    .orderBy(asc(resources.tenant_id), asc(resources.type), asc(resources.id))
    .limit(limit)

/** Makes it, or replaces what may change of it. */
export const upsertResource = async (tx: Tx, row: ResourceRow): Promise<ResourceRow> => {
  const { properties, revision, updated_at } = row
  const [written] = await tx
    .insert(resources)
    .values(row)
    .onConflictDoUpdate({
      target: [resources.tenant_id, resources.type, resources.id],
      set: { properties, revision, updated_at },
    })
    .returning()
  if (!written) throw new Error('upsert of a resource answered no row')
  return written
}

export const deleteResource = async (tx: Tx, which: Which): Promise<void> => {
  await tx.delete(resources).where(at(which))
}
