// The `scope` of a token request: what the token is narrowed to.
import { holds, isPattern, isPermission } from '@tenantry/client'
import { OAuthError } from '../http/oauth-errors.ts'
import type { Carried } from '../tokens/claims.ts'
import { intersections, narrow } from '../tokens/narrowing.ts'
import { isTenantScope } from './target.ts'

export const wordsOf = (scope: string | undefined): string[] => scope?.split(' ').filter((word) => word !== '') ?? []

export interface Narrowed {
  carried: Carried
  /** What was granted, as the answer tells it; undefined when nothing was narrowed. */
  scope: string | undefined
}

/** @throws OAuthError `invalid_scope` for a word that is no permission, or of which there is nothing, not even to ask for */
export const narrowTo = (carried: Carried, words: readonly string[]): Narrowed => {
  const patterns = words.filter((word) => !isTenantScope(word))
  if (patterns.length === 0) return { carried, scope: undefined }
  for (const pattern of patterns) {
    if (!isThere(carried, pattern))
      throw new OAuthError('invalid_scope', `"${pattern}" is no permission, or none that there is to give.`)
  }
  const [grants, ask] = [narrow(carried.grants, patterns), intersections(carried.ask, patterns)]
  const told = new Set([...grants.flatMap(({ permissions }) => permissions), ...ask])
  return { carried: { grants, ask }, scope: [...told].join(' ') }
}

const isThere = ({ grants, ask }: Carried, pattern: string): boolean => {
  if (isPattern(pattern) && intersections(ask, [pattern]).length > 0) return true
  return isPermission(pattern) ? holds(grants, pattern) : isPattern(pattern) && narrow(grants, [pattern]).length > 0
}
