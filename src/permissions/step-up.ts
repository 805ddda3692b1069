// Step-up (RFC 9470): what the catalogue demands of a login before a permission counts. Pure.

/** How and when a subject has logged in, as far as it is told: the claims `acr` and `auth_time` (RFC 9068 §2.2.1). */
export interface Authentication {
  readonly acr?: string | undefined
  /** In seconds since 1970. */
  readonly auth_time?: number | undefined
}

/** The authentication context itself, and how old the login may be in seconds; null where that is not demanded. */
export type LoginDemand = { readonly acr: string | null; readonly max_age: number | null }

/** By permission. */
export type StepUp = ReadonlyMap<string, LoginDemand>

export const NOTHING_TOLD: Authentication = {}

/** What the clock of whoever tells it may be ahead. A login that lies further in the future is no time of a login. */
const SKEW_SECONDS = 60

export const isTold = (auth_time: number | undefined, now_seconds: number): auth_time is number =>
  auth_time !== undefined && auth_time > 0 && auth_time <= now_seconds + SKEW_SECONDS

/** Contexts are compared as they are: there is no order among them that every provider shares. */
export const isMet = ({ acr, max_age }: LoginDemand, told: Authentication, now: Date): boolean => {
  if (acr !== null && told.acr !== acr) return false
  if (max_age === null) return true
  const now_seconds = Math.floor(now.getTime() / 1_000)
  return isTold(told.auth_time, now_seconds) && now_seconds - told.auth_time <= max_age
}
