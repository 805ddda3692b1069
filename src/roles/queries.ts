// SQL of roles; private to this slice.
import { and, asc, count, eq, gt, inArray, isNotNull, isNull, ne, or, type SQL, sql } from 'drizzle-orm'
import { conditionsOf, touchedBy } from '../authorization/conditions.ts'
import { catalogues, histories, PLATFORM, roles } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'
import { effective } from '../permissions/by-name.ts'
import type { PoliciesInForce } from '../policies/set.ts'
import { withoutTouched } from '../tokens/touched.ts'

export type RoleRow = typeof roles.$inferSelect

/** Of these keys, the roles that exist for the tenant: its own and the shared ones. */
export const findRolesByKey = (tx: Tx, tenant_id: string, keys: string[]): Promise<RoleRow[]> =>
  tx
    .select()
    .from(roles)
    .where(and(inArray(roles.history_id, [tenant_id, PLATFORM]), inArray(roles.key, keys)))
    .orderBy(asc(roles.key))

interface Definition {
  key: string
  permissions: string[]
  excludes: string[]
}

/** What a tenant's roles grant, its own and the shared ones', and the platform's revision at that moment, in one statement. */
export const readRolesOf = async (
  tx: Tx,
  tenant_id: string,
): Promise<{ roles: Definition[]; platform_revision: number }> => {
  const rows = await tx
    .select({
      role: { key: roles.key, permissions: roles.permissions, excludes: roles.excludes },
      by_name: catalogues.by_name,
      step_up: catalogues.step_up,
      policies: sql<PoliciesInForce | null>`tenantry.policies_in_force(${tenant_id})`,
      revision: histories.revision,
    })
    .from(histories)
    .innerJoin(roles, inArray(roles.history_id, [tenant_id, PLATFORM]))
    .leftJoin(catalogues, eq(catalogues.history_id, PLATFORM))
    .where(eq(histories.id, PLATFORM))
    .orderBy(asc(roles.key))
  const [{ step_up = null, policies = null } = {}] = rows
  const touched = touchedBy(conditionsOf({ step_up: step_up ?? [], policies }))
  return {
    roles: rows.map(({ role, by_name }) => withoutTouched(effective(role, by_name ?? []), touched)),
    platform_revision: rows[0]?.revision ?? 0,
  }
}

export const findRole = async (tx: Tx, id: string): Promise<RoleRow | undefined> => {
  const [row] = await tx.select().from(roles).where(eq(roles.id, id))
  return row
}

export interface Filter {
  tenant_id: string | undefined
  /** Of the shared ones only these; undefined for all. */
  allowed: string[] | undefined
  key: string | undefined
  shared: boolean | undefined
  after: string | undefined
  limit: number
}

export const listRoles = (tx: Tx, { tenant_id, allowed, key, shared, after, limit }: Filter): Promise<RoleRow[]> => {
  const wanted: (SQL | undefined)[] = [
    tenant_id === undefined ? undefined : inArray(roles.history_id, [tenant_id, PLATFORM]),
    allowed === undefined ? undefined : or(ne(roles.history_id, PLATFORM), inArray(roles.key, allowed)),
    key === undefined ? undefined : eq(roles.key, key),
    shared === undefined ? undefined : shared ? isNull(roles.tenant_id) : isNotNull(roles.tenant_id),
    after === undefined ? undefined : gt(roles.id, after),
  ]
  return tx
    .select()
    .from(roles)
    .where(and(...wanted))
    .orderBy(asc(roles.id))
    .limit(limit)
}

export const countRoles = async (tx: Tx, history_id: string): Promise<number> => {
  const [row] = await tx.select({ count: count() }).from(roles).where(eq(roles.history_id, history_id))
  return row?.count ?? 0
}

/** @throws PostgreSQL's unique violation of `roles_key` */
export const insertRoles = (tx: Tx, rows: (typeof roles.$inferInsert)[]): Promise<RoleRow[]> =>
  tx.insert(roles).values(rows).returning()

/**
 * Until the transaction ends: as many tenants as like may take this key, or the platform alone. No constraint can say that.
 */
export const lockKey = async (tx: Tx, history_id: string, key: string): Promise<void> => {
  const name = sql`hashtextextended(${`role:${key}`}, 0)`
  const lock =
    history_id === PLATFORM ? sql`pg_advisory_xact_lock(${name})` : sql`pg_advisory_xact_lock_shared(${name})`
  await tx.execute(sql`select ${lock}`)
}

/** Whether the key is the platform's; for the platform, whether it is any tenant's. Ask it under `lockKey`. */
export const isTakenElsewhere = async (tx: Tx, history_id: string, key: string): Promise<boolean> => {
  const elsewhere = history_id === PLATFORM ? ne(roles.history_id, PLATFORM) : eq(roles.history_id, PLATFORM)
  const taken = await tx
    .select({ id: roles.id })
    .from(roles)
    .where(and(eq(roles.key, key), elsewhere))
    .limit(1)
  return taken.length > 0
}

const at = ({ history_id, id }: Pick<RoleRow, 'history_id' | 'id'>) =>
  and(eq(roles.history_id, history_id), eq(roles.id, id))

export const updateRole = async (
  tx: Tx,
  which: Pick<RoleRow, 'history_id' | 'id'>,
  change: Partial<RoleRow> & Pick<RoleRow, 'revision' | 'updated_at'>,
): Promise<RoleRow> => {
  const [row] = await tx.update(roles).set(change).where(at(which)).returning()
  if (!row) throw new Error('update of a role answered no row')
  return row
}

/** @throws PostgreSQL's foreign key violation of `membership_roles_role` while somebody holds it */
export const deleteRole = async (tx: Tx, which: Pick<RoleRow, 'history_id' | 'id'>): Promise<void> => {
  await tx.delete(roles).where(at(which))
}
