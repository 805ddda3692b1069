// ETag, If-Match and If-None-Match (RFC 9110 §8.8.3, §13.1). The tag of a resource is the revision that last changed it.
import { createHash } from 'node:crypto'
import { Problem } from '../errors.ts'

const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/

export const etagOf = (revision: number): string => `"${revision}"`

/** Of what has no revision of its own. */
export const tagOf = (content: unknown): string =>
  `"${createHash('sha256').update(JSON.stringify(content)).digest('base64url').slice(0, 22)}"`

/** Whether `If-None-Match` names it: weak comparison, as RFC 9110 §13.1.2 has it. */
export const isKnown = (ifNoneMatch: string | undefined, tag: string): boolean =>
  ifNoneMatch?.split(',').some((known) => known.trim().replace(/^W\//, '') === tag) ?? false

/**
 * Compare under the history's lock, so that nothing can change between this and the write.
 * @throws Problem `precondition.failed`, or `request.invalid` for what is no tag
 */
export const requireMatch = (ifMatch: string | undefined, revision: number): void => {
  if (ifMatch === undefined || ifMatch.trim() === '*') return
  const tags = ifMatch.split(',').map((tag) => tag.trim())
  const unquoted = tags.find((tag) => !ENTITY_TAG.test(tag))
  if (unquoted !== undefined) {
    const detail = `${unquoted} is no entity tag: send the ETag as it came, with its quotes, as in If-Match: ${etagOf(7)}.`
    throw new Problem('request.invalid', { errors: [{ pointer: 'header/If-Match', detail }] })
  }
  if (!tags.includes(etagOf(revision))) throw new Problem('precondition.failed')
}
