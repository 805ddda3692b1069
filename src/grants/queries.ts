// SQL of grants; private to this slice.
import type { Grant, ResourceRef } from '@tenantry/client'
import { and, asc, count, eq, gt, isNull, type SQL, sql } from 'drizzle-orm'
import { grants, roles } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'

type Row = typeof grants.$inferSelect
/** A grant with the role that it gives. */
export type GrantRow = Row & { role: Grant & { key: string } }
type Which = Pick<Row, 'tenant_id' | 'id'>

const selectGrants = (tx: Tx) =>
  tx
    .select({ row: grants, role: { key: roles.key, permissions: roles.permissions, excludes: roles.excludes } })
    .from(grants)
    .innerJoin(roles, and(eq(roles.history_id, grants.role_history_id), eq(roles.id, grants.role_id)))

const at = ({ tenant_id, id }: Which) => and(eq(grants.tenant_id, tenant_id), eq(grants.id, id))

export const findGrant = async (tx: Tx, which: Which): Promise<GrantRow | undefined> => {
  const [found] = await selectGrants(tx).where(at(which))
  return found && { ...found.row, role: found.role }
}

export interface Filter {
  tenant_id: string | undefined
  membership_id?: string | undefined
  group_id?: string | undefined
  role?: string | undefined
  resource_type?: string | undefined
  resource_id?: string | undefined
  after: string | undefined
  limit: number
}

export const listGrants = async (tx: Tx, filter: Filter): Promise<GrantRow[]> => {
  const { tenant_id, membership_id, group_id, role, resource_type, resource_id, after, limit } = filter
  const wanted: (SQL | undefined)[] = [
    tenant_id === undefined ? undefined : eq(grants.tenant_id, tenant_id),
    membership_id === undefined ? undefined : eq(grants.membership_id, membership_id),
    group_id === undefined ? undefined : eq(grants.group_id, group_id),
    role === undefined ? undefined : eq(roles.key, role),
    resource_type === undefined ? undefined : eq(grants.resource_type, resource_type),
    resource_type === undefined ? undefined : sql`num_nonnulls(${grants.resource_id}) = 1`, // what its index asks for
    resource_id === undefined ? undefined : eq(grants.resource_id, resource_id),
    after === undefined ? undefined : gt(grants.id, after),
  ]
  const found = await selectGrants(tx)
    .where(and(...wanted))
    .orderBy(asc(grants.id))
    .limit(limit)
  return found.map(({ row, role }) => ({ ...row, role }))
}

export type Holder = Pick<Row, 'tenant_id' | 'membership_id' | 'group_id'>

const heldBy = ({ tenant_id, membership_id, group_id }: Holder) =>
  and(
    eq(grants.tenant_id, tenant_id),
    membership_id === null ? isNull(grants.membership_id) : eq(grants.membership_id, membership_id),
    group_id === null ? isNull(grants.group_id) : eq(grants.group_id, group_id),
  )

export const countTenantWide = async (tx: Tx, holder: Holder): Promise<number> => {
  const [row] = await tx
    .select({ count: count() })
    .from(grants)
    .where(and(heldBy(holder), isNull(grants.resource_type)))
  return row?.count ?? 0
}

/** @throws PostgreSQL's unique violation of `grants_once`, its foreign key violation of `grants_role` */
export const insertGrant = async (tx: Tx, row: typeof grants.$inferInsert): Promise<Row> => {
  const [inserted] = await tx.insert(grants).values(row).returning()
  if (!inserted) throw new Error('insert of a grant answered no row')
  return inserted
}

export const updateGrant = async (
  tx: Tx,
  which: Which,
  change: Partial<Row> & Pick<Row, 'revision' | 'updated_at'>,
): Promise<Row> => {
  const [row] = await tx.update(grants).set(change).where(at(which)).returning()
  if (!row) throw new Error('update of a grant answered no row')
  return row
}

export const deleteGrant = async (tx: Tx, which: Which): Promise<void> => {
  await tx.delete(grants).where(at(which))
}

export const resourceOf = ({
  resource_type: type,
  resource_id: id,
}: Pick<Row, 'resource_type' | 'resource_id'>): ResourceRef | null =>
  type === null || id === null ? null : { type, id }
