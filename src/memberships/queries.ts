// SQL of memberships; private to this slice.
import type { Grant } from '@tenantry/client'
import { and, asc, count, eq, gt, inArray, isNull, or, type SQL, sql } from 'drizzle-orm'
import { grants, groupMembers, groupRoles, membershipRoles, memberships, roles, tenants } from '../database/schema.ts'
import type { PlatformTx, Tx } from '../database/scope.ts'
import type { Identity } from '../http/principal.ts'
import type { RoleRow } from '../roles/operations.ts'

type Row = typeof memberships.$inferSelect
type HeldRole = Grant & { key: string }
export type MembershipRow = Row & { roles: HeldRole[] }

// Spelt out: in a query over one table drizzle leaves the table's name away, and the subselect would mean its own columns.
const heldRoles = sql<HeldRole[]>`(
  select coalesce(json_agg(json_build_object('key', r.key, 'permissions', r.permissions, 'excludes', r.excludes) order by r.key), '[]')
  from ${membershipRoles} mr join ${roles} r on r.history_id = mr.role_history_id and r.id = mr.role_id
  where mr.tenant_id = memberships.tenant_id and mr.membership_id = memberships.id)`

const selectMemberships = (tx: Tx) => tx.select({ row: memberships, roles: heldRoles }).from(memberships)

export const findMembership = async (tx: Tx, tenant_id: string, id: string): Promise<MembershipRow | undefined> => {
  const [found] = await selectMemberships(tx).where(and(eq(memberships.tenant_id, tenant_id), eq(memberships.id, id)))
  return found && { ...found.row, roles: found.roles }
}

export const findMemberships = async (tx: Tx, ids: string[]): Promise<MembershipRow[]> => {
  if (ids.length === 0) return []
  const found = await selectMemberships(tx).where(inArray(memberships.id, ids)).orderBy(asc(memberships.id))
  return found.map((each) => ({ ...each.row, roles: each.roles }))
}

export interface Filter {
  tenant_id: string | undefined
  user_id: string | undefined
  role: string | undefined
  status: 'active' | 'suspended' | 'expired' | undefined
  email: string | undefined
  now: Date
  after: string | undefined
  limit: number
}

export const listMemberships = async (tx: Tx, filter: Filter): Promise<MembershipRow[]> => {
  const { tenant_id, user_id, role, status, email, now, after, limit } = filter
  const wanted: (SQL | undefined)[] = [
    tenant_id === undefined ? undefined : eq(memberships.tenant_id, tenant_id),
    user_id === undefined ? undefined : eq(memberships.user_id, user_id),
    role === undefined ? undefined : holdsRole(role),
    status === undefined ? undefined : hasStatus(status, now),
    email === undefined ? undefined : sql`lower(${memberships.email}) = lower(${email})`,
    after === undefined ? undefined : gt(memberships.id, after),
  ]
  const found = await selectMemberships(tx)
    .where(and(...wanted))
    .orderBy(asc(memberships.id))
    .limit(limit)
  return found.map((each) => ({ ...each.row, roles: each.roles }))
}

/** A membership as its user sees it. */
export interface Own {
  row: Row
  roles: HeldRole[]
  tenant: Pick<typeof tenants.$inferSelect, 'slug' | 'name' | 'status'>
}

/**
 * What there is for users who have shown who they are, in whichever tenants; without what they were signed out of since
 * they logged in.
 */
export const listMembershipsOfUser = (
  tx: PlatformTx,
  {
    users,
    tenant_id,
    after,
    limit,
  }: { users: readonly Identity[]; tenant_id: string | undefined; after: string | undefined; limit: number },
): Promise<Own[]> =>
  tx
    .select({
      row: memberships,
      roles: heldRoles,
      tenant: { slug: tenants.slug, name: tenants.name, status: tenants.status },
    })
    .from(memberships)
    .innerJoin(tenants, eq(tenants.id, memberships.tenant_id))
    .where(
      and(
        or(sql`false`, ...users.map(isOf)),
        tenant_id === undefined ? undefined : eq(memberships.tenant_id, tenant_id),
        after === undefined ? undefined : gt(memberships.id, after),
      ),
    )
    .orderBy(asc(memberships.id))
    .limit(limit)

