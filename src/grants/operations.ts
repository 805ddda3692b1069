// What happens to a grant, inside one scope: a role on one resource, or for a time. Everything is decided under the lock of
// the tenant's history. Tokens say nothing of single resources that could become too much, so only a grant in the whole
// tenant makes tokens stale when it goes.
import { isOpen } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import { requireEndWithinOwn, requireMayActOn, requireWithinOwn } from '../authorization/escalation.ts'
import { brokenReference, violatedConstraint } from '../database/faults.ts'
import type { History } from '../database/history.ts'
import type { JsonObject } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { endOf, endsEarlier, LATEST_MS, requireFuture } from '../expiry.ts'
import { findGroup } from '../groups/queries.ts'
import { requireMatch } from '../http/preconditions.ts'
import type { By } from '../http/write.ts'
import { newId } from '../ids.ts'
import { findMembership } from '../memberships/operations.ts'
import { membershipTarget } from '../revocations/targets.ts'
import { resolveRole } from '../roles/operations.ts'
import { lockWritableTenant } from '../tenants/locking.ts'
import { groupTargets, within } from './holdings.ts'
import {
  countTenantWide,
  deleteGrant,
  findGrant,
  type GrantRow,
  type Holder,
  insertGrant,
  resourceOf,
  updateGrant,
} from './queries.ts'

type GrantCreate = Omit<components['schemas']['GrantCreate'], 'tenant_id'>
type GrantUpdate = components['schemas']['GrantUpdate']
type Window = Pick<GrantRow, 'not_before' | 'expires_at'>

/** Each of them is in the facts of every decision. */
const MOST_TENANT_WIDE = 20

/** Which grant, of which tenant, and the caller's `If-Match`. */
export interface Which {
  tenant_id: string
  id: string
  ifMatch: string | undefined
}

/** A grant after a change, and its tenant's history. */
export interface Changed {
  grant: GrantRow
  history: History
}

export const createGrant = async (tx: Tx, by: By, tenant_id: string, input: GrantCreate): Promise<Changed> => {
  const { role: key, resource = null, not_before = null, expires_at = null } = input
  const window = { not_before, expires_at }
  requireFuture(expires_at, by.now)
  requireWindow(window, resource !== null)
  const { history } = await lockWritableTenant(tx, tenant_id, by)
  const holder = await requireHolder(tx, tenant_id, input)
  const role = await resolveRole(tx, tenant_id, key)
  const given = [within(role, resource?.type ?? null)]
  requireWithinOwn(by.principal, given)
  requireEndWithinOwn(by.principal, expires_at, given)
  if (resource === null && (await countTenantWide(tx, holder)) >= MOST_TENANT_WIDE) {
    throw new Problem('grant.too_many')
  }
  const at = by.now.toISOString()
  const row = await insertGrant(tx, {
    ...{ ...holder, id: newId(), role_id: role.id, role_history_id: role.history_id, ...window },
    ...{ resource_type: resource?.type ?? null, resource_id: resource?.id ?? null },
    ...{ revision: history.next, created_at: at, updated_at: at },
  }).catch((error: unknown) => {
    if (violatedConstraint(error) === 'grants_once') throw new Problem('grant.exists')
    // A shared role was deleted at this very moment: its history is locked by nobody here.
    throw brokenReference(error) === 'grants_role' ? new Problem('role.unknown') : error
  })
  const grant = { ...row, role }
  await history.append(tx, {
    ...{ type: 'grant.created', actor: by.actor, at: by.now, ...factsOf(grant) },
  })
  return { grant, history }
}

/** The id of a resource may say who it is about, so it is kept where it can be erased. */
const factsOf = (grant: GrantRow): { data: JsonObject; personal?: JsonObject } => {
  const { id: grant_id, membership_id, group_id, role, resource_type, resource_id, not_before, expires_at } = grant
  const data = { grant_id, membership_id, group_id, role: role.key, resource_type, not_before, expires_at }
  return resource_id === null ? { data } : { data, personal: { resource_id } }
}

/** @throws Problem `grant.lasting`, `request.invalid` for one that ends before it begins */
const requireWindow = ({ not_before, expires_at }: Window, isOnResource: boolean): void => {
  if (!isOnResource && not_before === null && expires_at === null) throw new Problem('grant.lasting')
  if (not_before === null) return
  const begins = Date.parse(not_before)
  const isBeforeItsEnd = expires_at === null ? begins <= LATEST_MS : begins < Date.parse(expires_at)
  if (isBeforeItsEnd && begins >= EARLIEST_MS) return
  const detail = 'It begins before it ends, and between the years 1 and 9999.'
  throw new Problem('request.invalid', { errors: [{ pointer: '/not_before', detail }] })
}

