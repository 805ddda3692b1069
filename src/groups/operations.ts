// What happens to a group, inside one scope. Everything is decided under the lock of the tenant's history.
import type { components } from '@tenantry/client/contract'
import {
  requireEndWithinOwn,
  requireEndWithinOwnIfGiving,
  requireMayActOn,
  requireWithinOwn,
} from '../authorization/escalation.ts'
import { brokenReference, violatedConstraint } from '../database/faults.ts'
import type { History } from '../database/history.ts'
import type { Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { earlier } from '../expiry.ts'
import { type Given, givenByGroup, groupTargets } from '../grants/holdings.ts'
import { requireMatch } from '../http/preconditions.ts'
import type { By } from '../http/write.ts'
import { newId } from '../ids.ts'
import { findMembership } from '../memberships/operations.ts'
import { membershipTarget } from '../revocations/targets.ts'
import { type RoleRow, resolveRoles } from '../roles/operations.ts'
import { isSame } from '../same.ts'
import { lockWritableTenant } from '../tenants/locking.ts'
import {
  countGroups,
  countGroupsOf,
  deleteGroup,
  deleteMember,
  findGroup,
  type GroupRow,
  insertGroup,
  insertMember,
  replaceGroupRoles,
  updateGroup,
} from './queries.ts'

type GroupCreate = Omit<components['schemas']['GroupCreate'], 'tenant_id'>
type GroupUpdate = components['schemas']['GroupUpdate']

const MOST_GROUPS = 1_000
/** The facts of a decision hold what all of them give. */
const MOST_GROUPS_OF_ONE = 50

/** Which group, of which tenant, and the caller's `If-Match`. */
export interface Which {
  tenant_id: string
  id: string
  ifMatch: string | undefined
}

/** A group after a change, and its tenant's history. */
export interface Changed {
  group: GroupRow
  history: History
}

const keysOf = (roles: readonly { key: string }[]): string[] => roles.map(({ key }) => key)

const nameIsTaken = (error: unknown): never => {
  throw violatedConstraint(error) === 'groups_name' ? new Problem('group.name_taken') : error
}

/** A shared role was deleted at this very moment: its history is locked by nobody here. */
const roleIsGone = (error: unknown): never => {
  throw brokenReference(error) === 'group_roles_role' ? new Problem('role.unknown') : error
}

const resolve = async (tx: Tx, tenant_id: string, keys: string[], held: GroupRow['roles'] = []): Promise<RoleRow[]> =>
  keys.length === 0 ? [] : resolveRoles(tx, tenant_id, keys, held)

export const createGroup = async (tx: Tx, by: By, tenant_id: string, input: GroupCreate): Promise<Changed> => {
  const { name, description = '', roles: keys = [] } = input
  const { history } = await lockWritableTenant(tx, tenant_id, by)
  const roles = await resolve(tx, tenant_id, keys)
  requireWithinOwn(by.principal, roles)
  requireEndWithinOwn(by.principal, null, roles)
  if ((await countGroups(tx, tenant_id)) >= MOST_GROUPS) throw new Problem('group.too_many')
  const at = by.now.toISOString()
  const row = await insertGroup(tx, {
    ...{ tenant_id, id: newId(), name, description },
    ...{ revision: history.next, created_at: at, updated_at: at },
  }).catch(nameIsTaken)
  await replaceGroupRoles(tx, row, roles).catch(roleIsGone)
  await history.append(tx, {
    ...{ type: 'group.created', actor: by.actor, at: by.now, personal: { name, description } },
    data: { group_id: row.id, roles: keysOf(roles) },
  })
  return { group: { ...row, roles }, history }
}

export const changeGroup = async (tx: Tx, by: By, which: Which, input: GroupUpdate): Promise<Changed> => {
  const { group, history } = await lockGroup(tx, by, which)
  const { roles: keys, ...fields } = input
  const given = keys && (await resolve(tx, which.tenant_id, keys, group.roles))
  const roles = given ?? group.roles
  requireWithinOwn(by.principal, roles)
  requireMayActOn(by.principal, group.roles)
  const [before, after] = [keysOf(group.roles), keysOf(roles)]
  if (isSame({ ...group, roles: before }, { ...fields, roles: after })) return { group, history }
  requireEndWithinOwnIfGiving(by.principal, { expires_at: null, roles: group.roles }, { expires_at: null, roles })
  const change = { ...fields, revision: history.next, updated_at: by.now.toISOString() }
  const row = await updateGroup(tx, which, change).catch(nameIsTaken)
  if (given) await replaceGroupRoles(tx, which, given).catch(roleIsGone)
  const lost = before.filter((key) => !after.includes(key))
  await history.append(tx, {
    ...{ type: 'group.updated', actor: by.actor, at: by.now },
    data: { group_id: row.id, changed: Object.keys(input), ...(given && { roles: { from: before, to: after } }) },
    personal: { name: row.name, description: row.description },
    revokes: await groupTargets(tx, which.tenant_id, which.id, lost),
  })
  return { group: { ...row, roles }, history }
}

/** What it gives in the whole tenant: only that is in tokens. */
const tenantWideKeys = (given: Given[]): string[] => keysOf(given.filter(({ resource_type }) => resource_type === null))

export const removeGroup = async (tx: Tx, by: By, which: Which): Promise<History> => {
  const { group, history } = await lockGroup(tx, by, which)
  const given = await givenByGroup(tx, which.tenant_id, which.id)
  requireMayActOn(by.principal, given)
  const revokes = await groupTargets(tx, which.tenant_id, which.id, tenantWideKeys(given))
  await deleteGroup(tx, which)
  await history.append(tx, {
    ...{ type: 'group.deleted', actor: by.actor, at: by.now, revokes },
    data: { group_id: group.id, roles: keysOf(group.roles) },
    personal: { name: group.name },
  })
  return history
}

const lockGroup = async (tx: Tx, by: By, { tenant_id, id, ifMatch }: Which): Promise<Changed> => {
  const { history } = await lockWritableTenant(tx, tenant_id, by)
  const group = await findGroup(tx, { tenant_id, id })
  if (!group) throw new Problem('group.not_found')
  requireMatch(ifMatch, group.revision)
  return { group, history }
}

/** Puts a member into a group, or takes it out. Repeatable: a second time changes nothing and takes no revision. */
export const moveMember = async (
  tx: Tx,
  by: By,
  which: Which,
  membership_id: string,
  to: 'in' | 'out',
): Promise<History> => {
  const { history } = await lockGroup(tx, by, which)
  const { tenant_id, id: group_id } = which
  const membership = await findMembership(tx, tenant_id, membership_id)
  if (!membership) throw new Problem('membership.not_found')
  const given = await givenByGroup(tx, tenant_id, group_id)
  if (to === 'out') requireMayActOn(by.principal, given)
  else {
    requireWithinOwn(by.principal, given)
    for (const each of given) requireEndWithinOwn(by.principal, earlier(each.expires_at, membership.expires_at), [each])
  }
  const member = { tenant_id, group_id, membership_id }
  if (!(await (to === 'in' ? insertMember(tx, member) : deleteMember(tx, member)))) return history
  if (to === 'in' && (await countGroupsOf(tx, tenant_id, membership_id)) > MOST_GROUPS_OF_ONE) {
    throw new Problem('group.too_many')
  }
  const isNarrower = to === 'out' && tenantWideKeys(given).length > 0
  await history.append(tx, {
    ...{ type: to === 'in' ? 'group.member_added' : 'group.member_removed', actor: by.actor, at: by.now },
    data: { group_id, membership_id },
    revokes: isNarrower ? [membershipTarget(membership_id)] : [],
  })
  return history
}