const isOf = ({ id, tenant_id, auth_time }: Identity): SQL | undefined =>
  and(
    eq(memberships.user_id, id),
    tenant_id === null ? undefined : eq(memberships.tenant_id, tenant_id),
    sql`coalesce(${memberships.signed_out_at} <= to_timestamp(${auth_time}), true)`,
  )

const holdsRole = (key: string): SQL => sql`exists (
  select from ${membershipRoles} mr join ${roles} r on r.history_id = mr.role_history_id and r.id = mr.role_id
  where mr.tenant_id = memberships.tenant_id and mr.membership_id = memberships.id and r.key = ${key})`

/** `expired` is no stored state: it is what an active membership becomes when its end has come. */
const hasStatus = (status: 'active' | 'suspended' | 'expired', now: Date): SQL => {
  if (status === 'suspended') return eq(memberships.status, 'suspended')
  const over = sql`coalesce(${memberships.expires_at} <= ${now.toISOString()}, false)`
  return sql`${memberships.status} = 'active' and ${status === 'expired' ? over : sql`not ${over}`}`
}

/** @throws PostgreSQL's unique violation of `memberships_user` */
export const insertMembership = async (tx: Tx, row: typeof memberships.$inferInsert): Promise<Row> => {
  const [inserted] = await tx.insert(memberships).values(row).returning()
  if (!inserted) throw new Error('insert of a membership answered no row')
  return inserted
}

export const insertMembershipRoles = async (
  tx: Tx,
  { tenant_id, id }: Pick<Row, 'tenant_id' | 'id'>,
  held: RoleRow[],
): Promise<void> => {
  await tx
    .insert(membershipRoles)
    .values(held.map((role) => ({ tenant_id, membership_id: id, role_id: role.id, role_history_id: role.history_id })))
}

export const replaceMembershipRoles = async (
  tx: Tx,
  row: Pick<Row, 'tenant_id' | 'id'>,
  held: RoleRow[],
): Promise<void> => {
  const { tenant_id, id } = row
  await tx
    .delete(membershipRoles)
    .where(and(eq(membershipRoles.tenant_id, tenant_id), eq(membershipRoles.membership_id, id)))
  await insertMembershipRoles(tx, row, held)
}

export const updateMembership = async (
  tx: Tx,
  { tenant_id, id }: Pick<Row, 'tenant_id' | 'id'>,
  change: Partial<Row> & Pick<Row, 'revision' | 'updated_at'>,
): Promise<Row> => {
  const [row] = await tx
    .update(memberships)
    .set(change)
    .where(and(eq(memberships.tenant_id, tenant_id), eq(memberships.id, id)))
    .returning()
  if (!row) throw new Error('update of a membership answered no row')
  return row
}

/** Its roles go with it. */
export const deleteMembership = async (tx: Tx, { tenant_id, id }: Pick<Row, 'tenant_id' | 'id'>): Promise<void> => {
  await tx.delete(memberships).where(and(eq(memberships.tenant_id, tenant_id), eq(memberships.id, id)))
}

/** Whether another active owner without an end date exists. Ask it under the history's lock. */
export const hasOtherOwner = async (tx: Tx, { tenant_id, id }: Pick<Row, 'tenant_id' | 'id'>): Promise<boolean> => {
  const others = await tx
    .select({ id: memberships.id })
    .from(memberships)
    .where(
      and(
        eq(memberships.tenant_id, tenant_id),
        sql`${memberships.id} <> ${id}`,
        eq(memberships.status, 'active'),
        isNull(memberships.expires_at),
        holdsRole('owner'),
      ),
    )
    .limit(1)
  return others.length > 0
}

// Whoever holds a role: looked for by the role, whose index leads across tenants; a tenant's scope sees its own.

export const countHolders = async (tx: Tx, { id }: Pick<RoleRow, 'id'>): Promise<number> => {
  const [row] = await tx.select({ count: count() }).from(membershipRoles).where(eq(membershipRoles.role_id, id))
  return row?.count ?? 0
}

