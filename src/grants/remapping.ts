// Groups that hold a role, and grants of it, for what happens to the role: like memberships that hold it
// (memberships/holders.ts), which see to the locks.
import { and, count, eq, inArray, sql } from 'drizzle-orm'
import { requireEndWithinOwn } from '../authorization/escalation.ts'
import type { History } from '../database/history.ts'
import { grants, groupRoles, groups } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'
import type { By } from '../http/write.ts'
import type { RoleRow } from '../roles/operations.ts'

type Role = Pick<RoleRow, 'id' | 'history_id' | 'key' | 'permissions' | 'excludes'>

/** In all tenants that the transaction sees. */
export const countUses = async (tx: Tx, { id }: Pick<Role, 'id'>): Promise<{ groups: number; grants: number }> => {
  const [inGroups] = await tx.select({ count: count() }).from(groupRoles).where(eq(groupRoles.role_id, id))
  const [inGrants] = await tx.select({ count: count() }).from(grants).where(eq(grants.role_id, id))
  return { groups: inGroups?.count ?? 0, grants: inGrants?.count ?? 0 }
}

/** In one tenant: every group and every grant gets the other role, with an event and a revision of its own. */
export const remapUses = async (
  tx: Tx,
  by: By,
  history: History,
  from: Role,
  to: Role,
  gives: boolean,
): Promise<void> => {
  await remapGroups(tx, by, history, from, to, gives)
  await remapGrants(tx, by, history, from, to, gives)
}

const remapGroups = async (tx: Tx, by: By, history: History, from: Role, to: Role, gives: boolean): Promise<void> => {
  const tenant_id = history.id
  const gone = await tx
    .delete(groupRoles)
    .where(and(eq(groupRoles.tenant_id, tenant_id), eq(groupRoles.role_id, from.id)))
    .returning({ group_id: groupRoles.group_id })
  if (gone.length === 0) return
  if (gives) requireEndWithinOwn(by.principal, null, [to])
  const held = gone.map(({ group_id }) => ({ tenant_id, group_id, role_id: to.id, role_history_id: to.history_id }))
  await tx.insert(groupRoles).values(held).onConflictDoNothing()
  await touch(
    tx,
    groups,
    tenant_id,
    gone.map(({ group_id }) => group_id),
    history.next,
    by,
  )
  await history.append(
    tx,
    ...gone.map(({ group_id }) => ({
      ...{ type: 'group.updated', actor: by.actor, at: by.now },
      data: { group_id, changed: ['roles'], replaced: { from: from.key, to: to.key } },
    })),
  )
}

/** Where the other role is granted to the same holder on the same resource already, that grant stays and this one goes. */
const remapGrants = async (tx: Tx, by: By, history: History, from: Role, to: Role, gives: boolean): Promise<void> => {
  const tenant_id = history.id
  const isFrom = and(eq(grants.tenant_id, tenant_id), eq(grants.role_id, from.id))
  const twin = sql`exists (select from ${grants} t where t.tenant_id = ${tenant_id} and t.role_id = ${to.id}
    and (t.membership_id, t.group_id, t.resource_type, t.resource_id)
      is not distinct from (grants.membership_id, grants.group_id, grants.resource_type, grants.resource_id))`
  const dropped = await tx.delete(grants).where(and(isFrom, twin)).returning({ id: grants.id })
  const moved = await tx
    .update(grants)
    .set({ role_id: to.id, role_history_id: to.history_id })
    .where(isFrom)
    .returning({ id: grants.id, expires_at: grants.expires_at })
  if (gives) for (const { expires_at } of moved) requireEndWithinOwn(by.principal, expires_at, [to])
  const ids = moved.map(({ id }) => id)
  if (ids.length > 0) await touch(tx, grants, tenant_id, ids, history.next, by)
  const events = [
    ...ids.map((grant_id) => ({ type: 'grant.updated', data: { grant_id, role: { from: from.key, to: to.key } } })),
    ...dropped.map(({ id }) => ({ type: 'grant.deleted', data: { grant_id: id, role: from.key } })),
  ]
  if (events.length === 0) return
  await history.append(tx, ...events.map((event) => ({ ...event, actor: by.actor, at: by.now })))
}

/** Their revisions: one after the other, in the order of the events that follow. */
const touch = async (
  tx: Tx,
  table: typeof groups | typeof grants,
  tenant_id: string,
  ids: string[],
  first: number,
  { now }: By,
): Promise<void> => {
  const revision = sql`${first}::bigint + array_position(${sql.param(ids)}::uuid[], id) - 1`
  await tx
    .update(table)
    .set({ revision, updated_at: now.toISOString() })
    .where(and(eq(table.tenant_id, tenant_id), inArray(table.id, ids)))
}
