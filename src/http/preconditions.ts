// ETag and If-Match (RFC 9110 §8.8.3, §13.1.1). The tag of a resource is the revision that last changed it.
import { Problem } from '../errors.ts'

const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/

export const etagOf = (revision: number): string => `"${revision}"`

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
