// What a permission is, what a pattern matches, and what a list of grants holds. Pure: the service's check endpoint
// and the offline verifier both decide through `grantingPattern`, so online and offline cannot disagree.

/**
 * A set of permissions: what `permissions` match and `excludes` do not.
 *
 * @example
 * const admin: Grant = { permissions: ['*', 'tenantry.*'], excludes: ['billing:*'] }
 */
export type Grant = { readonly permissions: readonly string[]; readonly excludes: readonly string[] }

/** A permission taken apart once, so that comparing it with many patterns allocates nothing. */
export type Asked = {
  readonly permission: string
  readonly resource: string
  readonly action: string
  /** In Tenantry's own namespace, which the product's patterns never reach. */
  readonly reserved: boolean
}

/** The permissions that no pattern matches: each is granted only where it is listed by name. */
export const BY_NAME_ONLY: readonly string[] = [
  'tenantry.token:issue',
  'tenantry.token:delegate',
  'tenantry.role:assign_any',
]

const NAME = '[a-z][a-z0-9_.-]*'
const PERMISSION = new RegExp(`^${NAME}:${NAME}$`)
const WILDCARD = new RegExp(`^(?:\\*|tenantry\\.\\*|\\*:${NAME}|${NAME}:\\*)$`)

/**
 * Is `text` a permission that a catalogue or a role may list, `resource:action` in lower case?
 *
 * @example
 * isPermission('invoice:read') // true
 * isPermission('invoice:*') // false: that is a pattern
 */
export function isPermission(text: string): boolean {
  return PERMISSION.test(text)
}

/**
 * May `text` stand in the `permissions` or `excludes` of a grant? That is `*`, `resource:*`, `*:action`, `tenantry.*`
 * or a permission. `tenantry.x:*` is none: of Tenantry's own permissions one names either all or each.
 *
 * @example
 * isPattern('*:read') // true
 * isPattern('tenantry.role:*') // false
 */
export function isPattern(text: string): boolean {
  if (PERMISSION.test(text)) return true
  return WILDCARD.test(text) && !(text.endsWith(':*') && isReserved(text.slice(0, -2)))
}

/** Does a resource belong to Tenantry's namespace, where no product permission may live? */
export function isReserved(resource: string): boolean {
  return resource === 'tenantry' || resource.startsWith('tenantry.')
}

/**
 * Takes a permission that somebody asks for apart, or answers undefined if nobody can ever hold it: not exactly one
 * `:`, an empty part, or a `*`. The lower-case grammar is not demanded; AuthZEN callers name resource types as they
 * like.
 */
export function parseAsked(permission: string): Asked | undefined {
  const colon = permission.indexOf(':')
  if (colon < 1 || colon === permission.length - 1) return undefined
  if (permission.includes(':', colon + 1) || permission.includes('*')) return undefined
  const resource = permission.slice(0, colon)
  return { permission, resource, action: permission.slice(colon + 1), reserved: isReserved(resource) }
}

/**
 * Does a pattern match a permission?
 *
 * @example
 * matches('*:read', 'invoice:read') // true
 * matches('*', 'tenantry.role:read') // false: another namespace
 * matches('tenantry.*', 'tenantry.token:issue') // false: granted by name only
 */
export function matches(pattern: string, permission: string): boolean {
  const asked = parseAsked(permission)
  return asked !== undefined && matchesAsked(pattern, asked)
}

function matchesAsked(pattern: string, asked: Asked): boolean {
  if (pattern === asked.permission) return true
  if (asked.reserved) return pattern === 'tenantry.*' && isUnderTenantryWildcard(asked)
  if (pattern === '*') return true
  if (pattern.startsWith('*:')) return pattern.length === asked.action.length + 2 && pattern.endsWith(asked.action)
  return pattern.endsWith(':*') && pattern.length === asked.resource.length + 2 && pattern.startsWith(asked.resource)
}

/** Does `tenantry.*` reach this permission, which is known to be `reserved`? */
export function isUnderTenantryWildcard(asked: Asked): boolean {
  return asked.resource.length > 'tenantry.'.length && !BY_NAME_ONLY.includes(asked.permission)
}

/** The first pattern by which one grant gives the permission; undefined if none does, or an exclude takes it away. */
export function grantingPattern(grant: Grant, asked: Asked): string | undefined {
  for (const pattern of grant.permissions) {
    if (matchesAsked(pattern, asked)) return isExcluded(grant, asked) ? undefined : pattern
  }
  return undefined
}

function isExcluded(grant: Grant, asked: Asked): boolean {
  for (const pattern of grant.excludes) if (matchesAsked(pattern, asked)) return true
  return false
}

/**
 * Do the grants, taken together, hold the permission? An exclude narrows its own grant only.
 *
 * @example
 * const member = { permissions: ['*:read', '*:write'], excludes: ['billing:*'] }
 * holds([member], 'invoice:read') // true
 * holds([member], 'billing:read') // false
 * holds([member], 'invoice:*') // false: one asks for a permission, never for a pattern
 */
export function holds(grants: readonly Grant[], permission: string): boolean {
  const asked = parseAsked(permission)
  if (asked === undefined) return false
  for (const grant of grants) if (grantingPattern(grant, asked) !== undefined) return true
  return false
}
