// What happens to a role, inside one scope: a shared role is in the platform's history, a tenant's own in the tenant's. And
// what other slices may ask of roles.
import type { components } from '@tenantry/client/contract'
import { requireEndWithinOwnIfGiving, requireMayActOn, requireWithinOwn } from '../authorization/escalation.ts'
import { brokenReference, violatedConstraint } from '../database/faults.ts'
import type { History } from '../database/history.ts'
import { PLATFORM } from '../database/schema.ts'
import type { Scope, Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { countUses } from '../grants/remapping.ts'
import { requireMatch } from '../http/preconditions.ts'
import type { By } from '../http/write.ts'
import { newId } from '../ids.ts'
import { countHolders, remapHolders } from '../memberships/holders.ts'
import { findCatalogue } from '../permissions/operations.ts'
import { requireKnown } from '../permissions/strictness.ts'
import { roleTarget } from '../revocations/targets.ts'
import { listSetsWith, requireAllowed } from '../role-sets/allowed.ts'
import { differencesIn, isSame } from '../same.ts'
import { lockHistory } from '../tenants/locking.ts'
import {
  countRoles,
  deleteRole,
  findRole,
  findRolesByKey,
  insertRoles,
  isTakenElsewhere,
  lockKey,
  type RoleRow,
  updateRole,
} from './queries.ts'
import { isNarrower, requireRolePatterns } from './rules.ts'

export type { RoleRow } from './queries.ts'

type RoleCreate = Omit<components['schemas']['RoleCreate'], 'tenant_id'>
type RoleUpdate = components['schemas']['RoleUpdate']

/** So many of a tenant's own, and so many shared ones. */
const MOST_ROLES = 100

/** Which role, and the caller's `If-Match`. */
export interface Which {
  id: string
  ifMatch: string | undefined
}

/** A role after a change, and the history it is in. */
export interface Changed {
  role: RoleRow
  history: History
}

/**
 * The roles with these keys, to be given in the tenant; what is `held` already stays, whatever the tenant's set has become.
 * @throws Problem `role.unknown`, naming those that do not exist here, `role.not_in_set`
 */
export const resolveRoles = async (
  tx: Tx,
  tenant_id: string,
  keys: string[],
  held: readonly { key: string }[] = [],
): Promise<RoleRow[]> => {
  const found = await findRolesByKey(tx, tenant_id, keys)
  const missing = keys.filter((key) => !found.some((role) => role.key === key))
  if (missing.length > 0) {
    const errors = missing.map((key) => ({
      pointer: `/roles/${keys.indexOf(key)}`,
      detail: `There is no role "${key}" here.`,
    }))
    throw new Problem('role.unknown', { errors })
  }
  const given = found.filter(({ key }) => !held.some((role) => role.key === key))
  await requireAllowed(tx, tenant_id, given, (key) => `/roles/${keys.indexOf(key)}`)
  return found
}

/** The same for the one that a field `role` names. */
export const resolveRole = async (tx: Tx, tenant_id: string, key: string): Promise<RoleRow> => {
  const [role] = await resolveRoles(tx, tenant_id, [key]).catch((error: unknown) => {
    if (!(error instanceof Problem)) throw error
    throw new Problem(error.code, { errors: error.errors.map(({ detail }) => ({ pointer: '/role', detail })) })
  })
  if (!role) throw new Error('a role that was resolved is not there')
  return role
}

export const findSharedRoles = (tx: Tx, keys: string[]): Promise<RoleRow[]> => findRolesByKey(tx, PLATFORM, keys)

export const createRole = async (tx: Tx, by: By, scope: Scope, input: RoleCreate): Promise<Changed> => {
  const { key, name, description = '', permissions, excludes = [] } = input
  requireRolePatterns({ permissions, excludes })
  const history = await lockHistory(tx, by, scope)
  requireKnown(await findCatalogue(tx), { permissions, excludes })
  requireWithinOwn(by.principal, [{ permissions, excludes }])
  await lockKey(tx, history.id, key)
  if (await isTakenElsewhere(tx, history.id, key)) throw new Problem('role.key_taken')
  if ((await countRoles(tx, history.id)) >= MOST_ROLES) throw new Problem('role.too_many')
  const at = by.now.toISOString()
  const [role] = await insertRoles(tx, [
    {
      ...{ history_id: history.id, id: newId(), key, name, description, permissions, excludes, built_in: false },
      ...{ revision: history.next, created_at: at, updated_at: at },
    },
  ]).catch((error: unknown) => {
    throw violatedConstraint(error) === 'roles_key' ? new Problem('role.key_taken') : error
  })
  if (!role) throw new Error('insert of a role answered no row')
  await history.append(tx, {
    ...{ type: 'role.created', actor: by.actor, at: by.now, personal: { name, description } },
    data: { role_id: role.id, key, permissions, excludes },
  })
  return { role, history }
}

/** @throws Problem `role.not_found`, `scope.platform_only` for a shared role in a tenant's scope */
const lockRole = async (tx: Tx, by: By, scope: Scope, { id, ifMatch }: Which): Promise<Changed> => {
  const history = await lockHistory(tx, by, scope)
  const role = await findRole(tx, id)
  if (!role) throw new Problem('role.not_found')
  if (role.history_id !== history.id) throw new Problem('scope.platform_only')
  requireMatch(ifMatch, role.revision)
  return { role, history }
}

export const changeRole = async (tx: Tx, by: By, scope: Scope, which: Which, input: RoleUpdate): Promise<Changed> => {
  const { permissions: given = [], excludes: excluded = [] } = input
  requireRolePatterns({ permissions: given, excludes: excluded })
  const { role: before, history } = await lockRole(tx, by, scope, which)
  const after = { ...before, ...input }
  const known_before = [...before.permissions, ...before.excludes]
  requireKnown(await findCatalogue(tx), { permissions: given, excludes: excluded }, known_before)
  requireWithinOwn(by.principal, [after])
  requireMayActOn(by.principal, [before])
  if (isSame(before, input)) return { role: before, history }
  const grantsOf = ({ permissions, excludes }: RoleRow) => ({ permissions, excludes })
  const isOfRights = !isSame(grantsOf(before), grantsOf(after))
  // Owners are whom others are measured by: an owner who lacks something could not manage those who have it.
  if (isOfRights && before.built_in && before.key === 'owner') throw new Problem('role.built_in')
  requireEndWithinOwnIfGiving(by.principal, { expires_at: null, roles: [before] }, { expires_at: null, roles: [after] })
  const role = await updateRole(tx, before, { ...input, revision: history.next, updated_at: by.now.toISOString() })
  await history.append(tx, {
    ...{ type: 'role.updated', actor: by.actor, at: by.now },
    data: {
      role_id: role.id,
      key: role.key,
      changed: Object.keys(input),
      ...differencesIn(['permissions', 'excludes'], before, role),
    },
    personal: { name: role.name, description: role.description },
    revokes: isNarrower(before, role) ? [roleTarget(role.key)] : [],
  })
  return { role, history }
}

/** Of a role that somebody holds, `remap_to` is the key of the one that they get in its place. */
export const removeRole = async (
  tx: Tx,
  by: By,
  scope: Scope,
  which: Which,
  remap_to: string | undefined,
): Promise<History> => {
  const { role, history } = await lockRole(tx, by, scope, which)
  requireMayActOn(by.principal, [role])
  if (role.built_in) throw new Problem('role.built_in')
  if (history.id === PLATFORM) await requireInNoSet(tx, role.key)
  const heir = remap_to === undefined ? undefined : await resolveHeir(tx, by, role, remap_to)
  const held = { memberships: await countHolders(tx, role), ...(await countUses(tx, role)) }
  if (heir) await remapHolders(tx, by, history, role, heir)
  else if (Object.values(held).some((count) => count > 0)) throw new Problem('role.in_use', { detail: inUse(held) })
  // A shared role may be given to somebody at this moment, in a tenant whose lock is not ours.
  await deleteRole(tx, role).catch((error: unknown) => {
    throw REFERENCES.includes(brokenReference(error) ?? '') ? new Problem('role.in_use') : error
  })
  const { id: role_id, key, permissions, excludes } = role
  await history.append(tx, {
    ...{ type: 'role.deleted', actor: by.actor, at: by.now },
    data: { role_id, key, permissions, excludes, ...held, remapped_to: heir?.key ?? null },
    revokes: [roleTarget(key)],
  })
  return history
}

/** Whatever a role can be held by. */
const REFERENCES = ['membership_roles_role', 'group_roles_role', 'grants_role']

const inUse = ({ memberships, groups, grants }: { memberships: number; groups: number; grants: number }): string => {
  const held = [
    ...told(memberships, 'One membership holds', 'memberships hold'),
    ...told(groups, 'One group holds', 'groups hold'),
    ...told(grants, 'One grant gives', 'grants give'),
  ]
  return `${held.join(' and ')} this role. Say with remap_to which role they get in its place.`
}

const told = (count: number, one: string, several: string): string[] =>
  count === 0 ? [] : [count === 1 ? one : `${count} ${several}`]

const requireInNoSet = async (tx: Tx, key: string): Promise<void> => {
  const sets = await listSetsWith(tx, key)
  if (sets.length === 0) return
  throw new Problem('role.in_use', {
    detail: `Role sets name this role: ${sets.join(', ')}. Take it out of them first.`,
  })
}

/**
 * Of a tenant's role the heir is one that the tenant may give. The platform, whose sets they are, is not held to them here.
 * @throws Problem `role.unknown`, `role.not_in_set`, `role.exceeds_own`
 */
const resolveHeir = async (tx: Tx, by: By, role: RoleRow, key: string): Promise<RoleRow> => {
  const [heir] = await findRolesByKey(tx, role.history_id, [key])
  if (!heir || heir.id === role.id) {
    const detail = `There is no role "${key}" that could take its place.`
    throw new Problem('role.unknown', { errors: [{ pointer: 'query/remap_to', detail }] })
  }
  if (role.history_id !== PLATFORM) await requireAllowed(tx, role.history_id, [heir], () => 'query/remap_to')
  requireWithinOwn(by.principal, [heir])
  return heir
}
