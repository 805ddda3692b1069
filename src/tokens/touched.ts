// What a token must not answer by itself: where a condition of the service may turn down what is granted, the token says
// "ask". The patterns are taken out of every grant that it carries, here and in the signed role catalogue, so the check
// here and a verifier elsewhere never differ; a grant is always treated in the same order, because digests are made of it.
import { type Grant, holds, isPermission } from '@tenantry/client'
import { intersections, narrow } from './narrowing.ts'

/** The grant without what the patterns match. Doing it twice changes nothing. */
export const withoutTouched = <G extends Grant>(grant: G, touched: readonly string[]): G => {
  if (touched.length === 0) return grant
  const reached = touched.filter(
    (pattern) => !grant.excludes.includes(pattern) && intersections(grant.permissions, [pattern]).length > 0,
  )
  return reached.length === 0 ? grant : { ...grant, excludes: [...grant.excludes, ...reached] }
}

/** What of the grants is to be asked, then. */
export const askOfTouched = (grants: readonly Grant[], touched: readonly string[]): string[] => [
  ...new Set(
    touched.flatMap((pattern) =>
      isPermission(pattern)
        ? holds(grants, pattern)
          ? [pattern]
          : []
        : narrow(grants, [pattern]).flatMap(({ permissions }) => permissions),
    ),
  ),
]