const EARLIEST_MS = Date.parse('0001-01-01T00:00:00.000Z')

/** @throws Problem `membership.not_found`, `group.not_found`, `request.invalid` unless it is one of them */
const requireHolder = async (tx: Tx, tenant_id: string, input: GrantCreate): Promise<Holder> => {
  const { membership_id, group_id } = input
  if ((membership_id === undefined) === (group_id === undefined)) {
    const detail = 'A grant is to a membership or to a group: give membership_id or group_id.'
    throw new Problem('request.invalid', { errors: [{ pointer: '/membership_id', detail }] })
  }
  if (membership_id !== undefined && !(await findMembership(tx, tenant_id, membership_id))) {
    throw new Problem('membership.not_found')
  }
  if (group_id !== undefined && !(await findGroup(tx, { tenant_id, id: group_id })))
    throw new Problem('group.not_found')
  return { tenant_id, membership_id: membership_id ?? null, group_id: group_id ?? null }
}

export const changeGrant = async (tx: Tx, by: By, which: Which, input: GrantUpdate): Promise<Changed> => {
  const { grant: before, history } = await lockGrant(tx, by, which)
  const { not_before = before.not_before, expires_at = before.expires_at } = input
  const after = { not_before, expires_at }
  const given = [within(before.role, before.resource_type)]
  requireMayActOn(by.principal, given)
  requireFuture(input.expires_at, by.now)
  requireWindow(after, before.resource_type !== null)
  if (isSameInstant(not_before, before.not_before) && isSameInstant(expires_at, before.expires_at)) {
    return { grant: before, history }
  }
  if (!narrowsTo(before, after)) {
    requireWithinOwn(by.principal, given)
    requireEndWithinOwn(by.principal, expires_at, given)
  }
  const change = { ...after, revision: history.next, updated_at: by.now.toISOString() }
  const grant = { ...(await updateGrant(tx, which, change)), role: before.role }
  const isNarrower = endsEarlier(before, after) || !isOpen(after, by.now)
  await history.append(tx, {
    ...{ type: 'grant.updated', actor: by.actor, at: by.now, ...factsOf(grant) },
    revokes: isNarrower ? await targetsOf(tx, before, by.now) : [],
  })
  return { grant, history }
}

/** Whether it gives nothing that it did not give before. */
const narrowsTo = (before: Window, after: Window): boolean =>
  (endsEarlier(before, after) || isSameInstant(before.expires_at, after.expires_at)) &&
  (before.not_before === null || Date.parse(after.not_before ?? '') >= Date.parse(before.not_before))

const isSameInstant = (one: string | null, other: string | null): boolean =>
  one === null || other === null ? one === other : Date.parse(one) === Date.parse(other)

export const removeGrant = async (tx: Tx, by: By, which: Which): Promise<History> => {
  const { grant, history } = await lockGrant(tx, by, which)
  requireMayActOn(by.principal, [within(grant.role, grant.resource_type)])
  await deleteGrant(tx, which)
  await history.append(tx, {
    ...{ type: 'grant.deleted', actor: by.actor, at: by.now, ...factsOf(grant) },
    revokes: await targetsOf(tx, grant, by.now),
  })
  return history
}

/**
 * Whose tokens carry it: a grant on a resource is in none, and neither is one that is over. One that has not begun may
 * have before this is committed, or by another replica's clock.
 */
const targetsOf = async (tx: Tx, grant: GrantRow, now: Date): Promise<string[]> => {
  const { tenant_id, membership_id, group_id, role } = grant
  if (resourceOf(grant) !== null || endOf(grant) <= now.getTime()) return []
  if (membership_id !== null) return [membershipTarget(membership_id)]
  return group_id === null ? [] : groupTargets(tx, tenant_id, group_id, [role.key])
}

const lockGrant = async (tx: Tx, by: By, { tenant_id, id, ifMatch }: Which): Promise<Changed> => {
  const { history } = await lockWritableTenant(tx, tenant_id, by)
  const grant = await findGrant(tx, { tenant_id, id })
  if (!grant) throw new Problem('grant.not_found')
  requireMatch(ifMatch, grant.revision)
  return { grant, history }
}
