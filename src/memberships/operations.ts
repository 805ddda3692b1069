// What happens to a membership, inside one scope. Everything is decided under the lock of the tenant's history: the last
// owner, and what the one acted upon holds at this moment.
import type { components } from '@tenantry/client/contract'
import {
  requireEndWithinOwn,
  requireEndWithinOwnIfGiving,
  requireMayActOn,
  requireWithinOwn,
} from '../authorization/escalation.ts'
import { brokenReference, violatedConstraint } from '../database/faults.ts'
import type { History } from '../database/history.ts'
import type { JsonObject } from '../database/schema.ts'
import { announceRevocations, type Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { requireFuture } from '../expiry.ts'
import { givenBesides } from '../grants/holdings.ts'
import { requireMatch } from '../http/preconditions.ts'
import type { By } from '../http/write.ts'
import { newId } from '../ids.ts'
import { membershipTarget, narrows } from '../revocations/targets.ts'
import { resolveRoles } from '../roles/operations.ts'
import { differencesIn, isSame } from '../same.ts'
import { lockWritableTenant } from '../tenants/locking.ts'
import {
  deleteMembership,
  findMembership,
  hasOtherOwner,
  insertMembership,
  insertMembershipRoles,
  type MembershipRow,
  replaceMembershipRoles,
  updateMembership,
} from './queries.ts'
import { isLastingOwner } from './rules.ts'

export { findMembership, findMemberships, listMembershipsOfUser, type MembershipRow, type Own } from './queries.ts'

type MembershipCreate = Omit<components['schemas']['MembershipCreate'], 'tenant_id'>
type MembershipUpdate = components['schemas']['MembershipUpdate']

/** Which membership, of which tenant, and the caller's `If-Match`. */
export interface Which {
  tenant_id: string
  id: string
  ifMatch: string | undefined
}

/** A membership after a change, and its tenant's history. */
export interface Changed {
  membership: MembershipRow
  history: History
}

export const createMembership = async (
  tx: Tx,
  by: By,
  tenant_id: string,
  input: MembershipCreate,
): Promise<Changed> => {
  const { history } = await lockWritableTenant(tx, tenant_id, by)
  return { membership: await addMembership(tx, by, history, input), history }
}

/** Under a lock that the caller holds: also how a new tenant gets its first owner. */
export const addMembership = async (
  tx: Tx,
  by: By,
  history: History,
  input: MembershipCreate,
): Promise<MembershipRow> => {
  const {
    roles: keys = ['member'],
    properties = {},
    expires_at = null,
    email = null,
    display_name = null,
    user_id,
  } = input
  requireFuture(expires_at, by.now)
  const roles = await resolveRoles(tx, history.id, keys)
  requireWithinOwn(by.principal, roles)
  requireEndWithinOwn(by.principal, expires_at, roles)
  const at = by.now.toISOString()
  const row = await insertMembership(tx, {
    ...{ tenant_id: history.id, id: newId(), user_id, status: 'active', email, display_name, properties, expires_at },
    ...{ revision: history.next, created_at: at, updated_at: at },
  }).catch((error: unknown) => {
    throw violatedConstraint(error) === 'memberships_user' ? new Problem('membership.exists') : error
  })
  await insertMembershipRoles(tx, row, roles).catch(roleIsGone)
  await history.append(tx, {
    ...{ type: 'membership.created', actor: by.actor, at: by.now },
    data: { membership_id: row.id, roles: roles.map(({ key }) => key), expires_at: row.expires_at },
    personal: { user_id, email, display_name },
  })
  return { ...row, roles }
}

/** A shared role was deleted at this very moment: its history is locked by nobody here. */
const roleIsGone = (error: unknown): never => {
  throw brokenReference(error) === 'membership_roles_role' ? new Problem('role.unknown') : error
}

export const changeMembership = async (tx: Tx, by: By, which: Which, input: MembershipUpdate): Promise<Changed> => {
  const { history, membership } = await lockMembership(tx, by, which)
  const { roles: keys, ...fields } = input
  requireFuture(fields.expires_at, by.now)
  const given = keys && (await resolveRoles(tx, which.tenant_id, keys, membership.roles))
  const roles = given ?? membership.roles
  const besides = await givenBesides(tx, which.tenant_id, which.id)
  requireWithinOwn(by.principal, roles)
  requireMayActOn(by.principal, [...membership.roles, ...besides])
  const keysOf = (held: { key: string }[]): string[] => held.map(({ key }) => key)
  if (isSame({ ...membership, roles: keysOf(membership.roles) }, { ...fields, roles: keysOf(roles) })) {
    return { membership, history }
  }
  await requireOwnerRemains(tx, membership, { ...membership, ...fields, roles })
  const { expires_at = membership.expires_at } = fields
  const before = { expires_at: membership.expires_at, roles: [...membership.roles, ...besides] }
  requireEndWithinOwnIfGiving(by.principal, before, { expires_at, roles: [...roles, ...besides] })
  const row = await updateMembership(tx, which, { ...fields, revision: history.next, updated_at: by.now.toISOString() })
  if (given) await replaceMembershipRoles(tx, which, given).catch(roleIsGone)
  await history.append(tx, {
    ...{ type: 'membership.updated', actor: by.actor, at: by.now },
    data: { membership_id: which.id, changed: Object.keys(input), ...differences(membership, { ...row, roles }) },
    personal: { user_id: row.user_id, email: row.email, display_name: row.display_name },
    revokes: narrows(membership, { ...row, roles }) ? [membershipTarget(which.id)] : [],
  })
  return { membership: { ...row, roles }, history }
}

/** Rights and their end, before and after. */
const differences = (before: MembershipRow, after: MembershipRow): JsonObject =>
  differencesIn(['roles', 'expires_at'], accessOf(before), accessOf(after))

const accessOf = ({ roles, expires_at }: MembershipRow) => ({ roles: roles.map(({ key }) => key), expires_at })

const MOVES = {
  suspend: { type: 'membership.suspended', to: 'suspended' },
  reactivate: { type: 'membership.reactivated', to: 'active' },
} as const

/** Suspends or reactivates; the roles stay. Repeatable: a second time changes nothing and takes no revision. */
export const moveMembership = async (
  tx: Tx,
  by: By,
  which: Which,
  move: keyof typeof MOVES,
  reason: string | undefined,
): Promise<Changed> => {
  const { type, to } = MOVES[move]
  const { history, membership } = await lockMembership(tx, by, which)
  await requireMayTouch(tx, by, membership)
  if (membership.status === to) {
    if (to === 'suspended') announceRevocations(tx)
    return { membership, history }
  }
  await requireOwnerRemains(tx, membership, { ...membership, status: to })
  const row = await updateMembership(tx, which, {
    status: to,
    revision: history.next,
    updated_at: by.now.toISOString(),
  })
  await history.append(tx, {
    ...{ type, actor: by.actor, at: by.now, data: { membership_id: which.id } },
    revokes: to === 'suspended' ? [membershipTarget(which.id)] : [],
    ...(reason && { personal: { reason } }),
  })
  return { membership: { ...row, roles: membership.roles }, history }
}

/** Makes every token of the membership stale, and every sign-in from before worthless. */
export const signOut = async (tx: Tx, by: By, which: Which, reason: string | undefined): Promise<Changed> => {
  const { history, membership } = await lockMembership(tx, by, which)
  if (!isOneself(by, which)) await requireMayTouch(tx, by, membership)
  const at = by.now.toISOString()
  const row = await updateMembership(tx, which, { signed_out_at: at, revision: history.next, updated_at: at })
  await history.append(tx, {
    ...{ type: 'membership.signed_out', actor: by.actor, at: by.now, data: { membership_id: which.id } },
    revokes: [membershipTarget(which.id)],
    ...(reason && { personal: { reason } }),
  })
  return { membership: { ...row, roles: membership.roles }, history }
}

/** All that somebody holds, through groups and by grants too. @throws Problem `role.exceeds_own` */
const requireMayTouch = async (tx: Tx, by: By, { tenant_id, id, roles }: MembershipRow): Promise<void> =>
  requireMayActOn(by.principal, [...roles, ...(await givenBesides(tx, tenant_id, id))])

const isOneself = ({ principal }: By, { id }: Which): boolean => principal.kind === 'membership' && principal.id === id

export const removeMembership = async (tx: Tx, by: By, which: Which): Promise<History> => {
  const { history, membership } = await lockMembership(tx, by, which)
  if (!isOneself(by, which)) await requireMayTouch(tx, by, membership)
  await requireOwnerRemains(tx, membership, undefined)
  await deleteMembership(tx, which)
  const roles = membership.roles.map(({ key }) => key)
  await history.append(tx, {
    ...{ type: 'membership.deleted', actor: by.actor, at: by.now, data: { membership_id: which.id, roles } },
    personal: { user_id: membership.user_id },
    revokes: [membershipTarget(which.id)],
  })
  return history
}

const lockMembership = async (tx: Tx, by: By, { tenant_id, id, ifMatch }: Which): Promise<Changed> => {
  const { history } = await lockWritableTenant(tx, tenant_id, by)
  const membership = await findMembership(tx, tenant_id, id)
  if (!membership) throw new Problem('membership.not_found')
  requireMatch(ifMatch, membership.revision)
  return { membership, history }
}

/** Demotion, removal, suspension and an end date are all the same to this rule. */
const requireOwnerRemains = async (tx: Tx, before: MembershipRow, after: MembershipRow | undefined): Promise<void> => {
  if (!isLastingOwner(before) || (after && isLastingOwner(after))) return
  if (!(await hasOtherOwner(tx, before))) throw new Problem('membership.last_owner')
}
