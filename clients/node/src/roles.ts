// The four roles that every tenant has from the start, and their order. Custom roles are the service's business.

import type { Grant } from './permissions.ts'

export type BuiltInRoleKey = 'owner' | 'admin' | 'member' | 'viewer'

export type BuiltInRole = Grant & {
  readonly key: BuiltInRoleKey
  readonly name: string
  readonly description: string
}

/**
 * From the mightiest to the least; that order is what `satisfiesRole` goes by.
 *
 * @example
 * BUILT_IN_ROLES.map((role) => role.key) // ['owner', 'admin', 'member', 'viewer']
 */
export const BUILT_IN_ROLES: readonly BuiltInRole[] = [
  {
    key: 'owner',
    name: 'Owner',
    description: 'May do everything in the tenant, its deletion and its bills included.',
    permissions: ['*', 'tenantry.*'],
    excludes: [],
  },
  {
    key: 'admin',
    name: 'Admin',
    description: 'Runs the tenant and its members; neither bills, nor deleting the tenant, nor handing it over.',
    permissions: ['*', 'tenantry.*'],
    excludes: ['billing:*', 'tenantry.tenant:delete', 'tenantry.ownership:transfer'],
  },
  {
    key: 'member',
    name: 'Member',
    description: 'Reads and writes everything in the product, except bills.',
    permissions: ['*:read', '*:write', 'tenantry.tenant:read'],
    excludes: ['billing:*'],
  },
  {
    key: 'viewer',
    name: 'Viewer',
    description: 'Reads everything in the product, except bills.',
    permissions: ['*:read', 'tenantry.tenant:read'],
    excludes: ['billing:*'],
  },
]

const ORDER: readonly string[] = BUILT_IN_ROLES.map((role) => role.key)

/**
 * Do these roles include the required one, or a built-in role above it? A custom role is met only by itself: nobody
 * knows where it would stand in the order, so `owner` does not meet it either.
 *
 * @example
 * satisfiesRole(['owner'], 'admin') // true
 * satisfiesRole(['owner'], 'accountant') // false
 */
export function satisfiesRole(roles: readonly string[], required: string): boolean {
  const rank = ORDER.indexOf(required)
  if (rank === -1) return roles.includes(required)
  return roles.some((role) => ORDER.includes(role) && ORDER.indexOf(role) <= rank)
}
