// A token of a trusted issuer, verified: who it says has logged in (OpenID Connect Core §3.1.3.7, RFC 7519, RFC 8725).
import { API_KEY_SUBJECT_PREFIX, TenantryError } from '@tenantry/client'
import { openJws } from '@tenantry/client/signed'
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
  /** When the user logged in, in seconds: what the issuer says of it, else when the token was made. */
  auth_time: number
  exp: number
}

/** Why a subject token is refused, in words for the client's developer. */
export class SubjectTokenError extends Error {}

const refuse = (why: string): never => {
  throw new SubjectTokenError(why)
}

/** Whose token this claims to be. Nothing else of it is looked at before it is verified. */
export const claimedIssuerOf = (token: string): string | undefined => {
  if (token.length > MAX_BYTES) return undefined
  try {
    const { iss } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    return typeof iss === 'string' ? iss : undefined
  } catch {
    return undefined
  }
}

/** @throws SubjectTokenError, TenantryError `jwks_unavailable` */
export const verifySubjectToken = async (
  token: string,
  issuer: TrustedIssuer,
  keys: IssuerKeys,
  now: Date,
): Promise<Subject> => {
  const claims = await open(token, issuer, keys)
  if (claims.iss !== issuer.issuer) refuse('The subject token is of another issuer.')
  requireAudience(claims, issuer)
  const { exp, iat } = timesOf(claims, Math.floor(now.getTime() / 1_000))
  return { user_id: userIdOf(claims, issuer), auth_time: authTimeOf(claims, iat), exp }
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

const requireAudience = ({ aud, azp }: Record<string, unknown>, { audiences }: TrustedIssuer): void => {
  const list: unknown[] = Array.isArray(aud) ? aud : [aud]
  const ours = list.filter((each) => typeof each === 'string' && audiences.includes(each))
  if (ours.length === 0) refuse('The subject token is for another audience than the issuer is trusted for.')
  // A token for several parties says which of them asked for it; if it was another, that one must not use it here.
  const isForeign = azp !== undefined && !(typeof azp === 'string' && audiences.includes(azp))
  if (isForeign || (list.length > 1 && azp === undefined))
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

const authTimeOf = ({ auth_time }: Record<string, unknown>, iat: number): number =>
  isSeconds(auth_time) ? Math.min(Math.floor(auth_time), iat) : iat

const userIdOf = (
  claims: Record<string, unknown>,
  { user_id_claim, user_id_prefix, tenant_id }: TrustedIssuer,
): string => {
  const id = Object.hasOwn(claims, user_id_claim) ? claims[user_id_claim] : undefined
  if (typeof id !== 'string' || id === '') return refuse(`The subject token has no user id ("${user_id_claim}").`)
  const user_id = `${user_id_prefix}${id}`
  if (user_id.length > LONGEST_USER_ID) refuse('The user id of the subject token is too long.')
  // Reserved: a machine's name, and the users of a tenant's own issuer, of whom a shared one has no say.
  const isReserved =
    user_id.startsWith(API_KEY_SUBJECT_PREFIX) || (tenant_id === null && user_id.startsWith(ASSIGNED_PREFIX))
  return isReserved ? refuse('The user id of the subject token is reserved.') : user_id
}
