// What happens to a set of shared roles. All are the platform's, and decided under the lock of its history, as the shared
// roles are: so a set never names a role that is gone.
import type { components } from '@tenantry/client/contract'
import { requireWithinOwn } from '../authorization/escalation.ts'
import { lockPlatform } from '../authorization/recheck.ts'
import { brokenReference, violatedConstraint } from '../database/faults.ts'
import type { History } from '../database/history.ts'
import type { Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { requireMatch } from '../http/preconditions.ts'
import type { By } from '../http/write.ts'
import { newId } from '../ids.ts'
import { findSharedRoles } from '../roles/operations.ts'
import { differencesIn, isSame } from '../same.ts'
import {
  countRoleSets,
  countTenantsOn,
  deleteRoleSet,
  findDefault,
  findRoleSet,
  insertRoleSet,
  type RoleSetRow,
  updateRoleSet,
} from './queries.ts'

type RoleSetCreate = components['schemas']['RoleSetCreate']
type RoleSetUpdate = components['schemas']['RoleSetUpdate']

const MOST_SETS = 100

/** Which set, and the caller's `If-Match`. */
export interface Which {
  id: string
  ifMatch: string | undefined
}

/** A set after a change, and the platform's history. */
export interface Changed {
  set: RoleSetRow
  history: History
}

export const createRoleSet = async (tx: Tx, by: By, input: RoleSetCreate): Promise<Changed> => {
  const { key, name, roles, default: isDefault = false } = input
  const history = await lockPlatform(tx, by)
  await requireRoles(tx, by, roles)
  if ((await countRoleSets(tx)) >= MOST_SETS) throw new Problem('role_set.too_many')
  if (isDefault) await takeDefault(tx, by, history)
  const at = by.now.toISOString()
  const set = await insertRoleSet(tx, {
    ...{ id: newId(), key, name, roles, default: isDefault },
    ...{ revision: history.next, created_at: at, updated_at: at },
  }).catch((error: unknown) => {
    throw violatedConstraint(error) === 'role_sets_key' ? new Problem('role_set.key_taken') : error
  })
  await history.append(tx, {
    ...{ type: 'role_set.created', actor: by.actor, at: by.now, personal: { name } },
    data: { role_set_id: set.id, key, roles, default: isDefault },
  })
  return { set, history }
}

/** @throws Problem `role.unknown` for what is no shared role, `role.exceeds_own` */
const requireRoles = async (tx: Tx, by: By, keys: string[], before: string[] = []): Promise<void> => {
  const found = await findSharedRoles(tx, [...new Set([...keys, ...before])])
  const errors = keys.flatMap((key, index) =>
    found.some((role) => role.key === key)
      ? []
      : [{ pointer: `/roles/${index}`, detail: `There is no shared role "${key}".` }],
  )
  if (errors.length > 0) throw new Problem('role.unknown', { errors })
  requireWithinOwn(by.principal, found)
}

/** There is one default at most, and never a moment between two. */
const takeDefault = async (tx: Tx, by: By, history: History): Promise<void> => {
  const before = await findDefault(tx)
  if (before) await write(tx, by, history, before, { default: false })
}

const write = async (
  tx: Tx,
  by: By,
  history: History,
  before: RoleSetRow,
  change: RoleSetUpdate,
): Promise<RoleSetRow> => {
  const set = await updateRoleSet(tx, before.id, {
    ...{ ...change, revision: history.next, updated_at: by.now.toISOString() },
  })
  await history.append(tx, {
    ...{ type: 'role_set.updated', actor: by.actor, at: by.now, personal: { name: set.name } },
    data: {
      role_set_id: set.id,
      key: set.key,
      changed: Object.keys(change),
      ...differencesIn(['roles', 'default'], before, set),
    },
  })
  return set
}

const lockRoleSet = async (tx: Tx, by: By, { id, ifMatch }: Which): Promise<Changed> => {
  const history = await lockPlatform(tx, by)
  const set = await findRoleSet(tx, id)
  if (!set) throw new Problem('role_set.not_found')
  requireMatch(ifMatch, set.revision)
  return { set, history }
}

export const changeRoleSet = async (tx: Tx, by: By, which: Which, input: RoleSetUpdate): Promise<Changed> => {
  const { set: before, history } = await lockRoleSet(tx, by, which)
  await requireRoles(tx, by, input.roles ?? before.roles, before.roles)
  if (isSame(before, input)) return { set: before, history }
  if (input.default && !before.default) await takeDefault(tx, by, history)
  return { set: await write(tx, by, history, before, input), history }
}

export const removeRoleSet = async (tx: Tx, by: By, which: Which): Promise<History> => {
  const { set, history } = await lockRoleSet(tx, by, which)
  await requireRoles(tx, by, set.roles)
  const tenants = await countTenantsOn(tx, set.key)
  if (tenants > 0) throw inUse(tenants === 1 ? 'One tenant is' : `${tenants} tenants are`)
  // A tenant may be put on it at this moment, under a lock that is not ours.
  await deleteRoleSet(tx, set.id).catch((error: unknown) => {
    throw brokenReference(error) === 'tenants_role_set' ? inUse('A tenant is') : error
  })
  const { id: role_set_id, key, roles, default: was_default } = set
  await history.append(tx, {
    ...{ type: 'role_set.deleted', actor: by.actor, at: by.now },
    data: { role_set_id, key, roles, default: was_default },
  })
  return history
}

const inUse = (who: string): Problem =>
  new Problem('role_set.in_use', { detail: `${who} on this set. Put them on another first.` })
