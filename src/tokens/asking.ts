// What a token's holder may do only after asking, as patterns: a token says no ids of resources, and it carries nothing that
// has not begun or that ends within this second. Patterns may say too much, because whoever is asked knows better; what
// surely is held stands in the grants.
import { type Grant, holds, isPermission, isReserved } from '@tenantry/client'
import type { HeldGrant, ResourceRole } from '../authorization/facts.ts'
import { intersections } from './narrowing.ts'

interface Life {
  now: Date
  /** When the token is over at the latest. */
  until: Date
}

/** More than this says little more than the resources alone would. */
const MOST_PATTERNS = 100

export const askOf = (
  grants: readonly HeldGrant[],
  resource_roles: readonly ResourceRole[],
  carried: readonly Grant[],
  life: Life,
): string[] => {
  const onResources = resource_roles
    .filter((role) => isWithin(role, life))
    .flatMap(({ permissions, resource_type }) => intersections(permissions, [`${resource_type}:*`]))
  const forATime = grants
    .filter((grant) => grant.resource === null && isWithin(grant, life) && !isCarried(grant, life.now))
    .flatMap(({ permissions }) => permissions)
  return concise([...new Set([...onResources, ...forATime])].filter((pattern) => !isHeld(carried, pattern)).sort())
}

export const concise = (patterns: string[]): string[] =>
  patterns.length > MOST_PATTERNS ? coarser(patterns) : patterns

type Window = Pick<ResourceRole, 'not_before' | 'expires_at'>

/** Whether it grants anything at some time of the token's life. */
const isWithin = ({ not_before, expires_at }: Window, { now, until }: Life): boolean =>
  (not_before === null || Date.parse(not_before) < until.getTime()) &&
  (expires_at === null || Date.parse(expires_at) > now.getTime())

/** Times of a token are whole seconds: what ends within this one would end the token before it begins. */
export const isCarried = ({ not_before, expires_at }: Window, now: Date): boolean =>
  (not_before === null || Date.parse(not_before) <= now.getTime()) &&
  (expires_at === null || Math.floor(Date.parse(expires_at) / 1_000) > Math.floor(now.getTime() / 1_000))

/** Not decided exactly: what is told though it is held does no harm. */
export const isHeld = (carried: readonly Grant[], pattern: string): boolean =>
  isPermission(pattern)
    ? holds(carried, pattern)
    : carried.some(({ permissions, excludes }) => excludes.length === 0 && permissions.includes('*'))

/** By resource alone. */
export const coarser = (ask: readonly string[]): string[] => [...new Set(ask.map(coarserPattern))]

const coarserPattern = (pattern: string): string => {
  const [resource = '', action] = pattern.split(':')
  if (isReserved(resource)) return 'tenantry.*'
  return action === undefined || resource === '*' ? pattern : `${resource}:*`
}

/** Anything of the product's, and of Tenantry's own where there is anything. */
export const coarsest = (ask: readonly string[]): string[] => [
  ...new Set(
    ask.map((pattern) => (isReserved(pattern.split(':', 1)[0] ?? '') || pattern === 'tenantry.*' ? 'tenantry.*' : '*')),
  ),
]