/** Of those who hold it through a group or by a grant as well. */
export const listTenantsOfHolders = async (tx: Tx, { id }: Pick<RoleRow, 'id'>): Promise<string[]> => {
  const of = (table: typeof membershipRoles | typeof groupRoles | typeof grants) =>
    tx.selectDistinct({ tenant_id: table.tenant_id }).from(table).where(eq(table.role_id, id))
  const rows = [...(await of(membershipRoles)), ...(await of(groupRoles)), ...(await of(grants))]
  return [...new Set(rows.map(({ tenant_id }) => tenant_id))].sort()
}

/** The first of them, in one tenant or in all. */
export const listHolders = async (
  tx: Tx,
  { id }: Pick<RoleRow, 'id'>,
  { tenant_id, limit }: { tenant_id?: string; limit: number },
): Promise<MembershipRow[]> => {
  const held = and(
    eq(membershipRoles.role_id, id),
    tenant_id === undefined ? undefined : eq(membershipRoles.tenant_id, tenant_id),
  )
  const found = await selectMemberships(tx)
    .innerJoin(
      membershipRoles,
      and(eq(membershipRoles.tenant_id, memberships.tenant_id), eq(membershipRoles.membership_id, memberships.id)),
    )
    .where(held)
    .orderBy(asc(membershipRoles.tenant_id), asc(membershipRoles.membership_id))
    .limit(limit)
  return found.map((each) => ({ ...each.row, roles: each.roles }))
}

/** The first of those who hold it in the whole tenant, in whichever way. */
export const listAllHolders = async (tx: Tx, { id }: Pick<RoleRow, 'id'>, limit: number): Promise<MembershipRow[]> => {
  const { rows } = (await tx.execute(sql`
    select membership_id as id from (
      select mr.membership_id from ${membershipRoles} mr where mr.role_id = ${id}
      union
      select gm.membership_id from ${groupRoles} gr
      join ${groupMembers} gm on gm.tenant_id = gr.tenant_id and gm.group_id = gr.group_id where gr.role_id = ${id}
      union
      select d.membership_id from ${grants} d
      where d.role_id = ${id} and d.membership_id is not null and d.resource_type is null
      union
      select gm.membership_id from ${grants} d
      join ${groupMembers} gm on gm.tenant_id = d.tenant_id and gm.group_id = d.group_id
      where d.role_id = ${id} and d.resource_type is null
    ) held order by membership_id limit ${limit}`)) as unknown as { rows: { id: string }[] } // the shape both drivers answer
  return findMemberships(
    tx,
    rows.map(({ id }) => id),
  )
}

/** Gives these one role in place of another; who has that one already just loses the first. */
export const replaceRole = async (
  tx: Tx,
  tenant_id: string,
  ids: string[],
  from: Pick<RoleRow, 'id'>,
  to: Pick<RoleRow, 'id' | 'history_id'>,
): Promise<void> => {
  const given = ids.map((membership_id) => ({
    ...{ tenant_id, membership_id, role_id: to.id, role_history_id: to.history_id },
  }))
  await tx.insert(membershipRoles).values(given).onConflictDoNothing()
  await tx
    .delete(membershipRoles)
    .where(
      and(
        eq(membershipRoles.tenant_id, tenant_id),
        eq(membershipRoles.role_id, from.id),
        inArray(membershipRoles.membership_id, ids),
      ),
    )
}

export const updateRevisions = async (
  tx: Tx,
  tenant_id: string,
  changes: Pick<Row, 'id' | 'revision'>[],
  updated_at: string,
): Promise<void> => {
  const rows = sql.join(
    changes.map(({ id, revision }) => sql`(${id}::uuid, ${revision}::bigint)`),
    sql`, `,
  )
  await tx.execute(sql`
    update ${memberships} m set revision = c.revision, updated_at = ${updated_at}
    from (values ${rows}) as c (id, revision) where m.tenant_id = ${tenant_id} and m.id = c.id`)
}
