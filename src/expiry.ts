// Ends: of memberships, of API keys.
import { Problem } from './errors.ts'

/** @throws Problem `expires_at.past` */
export const requireFuture = (expires_at: string | null | undefined, now: Date): void => {
  // Compared so that an instant that cannot be read counts as past: RFC 3339 has leap seconds, JavaScript has not.
  if (typeof expires_at === 'string' && !(Date.parse(expires_at) > now.getTime())) {
    throw new Problem('expires_at.past', { errors: [{ pointer: '/expires_at', detail: 'This is not in the future.' }] })
  }
}
