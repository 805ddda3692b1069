// Who is behind a token that is brought to be exchanged (RFC 8693 §2.1): somebody who logged in at a trusted issuer, or the
// holder of a token of ours.
import { type Actor, type Grant, TenantryError, type TokenClaims } from '@tenantry/client'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { OAuthError } from '../http/oauth-errors.ts'
import { type ApiKeyPrincipal, mayDo } from '../http/principal.ts'
import type { IssuerKeys } from '../issuers/keys.ts'
import { findIssuers, type TrustedIssuer } from '../issuers/queries.ts'
import {
  audiencesIn,
  claimedIssuerOf,
  type Subject,
  SubjectTokenError,
  verifySubjectToken,
} from '../issuers/subject-tokens.ts'
import type { TokenHolders } from '../tokens/authentication.ts'
import { isBoundToTenant, isNarrowed, isVouchedFor, type Login } from '../tokens/claims.ts'

export interface BearerServices {
  config: { issuer: string }
  database: Database
  token_holders: TokenHolders
  issuer_keys: IssuerKeys
}

/** A token, and who brings it for what. */
export interface Shown {
  token: string
  /** As the request calls it (RFC 8693 §3). */
  type: string | undefined
  tenant_id: string | undefined
  client: ApiKeyPrincipal | undefined
  now: Date
}

/** Who was shown to be there. */
export interface Bearer {
  user_id: string
  login: Login
  client_id: string
  /** The only tenant it is good for; undefined for any. */
  tenant_id: string | undefined
  /** What it was narrowed to; undefined for one that was not. */
  grants: readonly Grant[] | undefined
  /** Who acts for the user already. */
  act: Actor | undefined
  /** What it was narrowed to, in words. */
  scope: string | undefined
}

const LONGEST_SESSION_SECONDS = 86_400 // after that a new login is needed, however often tokens were exchanged

export const refuse = (why: string): never => {
  throw new OAuthError('invalid_request', why)
}

export const bearerOf = async (services: BearerServices, shown: Shown): Promise<Bearer> => {
  const own = await ownClaims(services, shown)
  return own === undefined ? strangersBearer(services, shown) : ownBearer(services, own, shown)
}

/** Who acts: a user, as a trusted issuer or a token of ours says, or a machine with its token. */
export const actorOf = async (services: BearerServices, shown: Shown): Promise<{ sub: string; exp: number }> => {
  const own = await ownClaims(services, shown)
  if (own === undefined) {
    const { user_id: sub, exp } = (await strangerOf(services, shown)).subject
    return { sub, exp }
  }
  if (own.client_id !== shown.client?.id) requireMayBring(services, own, shown)
  return { sub: own.sub, exp: own.exp }
}

/** Undefined for a token that is not ours. */
const ownClaims = async (
  { config, token_holders }: BearerServices,
  { token }: Shown,
): Promise<TokenClaims | undefined> => {
  const issuer = claimedIssuerOf(token)
  if (issuer === undefined) return refuse('This is not a JWT with an issuer.')
  if (issuer !== config.issuer) return undefined
  const claims = (await token_holders.inspect(token))?.claims
  return claims ?? refuse('The token is no good, or access has changed since it was issued.')
}

interface Stranger {
  issuer: TrustedIssuer
  subject: Subject
}

const strangerOf = async (services: BearerServices, shown: Shown): Promise<Stranger> => {
  const issuer = await trustedFor(services, shown)
  if (issuer === undefined) return notTrusted('no issuer of this name is trusted for this audience')
  const subject = await verified(services, issuer, shown)
  if (issuer.client_auth_required && shown.client === undefined) {
    throw new OAuthError('invalid_client', 'Tokens of this issuer are exchanged by authenticated clients only.')
  }
  return { issuer, subject }
}

/** The shared one goes first: a tenant that names the same issuer must not shut out those who log in through it. */
const trustedFor = async (
  { database }: BearerServices,
  { token, tenant_id }: Shown,
): Promise<TrustedIssuer | undefined> => {
  const named = await findIssuers(database, claimedIssuerOf(token) ?? '', tenant_id)
  const audiences = audiencesIn(token)
  const fit = named.filter((issuer) => issuer.audiences.some((each) => audiences.includes(each)))
  return fit.find(({ tenant_id }) => tenant_id === null) ?? fit[0]
}

const verified = async (
  { issuer_keys }: BearerServices,
  issuer: TrustedIssuer,
  { token, type, now }: Shown,
): Promise<Subject> => {
  try {
    return await verifySubjectToken(token, issuer, issuer_keys, { type, now })
  } catch (error) {
    if (error instanceof SubjectTokenError)
      return issuer.tenant_id === null ? refuse(error.message) : notTrusted(error.message)
    if (error instanceof TenantryError) throw new Problem('issuer.unavailable', { cause: error })
    throw error
  }
}

/** One and the same, so that strangers do not learn which issuers a tenant has; the log has the reason. */
const notTrusted = (why: string): never => {
  throw new OAuthError('invalid_request', 'The issuer of the token is not trusted here for this token.', { why })
}

const strangersBearer = async (services: BearerServices, shown: Shown): Promise<Bearer> => {
  const { issuer, subject } = await strangerOf(services, shown)
  const { user_id, auth_time } = subject
  return {
    user_id,
    login: { auth_time, issuer_id: issuer.id, ends_at: auth_time + LONGEST_SESSION_SECONDS },
    client_id: shown.client?.id ?? issuer.id,
    tenant_id: issuer.tenant_id ?? undefined,
    grants: undefined,
    ...{ act: undefined, scope: undefined },
  }
}

/** One of ours: for another tenant or another audience. */
const ownBearer = (services: BearerServices, claims: TokenClaims, shown: Shown): Bearer => {
  if (claims.membership_id === null) return refuse("A machine's token is not exchanged: use its key.")
  requireMayBring(services, claims, shown)
  const { auth_time = claims.iat, issuer_id } = claims
  const isVouched = isVouchedFor(claims) && !mayVouch(shown)
  return {
    ...{ user_id: claims.sub, client_id: shown.client?.id ?? claims.client_id },
    // What a key vouched for lasts as long as it said, and where it said.
    login: { auth_time, issuer_id, ends_at: isVouched ? claims.exp : auth_time + LONGEST_SESSION_SECONDS },
    tenant_id: isBoundToTenant(claims) || isVouched ? claims.tenant_id : undefined,
    grants: isNarrowed(claims) ? claims.grants : undefined,
    ...{ act: claims.act, scope: claims.scope },
  }
}

/**
 * Whoever was sent a token to serve its user must not get others with it: only with our audience, or as a client that
 * could have them issued anyway.
 */
const requireMayBring = ({ config }: BearerServices, { aud }: TokenClaims, shown: Shown): void => {
  if (mayVouch(shown) || [aud].flat().includes(config.issuer)) return
  refuse('The token is for another audience: exchange one for this service, or with a key that may issue tokens.')
}

const mayVouch = ({ client }: Shown): boolean => client !== undefined && mayDo(client, 'tenantry.token:issue')
