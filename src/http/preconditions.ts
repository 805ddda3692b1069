// ETag and If-Match (RFC 9110 §8.8.3, §13.1.1). The tag of a resource is the revision that last changed it.
import { Problem } from '../errors.ts'

export const etagOf = (revision: number): string => `"${revision}"`

/**
 * Compare under the history's lock, so that nothing can change between this and the write.
 * @throws Problem `precondition.failed`
 */
export const requireMatch = (ifMatch: string | undefined, revision: number): void => {
  if (ifMatch === undefined || ifMatch.trim() === '*') return
  const tags = ifMatch.split(',').map((tag) => tag.trim())
  if (!tags.includes(etagOf(revision))) throw new Problem('precondition.failed')
}
