// Who is behind a token that is brought to be exchanged (RFC 8693 §2.1): somebody who logged in at a trusted issuer, or the
// holder of a token of ours.
import type { Actor, TokenClaims } from '@tenantry/client'
import type { Source } from '../authorization/facts.ts'
import type { Database } from '../database/scope.ts'
import { OAuthError } from '../http/oauth-errors.ts'
import { type ApiKeyPrincipal, mayDo } from '../http/principal.ts'
import type { IssuerKeys } from '../issuers/keys.ts'
import { findIssuers, type TrustedIssuer } from '../issuers/queries.ts'
import { audiencesIn, claimedIssuerOf, type Subject, SubjectTokenError } from '../issuers/subject-tokens.ts'
import { askIssuer, NOT_TRUSTED } from '../issuers/vouching.ts'
import type { Authentication } from '../permissions/step-up.ts'
import type { TokenHolders } from '../tokens/authentication.ts'
import { type Carried, isBoundToTenant, isNarrowed, isVouchedFor, type Login, loginOf } from '../tokens/claims.ts'

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
  /** How and when he logged in, as far as it was told; never made fresher. */
  authentication: Authentication
  client_id: string
  /** The only tenant it is good for; undefined for any. */
  tenant_id: string | undefined
  /** What it was narrowed to; undefined for one that was not. */
  carried: Carried | undefined
  /** Who acts for the user already. */
  act: Actor | undefined
  /** What it was narrowed to, in words. */
  scope: string | undefined
  /** What must still hold when the new token is made. */
  rests_on: Source
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
  if (own.act !== undefined) refuse('Who acts for somebody does not act for another: show a token of your own.')
  if (own.client_id !== shown.client?.id) requireMayBring(services, own, shown)
  const isLocal = own.membership_id !== null && (isBoundToTenant(own) || isVouchedFor(own))
  if (isLocal && own.tenant_id !== shown.tenant_id) refuse('The actor is known in another tenant only.')
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
  if (issuer === undefined) return refuse(NOT_TRUSTED)
  const subject = await askIssuer(issuer, shown.token, services.issuer_keys, shown).catch((error: unknown) => {
    if (!(error instanceof SubjectTokenError)) throw error
    const why = error.cause instanceof Error ? error.cause.message : error.message
    throw new OAuthError('invalid_request', error.message, { why })
  })
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

const strangersBearer = async (services: BearerServices, shown: Shown): Promise<Bearer> => {
  const { issuer, subject } = await strangerOf(services, shown)
  const { user_id, login_at, authentication } = subject
  const { id, revision } = issuer
  return {
    user_id,
    login: { login_at, issuer_id: id, ends_at: login_at + LONGEST_SESSION_SECONDS },
    authentication,
    client_id: shown.client?.id ?? id,
    tenant_id: issuer.tenant_id ?? undefined,
    carried: undefined,
    ...{ act: undefined, scope: undefined },
    rests_on: { issuer: { id, revision, anonymous: shown.client === undefined } },
  }
}

/**
 * One of ours: for another tenant or another audience. What goes back to a login counts as that login does, by itself. What
 * a key vouched for, or vouches for now, counts in the tenants and for the time that the key has a say in.
 */
const ownBearer = (services: BearerServices, claims: TokenClaims, shown: Shown): Bearer => {
  if (claims.membership_id === null) return refuse("A machine's token is not exchanged: use its key.")
  requireMayBring(services, claims, shown)
  const { client } = shown
  const { acr, auth_time, issuer_id } = claims
  const login_at = loginOf(claims)
  const isLogin = !isVouchedFor(claims) && isForUs(services, claims)
  const isKeptIn = isBoundToTenant(claims) || !(isLogin || (mayVouch(shown) && client?.tenant_id === null))
  const isKeptTo = claims.act !== undefined || !(isLogin || mayVouch(shown))
  return {
    user_id: claims.sub,
    client_id: isLogin || mayVouch(shown) ? (client?.id ?? issuer_id ?? claims.client_id) : claims.client_id,
    login: {
      login_at,
      issuer_id: isLogin ? issuer_id : undefined,
      ends_at: isKeptTo ? claims.exp : login_at + LONGEST_SESSION_SECONDS,
    },
    authentication: { acr, auth_time },
    tenant_id: isKeptIn ? claims.tenant_id : undefined,
    carried: carriedIn(claims),
    ...{ act: claims.act, scope: claims.scope },
    rests_on: {
      issuer: issuer_id === undefined ? undefined : { id: issuer_id, revision: null, anonymous: client === undefined },
      token: claims,
    },
  }
}

/** Undefined for one that was not narrowed: it says what roles give, and the next token says what they give then. */
const carriedIn = (claims: TokenClaims): Carried | undefined =>
  isNarrowed(claims) ? { grants: claims.grants, ask: claims.ask ?? [] } : undefined

/**
 * Whoever was sent a token to serve its user must not get others with it: only with our audience, or as a client that
 * could have them issued anyway.
 */
const requireMayBring = (services: BearerServices, claims: TokenClaims, shown: Shown): void => {
  if (mayVouch(shown) || isForUs(services, claims)) return
  refuse('The token is for another audience: exchange one for this service, or with a key that may issue tokens.')
}

const isForUs = ({ config }: BearerServices, { aud }: TokenClaims): boolean => [aud].flat().includes(config.issuer)

const mayVouch = ({ client }: Shown): boolean => client !== undefined && mayDo(client, 'tenantry.token:issue')
