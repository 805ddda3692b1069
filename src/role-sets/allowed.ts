// Which roles a tenant may give: its own, and of the shared ones those in its set. What other slices may ask of role sets.
// A set says what is given, not what is held: nobody loses a role to it, so it is asked for nothing but giving.
import { PLATFORM } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { findRolesForTenant } from './queries.ts'

export { listSetsWith } from './queries.ts'

/** In every set, or a tenant could not be handed over. */
const ALWAYS = 'owner'

/** The keys of the shared roles that the tenant may give; undefined for all of them. */
export const allowedShared = async (tx: Tx, tenant_id: string): Promise<string[] | undefined> => {
  const roles = await findRolesForTenant(tx, tenant_id)
  return roles && [...roles, ALWAYS]
}

/** @throws Problem `role.not_in_set`, naming those of the roles that are shared and not in the tenant's set */
export const requireAllowed = async (
  tx: Tx,
  tenant_id: string,
  roles: readonly { key: string; history_id: string }[],
  pointerOf: (key: string) => string,
): Promise<void> => {
  const shared = roles.filter(({ key, history_id }) => history_id === PLATFORM && key !== ALWAYS)
  if (shared.length === 0) return
  const allowed = await allowedShared(tx, tenant_id)
  const errors = shared
    .filter(({ key }) => allowed !== undefined && !allowed.includes(key))
    .map(({ key }) => ({
      pointer: pointerOf(key),
      detail: `The role "${key}" is not in the set that this tenant may give.`,
    }))
  if (errors.length > 0) throw new Problem('role.not_in_set', { errors })
}
