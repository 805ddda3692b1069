// SQL of roles; private to this slice.
import { and, asc, eq, gt, inArray, type SQL } from 'drizzle-orm'
import { histories, PLATFORM, roles } from '../database/schema.ts'
import type { PlatformTx, Tx } from '../database/scope.ts'

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
      ...{ key: roles.key, permissions: roles.permissions, excludes: roles.excludes },
      revision: histories.revision,
    })
    .from(histories)
    .innerJoin(roles, inArray(roles.history_id, [tenant_id, PLATFORM]))
    .where(eq(histories.id, PLATFORM))
    .orderBy(asc(roles.key))
  return {
    roles: rows.map(({ revision: _, ...role }) => role),
    platform_revision: rows[0]?.revision ?? 0,
  }
}

export const findRole = async (tx: Tx, id: string): Promise<RoleRow | undefined> => {
  const [row] = await tx.select().from(roles).where(eq(roles.id, id))
  return row
}

export const listRoles = (
  tx: Tx,
  { tenant_id, after, limit }: { tenant_id: string | undefined; after: string | undefined; limit: number },
): Promise<RoleRow[]> => {
  const wanted: (SQL | undefined)[] = [
    tenant_id === undefined ? undefined : inArray(roles.history_id, [tenant_id, PLATFORM]),
    after === undefined ? undefined : gt(roles.id, after),
  ]
  return tx
    .select()
    .from(roles)
    .where(and(...wanted))
    .orderBy(asc(roles.id))
    .limit(limit)
}

export const insertRoles = async (tx: PlatformTx, rows: (typeof roles.$inferInsert)[]): Promise<void> => {
  await tx.insert(roles).values(rows)
}
