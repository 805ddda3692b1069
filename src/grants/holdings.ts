// Who holds what besides the roles of memberships: through groups, on resources, for a time. For whoever lists it, or
// decides whether somebody may touch it; every function takes the transaction, and reads from an index.
import type { Grant } from '@tenantry/client'
import { and, asc, eq, gt, sql } from 'drizzle-orm'
import { grants, groupMembers, groupRoles, memberships, roles } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'
import { membershipTarget, roleTarget } from '../revocations/targets.ts'
import { narrow } from '../tokens/narrowing.ts'

/** A page in order of ids: those after `after`. */
interface Page {
  after: string | undefined
  limit: number
}

/** The ids of the memberships in a group. */
export const listMembersOf = async (tx: Tx, tenant_id: string, group_id: string, page: Page): Promise<string[]> => {
  const rows = await tx
    .select({ id: groupMembers.membership_id })
    .from(groupMembers)
    .where(
      and(
        eq(groupMembers.tenant_id, tenant_id),
        eq(groupMembers.group_id, group_id),
        page.after === undefined ? undefined : gt(groupMembers.membership_id, page.after),
      ),
    )
    .orderBy(asc(groupMembers.membership_id))
    .limit(page.limit)
  return rows.map(({ id }) => id)
}

// What is given

/** What a role gives where it is held, in patterns, and when the last grant of it ends: null for never. */
export interface Given extends Grant {
  key: string
  /** Null: in the whole tenant. */
  resource_type: string | null
  expires_at: string | null
}

/** Of what a role grants, what a grant on a resource of this type can give. */
export const within = <G extends Grant>(role: G, resource_type: string | null): G => {
  if (resource_type === null) return role
  const [part] = narrow([role], [`${resource_type}:*`])
  return { ...role, permissions: part ? [...part.permissions] : [] }
}

type Rows = { rows: Given[] } // the shape both drivers answer

/** One for each role and type of resource, however many grants there are. */
const givenBy = async (tx: Tx, held: ReturnType<typeof sql>): Promise<Given[]> => {
  const { rows } = (await tx.execute(sql`
    select r.key, to_json(r.permissions) as permissions, to_json(r.excludes) as excludes, h.resource_type,
      to_json(case when bool_and(h.expires_at is not null) then max(h.expires_at) end) as expires_at
    from (${held}) h join ${roles} r on r.history_id = h.role_history_id and r.id = h.role_id
    group by r.key, r.permissions, r.excludes, h.resource_type order by h.resource_type nulls first, r.key`)) as unknown as Rows
  return rows.map((each) => within(each, each.resource_type))
}

/** What a group gives to whoever is in it. */
export const givenByGroup = (tx: Tx, tenant_id: string, group_id: string): Promise<Given[]> =>
  givenBy(
    tx,
    sql`select gr.role_history_id, gr.role_id, null::text as resource_type, null::timestamptz as expires_at
      from ${groupRoles} gr where gr.tenant_id = ${tenant_id} and gr.group_id = ${group_id}
      union all
      select d.role_history_id, d.role_id, d.resource_type, d.expires_at
      from ${grants} d where d.tenant_id = ${tenant_id} and d.group_id = ${group_id}`,
  )

/** What a membership holds besides its own roles, whether it has begun or ended or not. */
export const givenBesides = (tx: Tx, tenant_id: string, membership_id: string): Promise<Given[]> =>
  givenBy(
    tx,
    sql`select gr.role_history_id, gr.role_id, null::text as resource_type, null::timestamptz as expires_at
      from ${groupMembers} gm join ${groupRoles} gr on gr.tenant_id = gm.tenant_id and gr.group_id = gm.group_id
      where gm.tenant_id = ${tenant_id} and gm.membership_id = ${membership_id}
      union all
      select d.role_history_id, d.role_id, d.resource_type, d.expires_at
      from ${grants} d where d.tenant_id = ${tenant_id} and d.membership_id = ${membership_id}
      union all
      select d.role_history_id, d.role_id, d.resource_type, d.expires_at
      from ${groupMembers} gm join ${grants} d on d.tenant_id = gm.tenant_id and d.group_id = gm.group_id
      where gm.tenant_id = ${tenant_id} and gm.membership_id = ${membership_id}`,
  )

type HeldRole = Grant & { key: string }

/** What these memberships hold in the whole tenant at this instant, besides their own roles. */
export const tenantWideBesides = async (tx: Tx, ids: string[], now: Date): Promise<Map<string, HeldRole[]>> => {
  const held = new Map<string, HeldRole[]>()
  if (ids.length === 0) return held
  const at = now.toISOString()
  const isOpen = sql`d.resource_type is null and coalesce(d.not_before <= ${at}, true) and coalesce(d.expires_at > ${at}, true)`
  const { rows } = (await tx.execute(sql`
    with m as (select tenant_id, id from ${memberships} where id = any(${sql.param(ids)}::uuid[]))
    select h.id, r.key, to_json(r.permissions) as permissions, to_json(r.excludes) as excludes from (
      select m.id, gr.role_history_id, gr.role_id from m
      join ${groupMembers} gm on gm.tenant_id = m.tenant_id and gm.membership_id = m.id
      join ${groupRoles} gr on gr.tenant_id = gm.tenant_id and gr.group_id = gm.group_id
      union
      select m.id, d.role_history_id, d.role_id from m
      join ${grants} d on d.tenant_id = m.tenant_id and d.membership_id = m.id and ${isOpen}
      union
      select m.id, d.role_history_id, d.role_id from m
      join ${groupMembers} gm on gm.tenant_id = m.tenant_id and gm.membership_id = m.id
      join ${grants} d on d.tenant_id = gm.tenant_id and d.group_id = gm.group_id and ${isOpen}
    ) h join ${roles} r on r.history_id = h.role_history_id and r.id = h.role_id order by h.id, r.key`)) as unknown as {
    rows: (HeldRole & { id: string })[]
  }
  for (const { id, ...role } of rows) held.set(id, [...(held.get(id) ?? []), role])
  return held
}

/** More entries than this would be a burden for every verifier. */
const MOST_NAMED = 100

/**
 * Whose tokens are stale when a group no longer gives these roles in the whole tenant. Its members, one by one; of a larger
 * group whoever in this tenant has one of the roles, which tokens say anyway.
 */
export const groupTargets = async (
  tx: Tx,
  tenant_id: string,
  group_id: string,
  lost: Iterable<string>,
): Promise<string[]> => {
  const keys = [...new Set(lost)]
  if (keys.length === 0) return []
  const members = await listMembersOf(tx, tenant_id, group_id, { after: undefined, limit: MOST_NAMED + 1 })
  return members.length > MOST_NAMED ? keys.map(roleTarget) : members.map(membershipTarget)
}
