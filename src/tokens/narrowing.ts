// Narrowing: what of some grants lies within a scope that was asked for. Never more than there was.
import { type Grant, isPermission, matches } from '@tenantry/client'

/** The pattern that matches exactly what both match; undefined when that is nothing. */
const intersect = (one: string, other: string): string | undefined => {
  if (one === other) return one
  if (isPermission(one)) return matches(other, one) ? one : undefined
  if (isPermission(other)) return matches(one, other) ? other : undefined
  if (one === 'tenantry.*' || other === 'tenantry.*') return undefined // a namespace that no other pattern reaches
  if (one === '*') return other
  if (other === '*') return one
  const [byAction, byResource] = one.startsWith('*:') ? [one, other] : [other, one]
  if (byResource.startsWith('*:') || !byAction.startsWith('*:')) return undefined // two actions, or two resources
  return `${byResource.slice(0, -1)}${byAction.slice(2)}`
}

/** What lies within both lists, pattern by pattern. */
export const intersections = (some: readonly string[], patterns: readonly string[]): string[] => [
  ...new Set(some.flatMap((permission) => patterns.map((pattern) => intersect(permission, pattern)).filter(isText))),
]

const isText = (value: string | undefined): value is string => value !== undefined

/**
 * Holds what the grants hold and one of the patterns matches. What takes nothing from that is left out: of a large catalogue
 * a wildcard may exclude more than a token can carry.
 */
export const narrow = (grants: readonly Grant[], patterns: readonly string[]): Grant[] =>
  grants
    .map(({ permissions, excludes }) => {
      const within = intersections(permissions, patterns)
      return { permissions: within, excludes: excludes.filter((each) => intersections(within, [each]).length > 0) }
    })
    .filter(({ permissions }) => permissions.length > 0)
