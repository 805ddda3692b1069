// Pure rules of roles.
import { BY_NAME_ONLY, contains, type Grant, isPermission, isReserved } from '@tenantry/client'
import { isGrantable } from '../authorization/own-permissions.ts'
import { Problem } from '../errors.ts'

/** @throws Problem `permission.invalid`; what goes by name only is for API keys, and never in a role */
export const requireRolePatterns = (lists: Record<string, readonly string[]>): void => {
  const errors = Object.entries(lists).flatMap(([list, patterns]) =>
    patterns.flatMap((pattern, index) =>
      isGrantable(pattern) && !BY_NAME_ONLY.includes(pattern)
        ? []
        : [{ pointer: `/${list}/${index}`, detail: `"${pattern}" is nothing that a role can grant.` }],
    ),
  )
  if (errors.length > 0) throw new Problem('permission.invalid', { errors })
}

/**
 * Whether a change of what a role grants takes something away, whatever the catalogue says or is about to say: where a
 * permission that stood there by name is left to a wildcard, the catalogue may have it granted by name only.
 */
export const isNarrower = (before: Grant, after: Grant): boolean =>
  !contains([after], [before]) ||
  !before.permissions.every((pattern) => !isOfProduct(pattern) || after.permissions.includes(pattern))

const isOfProduct = (pattern: string): boolean => isPermission(pattern) && !isReserved(pattern.split(':', 1)[0] ?? '')
