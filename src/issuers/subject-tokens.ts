// A token of a trusted issuer, verified: who it says has logged in (OpenID Connect Core §3.1.3.7, RFC 7519, RFC 8725).
import { API_KEY_SUBJECT_PREFIX, TenantryError } from '@tenantry/client'
import { openJws } from '@tenantry/client/signed'
import { isStorable } from '../http/text.ts'
import { type Authentication, isTold } from '../permissions/step-up.ts'
import { DiscoveryError } from './discovery.ts'
import type { IssuerKeys } from './keys.ts'
import { ASSIGNED_PREFIX } from './prefixes.ts'
import type { TrustedIssuer } from './queries.ts'

const MAX_BYTES = 16_384
const SKEW_SECONDS = 60 // what the clocks of others may be ahead
const LONGEST_USER_ID = 255
const TYPES = ['jwt', 'at+jwt', undefined]

export interface Subject {
  user_id: string
  /** Since when the login counts, in seconds: what the issuer says of it, else when the token was made. */
  login_at: number
  authentication: Authentication
  exp: number
  email: string | null
  /** Null where the issuer says nothing of it. */
  email_verified: boolean | null
}

/** Why a subject token is refused, in words for the client's developer. */
export class SubjectTokenError extends Error {}

const refuse = (why: string): never => {
  throw new SubjectTokenError(why)
}

/** What a token says before it is verified: whose it claims to be, and for whom. Nothing else of it is looked at. */
const unverified = (token: string): { iss?: unknown; aud?: unknown } => {
  if (token.length > MAX_BYTES) return {}
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) ?? {}
  } catch {
    return {}
  }
}

export const claimedIssuerOf = (token: string): string | undefined => {
  const { iss } = unverified(token)
  return isText(iss) ? iss : undefined
}

/** Whom it claims to be for. */
export const audiencesIn = (token: string): string[] => [unverified(token).aud].flat().filter(isText)

/** They are looked up: what no database can hold is nobody's name. */
const isText = (value: unknown): value is string => typeof value === 'string' && isStorable(value)

/** @throws SubjectTokenError, TenantryError `jwks_unavailable` */
export const verifySubjectToken = async (
  token: string,
  issuer: TrustedIssuer,
  keys: IssuerKeys,
  { type, now }: { type?: string | undefined; now: Date },
): Promise<Subject> => {
  const claims = await open(token, issuer, keys)
  if (claims.iss !== issuer.issuer) refuse('The subject token is of another issuer.')
  requireAudience(claims, issuer)
  if (isIdToken(claims, type)) requireParty(claims, issuer)
  const { exp, iat } = timesOf(claims, Math.floor(now.getTime() / 1_000))
  const authentication = authenticationOf(claims, iat)
  const login_at = authentication.auth_time ?? iat
  return { user_id: userIdOf(claims, issuer), login_at, authentication, exp, ...emailOf(claims, issuer) }
}

const LONGEST_EMAIL = 254

const emailOf = (
  claims: Record<string, unknown>,
  { email_claim, email_verified_claim }: TrustedIssuer,
): Pick<Subject, 'email' | 'email_verified'> => {
  const [email, verified] = [email_claim, email_verified_claim].map((name) =>
    Object.hasOwn(claims, name) ? claims[name] : undefined,
  )
  if (!isText(email) || email === '' || email.length > LONGEST_EMAIL) return { email: null, email_verified: null }
  // Some providers write "true". Anything else is no promise.
  return { email, email_verified: verified === undefined ? null : verified === true || verified === 'true' }
}

const open = async (token: string, issuer: TrustedIssuer, keys: IssuerKeys): Promise<Record<string, unknown>> => {
  try {
    const algorithms = new Set(issuer.algorithms)
    const findKey = (kid: string) => keys.findKey(issuer, kid)
    return (await openJws(token, { types: TYPES, max_bytes: MAX_BYTES, algorithms, findKey })).payload
  } catch (error) {
    if (error instanceof DiscoveryError) return refuse(error.message)
    if (error instanceof TenantryError && error.code === 'invalid_token') return refuse(error.message)
    throw error
  }
}

const requireAudience = ({ aud }: Record<string, unknown>, { audiences }: TrustedIssuer): void => {
  const ours = [aud].flat().filter((each) => typeof each === 'string' && audiences.includes(each))
  if (ours.length === 0) refuse('The subject token is for another audience than the issuer is trusted for.')
}

const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'

/** An access token is for an API, whichever client asked for it. What only an ID token has, tells one in its place. */
const isIdToken = (claims: Record<string, unknown>, type: string | undefined): boolean =>
  type !== ACCESS_TOKEN_TYPE || ['nonce', 'at_hash', 'c_hash'].some((name) => Object.hasOwn(claims, name))

/** An ID token for several parties says which of them asked for it; if it was another, that one must not use it here. */
const requireParty = ({ aud, azp }: Record<string, unknown>, { audiences }: TrustedIssuer): void => {
  if (azp === undefined && [aud].flat().length > 1) refuse('The subject token is for several parties, without azp.')
  if (azp !== undefined && !(typeof azp === 'string' && audiences.includes(azp)))
    refuse('The subject token was issued to another party (azp).')
}

const isSeconds = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value > 0

const timesOf = ({ exp, iat, nbf }: Record<string, unknown>, now: number): { exp: number; iat: number } => {
  if (!isSeconds(exp) || !isSeconds(iat)) return refuse('The subject token lacks "exp" or "iat".')
  if (exp <= now) refuse('The subject token is over.')
  if (iat > now + SKEW_SECONDS || (nbf !== undefined && !(isSeconds(nbf) && nbf <= now + SKEW_SECONDS))) {
    refuse('The subject token is not valid yet.')
  }
  return { exp: Math.floor(exp), iat: Math.floor(iat) }
}

const LONGEST_ACR = 200

/** What is no time before the token was made, such as milliseconds, tells nothing: it must not make an old login look fresh. */
const authenticationOf = ({ acr, auth_time }: Record<string, unknown>, iat: number): Authentication => ({
  acr: isText(acr) && acr !== '' && acr.length <= LONGEST_ACR ? acr : undefined,
  auth_time: isSeconds(auth_time) && isTold(auth_time, iat) ? Math.min(Math.floor(auth_time), iat) : undefined,
})

const userIdOf = (claims: Record<string, unknown>, issuer: TrustedIssuer): string => {
  const { user_id_claim, user_id_prefix, tenant_id, email_claim, reserved_prefixes } = issuer
  const id = Object.hasOwn(claims, user_id_claim) ? claims[user_id_claim] : undefined
  if (typeof id !== 'string' || id === '' || !isStorable(id))
    return refuse(`The subject token has no user id ("${user_id_claim}").`)
  if (user_id_claim === email_claim && emailOf(claims, issuer).email_verified !== true)
    refuse('The e-mail address, which is the user id, is not verified.')
  const user_id = `${user_id_prefix}${id}`
  if (user_id.length > LONGEST_USER_ID) refuse('The user id of the subject token is too long.')
  // Reserved: a machine's name, another shared issuer's users, and those of a tenant's own, of whom a shared one has no say.
  const isReserved =
    [API_KEY_SUBJECT_PREFIX, ...reserved_prefixes].some((prefix) => user_id.startsWith(prefix)) ||
    (tenant_id === null && user_id.startsWith(ASSIGNED_PREFIX))
  return isReserved ? refuse('The user id of the subject token is reserved.') : user_id
}
