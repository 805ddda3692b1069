// SQL of groups; private to this slice.
import type { Grant } from '@tenantry/client'
import { and, asc, count, eq, gt, type SQL, sql } from 'drizzle-orm'
import { groupMembers, groupRoles, groups, roles } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'
import type { RoleRow } from '../roles/operations.ts'

type Row = typeof groups.$inferSelect
export type GroupRow = Row & { roles: (Grant & { key: string })[] }
type Which = Pick<Row, 'tenant_id' | 'id'>

// Spelt out: in a query over one table drizzle leaves the table's name away, and the subselect would mean its own columns.
const heldRoles = sql<GroupRow['roles']>`(
  select coalesce(json_agg(json_build_object('key', r.key, 'permissions', r.permissions, 'excludes', r.excludes) order by r.key), '[]')
  from ${groupRoles} gr join ${roles} r on r.history_id = gr.role_history_id and r.id = gr.role_id
  where gr.tenant_id = groups.tenant_id and gr.group_id = groups.id)`

const selectGroups = (tx: Tx) => tx.select({ row: groups, roles: heldRoles }).from(groups)

const at = ({ tenant_id, id }: Which) => and(eq(groups.tenant_id, tenant_id), eq(groups.id, id))

export const findGroup = async (tx: Tx, which: Which): Promise<GroupRow | undefined> => {
  const [found] = await selectGroups(tx).where(at(which))
  return found && { ...found.row, roles: found.roles }
}

export interface Filter {
  tenant_id: string | undefined
  name?: string | undefined
  membership_id?: string | undefined
  role?: string | undefined
  after: string | undefined
  limit: number
}

export const listGroups = async (tx: Tx, filter: Filter): Promise<GroupRow[]> => {
  const { tenant_id, name, membership_id, role, after, limit } = filter
  const wanted: (SQL | undefined)[] = [
    tenant_id === undefined ? undefined : eq(groups.tenant_id, tenant_id),
    name === undefined ? undefined : eq(groups.name, name),
    membership_id === undefined ? undefined : hasMember(membership_id),
    role === undefined ? undefined : holdsRole(role),
    after === undefined ? undefined : gt(groups.id, after),
  ]
  const found = await selectGroups(tx)
    .where(and(...wanted))
    .orderBy(asc(groups.id))
    .limit(limit)
  return found.map((each) => ({ ...each.row, roles: each.roles }))
}

const hasMember = (membership_id: string): SQL => sql`exists (
  select from ${groupMembers} gm
  where gm.tenant_id = groups.tenant_id and gm.group_id = groups.id and gm.membership_id = ${membership_id})`

const holdsRole = (key: string): SQL => sql`exists (
  select from ${groupRoles} gr join ${roles} r on r.history_id = gr.role_history_id and r.id = gr.role_id
  where gr.tenant_id = groups.tenant_id and gr.group_id = groups.id and r.key = ${key})`

export const countGroups = async (tx: Tx, tenant_id: string): Promise<number> => {
  const [row] = await tx.select({ count: count() }).from(groups).where(eq(groups.tenant_id, tenant_id))
  return row?.count ?? 0
}

export const countGroupsOf = async (tx: Tx, tenant_id: string, membership_id: string): Promise<number> => {
  const [row] = await tx
    .select({ count: count() })
    .from(groupMembers)
    .where(and(eq(groupMembers.tenant_id, tenant_id), eq(groupMembers.membership_id, membership_id)))
  return row?.count ?? 0
}

/** @throws PostgreSQL's unique violation of `groups_name` */
export const insertGroup = async (tx: Tx, row: typeof groups.$inferInsert): Promise<Row> => {
  const [inserted] = await tx.insert(groups).values(row).returning()
  if (!inserted) throw new Error('insert of a group answered no row')
  return inserted
}

/** @throws PostgreSQL's unique violation of `groups_name` */
export const updateGroup = async (
  tx: Tx,
  which: Which,
  change: Partial<Row> & Pick<Row, 'revision' | 'updated_at'>,
): Promise<Row> => {
  const [row] = await tx.update(groups).set(change).where(at(which)).returning()
  if (!row) throw new Error('update of a group answered no row')
  return row
}

/** @throws PostgreSQL's foreign key violation of `group_roles_role` where a shared role is gone */
export const replaceGroupRoles = async (tx: Tx, { tenant_id, id }: Which, held: RoleRow[]): Promise<void> => {
  await tx.delete(groupRoles).where(and(eq(groupRoles.tenant_id, tenant_id), eq(groupRoles.group_id, id)))
  if (held.length === 0) return
  await tx
    .insert(groupRoles)
    .values(held.map((role) => ({ tenant_id, group_id: id, role_id: role.id, role_history_id: role.history_id })))
}

/** Its members, roles and grants go with it. */
export const deleteGroup = async (tx: Tx, which: Which): Promise<void> => {
  await tx.delete(groups).where(at(which))
}

interface Member {
  tenant_id: string
  group_id: string
  membership_id: string
}

/** Answers whether it was not in the group before. */
export const insertMember = async (tx: Tx, member: Member): Promise<boolean> => {
  const added = await tx.insert(groupMembers).values(member).onConflictDoNothing().returning()
  return added.length > 0
}

/** Answers whether it was in the group. */
export const deleteMember = async (tx: Tx, { tenant_id, group_id, membership_id }: Member): Promise<boolean> => {
  const gone = await tx
    .delete(groupMembers)
    .where(
      and(
        eq(groupMembers.tenant_id, tenant_id),
        eq(groupMembers.group_id, group_id),
        eq(groupMembers.membership_id, membership_id),
      ),
    )
    .returning()
  return gone.length > 0
}
