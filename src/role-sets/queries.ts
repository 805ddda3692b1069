// SQL of role sets; private to this slice.
import { and, asc, count, eq, gt, isNull, or, sql } from 'drizzle-orm'
import { PLATFORM, roleSets, tenants } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'

export type RoleSetRow = typeof roleSets.$inferSelect

/** The roles of the set that the tenant is on, or of the default; undefined where there is neither. */
export const findRolesForTenant = async (tx: Tx, tenant_id: string): Promise<string[] | undefined> => {
  const isDefault = and(isNull(tenants.role_set), eq(roleSets.default, true))
  const [row] = await tx
    .select({ roles: roleSets.roles })
    .from(tenants)
    .innerJoin(roleSets, or(eq(roleSets.key, tenants.role_set), isDefault))
    .where(eq(tenants.id, tenant_id))
  return row?.roles
}

export const findRoleSet = async (tx: Tx, id: string): Promise<RoleSetRow | undefined> => {
  const [row] = await tx.select().from(roleSets).where(eq(roleSets.id, id))
  return row
}

export const findDefault = async (tx: Tx): Promise<RoleSetRow | undefined> => {
  const [row] = await tx.select().from(roleSets).where(eq(roleSets.default, true))
  return row
}

/** The keys of the sets that name the role. */
export const listSetsWith = async (tx: Tx, role: string): Promise<string[]> => {
  const rows = await tx
    .select({ key: roleSets.key })
    .from(roleSets)
    .where(sql`${role} = any (${roleSets.roles})`)
    .orderBy(asc(roleSets.key))
  return rows.map(({ key }) => key)
}

export const listRoleSets = (
  tx: Tx,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<RoleSetRow[]> =>
  tx
    .select()
    .from(roleSets)
    .where(after === undefined ? undefined : gt(roleSets.id, after))
    .orderBy(asc(roleSets.id))
    .limit(limit)

export const countRoleSets = async (tx: Tx): Promise<number> => {
  const [row] = await tx.select({ count: count() }).from(roleSets)
  return row?.count ?? 0
}

export const countTenantsOn = async (tx: Tx, key: string): Promise<number> => {
  const [row] = await tx.select({ count: count() }).from(tenants).where(eq(tenants.role_set, key))
  return row?.count ?? 0
}

/** @throws PostgreSQL's unique violation of `role_sets_key` */
export const insertRoleSet = async (
  tx: Tx,
  set: Omit<typeof roleSets.$inferInsert, 'history_id'>,
): Promise<RoleSetRow> => {
  const [row] = await tx
    .insert(roleSets)
    .values({ ...set, history_id: PLATFORM })
    .returning()
  if (!row) throw new Error('insert of a role set answered no row')
  return row
}

const at = (id: string) => and(eq(roleSets.history_id, PLATFORM), eq(roleSets.id, id))

export const updateRoleSet = async (
  tx: Tx,
  id: string,
  change: Partial<RoleSetRow> & Pick<RoleSetRow, 'revision' | 'updated_at'>,
): Promise<RoleSetRow> => {
  const [row] = await tx.update(roleSets).set(change).where(at(id)).returning()
  if (!row) throw new Error('update of a role set answered no row')
  return row
}

/** @throws PostgreSQL's foreign key violation of `tenants_role_set` while a tenant is on it */
export const deleteRoleSet = async (tx: Tx, id: string): Promise<void> => {
  await tx.delete(roleSets).where(at(id))
}

export interface HeldOutside {
  role: string
  tenants: number
  memberships: number
}

/** The shared roles that are held in the set's tenants and are not in it. */
export const countHeldOutside = async (tx: Tx, set: RoleSetRow): Promise<HeldOutside[]> => {
  const { rows } = (await tx.execute(sql`
    select r.key as role, count(distinct h.tenant_id)::int as tenants, count(*)::int as memberships
    from tenantry.roles r
    join tenantry.membership_roles h on h.role_id = r.id and h.role_history_id = r.history_id
    join tenantry.tenants t on t.id = h.tenant_id
    where r.history_id = ${PLATFORM} and r.key <> 'owner' and r.key <> all (${sql.param(set.roles)}::text[])
      and (t.role_set = ${set.key} or (${set.default} and t.role_set is null))
    group by r.key order by r.key`)) as unknown as { rows: HeldOutside[] } // the shape both drivers answer
  return rows
}
