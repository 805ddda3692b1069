// Permissions that the catalogue has granted by name only. The pure rules know of no catalogue: what a wildcard would
// reach of these is written into the grant's excludes wherever a grant is decided on or put into a token, so the check
// here and a verifier elsewhere read the same grant.
import type { Grant } from '@tenantry/client'

/** Which wildcards could reach a permission of the product. Asked for every role at every check, so nothing is compared. */
export const wildcardsOver = (key: string): string[] => {
  const [resource, action] = key.split(':')
  return ['*', `*:${action}`, `${resource}:*`]
}

/** The grant as the pure rules are to read it. Doing it twice changes nothing. */
export const effective = <G extends Grant>(grant: G, by_name: readonly string[]): G => {
  if (by_name.length === 0) return grant
  const [granted, excluded] = [new Set(grant.permissions), new Set(grant.excludes)]
  const reached = by_name.filter((key) => {
    const wildcards = wildcardsOver(key)
    const isExcluded = excluded.has(key) || wildcards.some((pattern) => excluded.has(pattern))
    return !granted.has(key) && !isExcluded && wildcards.some((pattern) => granted.has(pattern))
  })
  return reached.length === 0 ? grant : { ...grant, excludes: [...grant.excludes, ...reached] }
}
