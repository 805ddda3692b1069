// Ends: of memberships, of API keys, of grants. Null is an end that never comes.
import { Problem } from './errors.ts'

export const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z') // an offset can lead beyond what RFC 3339 can write

/** @throws Problem `expires_at.past`, or `request.invalid` after the year 9999 */
export const requireFuture = (expires_at: string | null | undefined, now: Date): void => {
  // Compared so that an instant that cannot be read counts as past: RFC 3339 has leap seconds, JavaScript has not.
  if (typeof expires_at !== 'string') return
  if (Date.parse(expires_at) > LATEST_MS) {
    throw new Problem('request.invalid', {
      errors: [{ pointer: '/expires_at', detail: 'This is after the year 9999.' }],
    })
  }
  if (!(Date.parse(expires_at) > now.getTime())) {
    throw new Problem('expires_at.past', { errors: [{ pointer: '/expires_at', detail: 'This is not in the future.' }] })
  }
}

interface Ending {
  expires_at: string | null
}

/** In milliseconds. */
export const endOf = ({ expires_at }: Ending): number =>
  expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(expires_at)

export const endsEarlier = (before: Ending, after: Ending): boolean => endOf(after) < endOf(before)

export const earlier = (one: string | null, other: string | null): string | null =>
  endOf({ expires_at: other }) < endOf({ expires_at: one }) ? other : one

export const later = (one: string | null, other: string | null): string | null =>
  endOf({ expires_at: other }) > endOf({ expires_at: one }) ? other : one
