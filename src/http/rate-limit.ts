// How much one credential of a tenant may ask of this process (draft-ietf-httpapi-ratelimit-headers). The platform's own are
// not limited: they are what the product itself runs on.
import type { Clock } from '../clock.ts'
import { Problem } from '../errors.ts'
import { countRefusal } from '../metrics/instruments.ts'
import type { Principal } from './principal.ts'
import { Windows } from './windows.ts'

/** Long enough to let a burst through, short enough to wait for. */
const WINDOW_SECONDS = 10

export type RateHeaders = Record<string, string>

/** Counts a request. @throws Problem `rate.limited` */
export type RateLimit = (principal: Principal) => RateHeaders | undefined

export const rateLimitWith = (per_second: number, clock: Clock): RateLimit => {
  const windows = new Windows(WINDOW_SECONDS, clock)
  const most = per_second * WINDOW_SECONDS
  const policy = `"credential";q=${most};w=${WINDOW_SECONDS}`
  return ({ kind, id, tenant_id }) => {
    if (tenant_id === null) return undefined
    const { count, left_seconds } = windows.count(`${kind}:${id}`)
    const headers = {
      'RateLimit-Policy': policy,
      RateLimit: `"credential";r=${Math.max(0, most - count)};t=${left_seconds}`,
    }
    if (count <= most) return headers
    countRefusal('rate_limited')
    throw new Problem('rate.limited', { headers: { ...headers, 'Retry-After': String(left_seconds) } })
  }
}
