// What other slices may ask of roles, inside their own scope.
import type { Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { findRolesByKey, type RoleRow } from './queries.ts'

export type { RoleRow } from './queries.ts'

/** The roles with these keys. @throws Problem `role.unknown`, naming those that do not exist here */
export const resolveRoles = async (tx: Tx, tenant_id: string, keys: string[]): Promise<RoleRow[]> => {
  const found = await findRolesByKey(tx, tenant_id, keys)
  const missing = keys.filter((key) => !found.some((role) => role.key === key))
  if (missing.length > 0) {
    const errors = missing.map((key) => ({
      pointer: `/roles/${keys.indexOf(key)}`,
      detail: `There is no role "${key}" here.`,
    }))
    throw new Problem('role.unknown', { errors })
  }
  return found
}
