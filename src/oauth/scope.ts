// The `scope` of a token request: what the token is narrowed to.
import { type Grant, holds, isPattern, isPermission } from '@tenantry/client'
import { OAuthError } from '../http/oauth-errors.ts'
import { narrow } from '../tokens/narrowing.ts'
import { isTenantScope } from './target.ts'

export const wordsOf = (scope: string | undefined): string[] => scope?.split(' ').filter((word) => word !== '') ?? []

export interface Narrowed {
  grants: readonly Grant[]
  /** What was granted, as the answer tells it; undefined when nothing was narrowed. */
  scope: string | undefined
}

/** @throws OAuthError `invalid_scope` for a word that is no permission, or of which the grants hold nothing */
export const narrowTo = (grants: readonly Grant[], words: readonly string[]): Narrowed => {
  const patterns = words.filter((word) => !isTenantScope(word))
  if (patterns.length === 0) return { grants, scope: undefined }
  for (const pattern of patterns) {
    const isHeld = isPermission(pattern)
      ? holds(grants, pattern)
      : isPattern(pattern) && narrow(grants, [pattern]).length > 0
    if (!isHeld) throw new OAuthError('invalid_scope', `"${pattern}" is no permission, or none that there is to give.`)
  }
  const narrowed = narrow(grants, patterns)
  return { grants: narrowed, scope: [...new Set(narrowed.flatMap(({ permissions }) => permissions))].join(' ') }
}
