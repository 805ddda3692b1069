// The token exchange grant (RFC 8693): who has logged in elsewhere, or holds a token of ours, gets one for one tenant. The
// tenant decides what the user may do there; the token that was brought decides only who it is, and since when.
import { type Grant, TenantryError } from '@tenantry/client'
import { type Member, type MemberFacts, readFactsToIssue } from '../authorization/facts.ts'
import { Problem } from '../errors.ts'
import { OAuthError } from '../http/oauth-errors.ts'
import { type ApiKeyPrincipal, mayDo } from '../http/principal.ts'
import type { IssuerKeys } from '../issuers/keys.ts'
import { ASSIGNED_PREFIX } from '../issuers/prefixes.ts'
import { findIssuers, type TrustedIssuer } from '../issuers/queries.ts'
import { claimedIssuerOf, SubjectTokenError, verifySubjectToken } from '../issuers/subject-tokens.ts'
import { statusOf } from '../memberships/rules.ts'
import type { TokenHolders } from '../tokens/authentication.ts'
import { claimsOf, DEFAULT_TTL_SECONDS, grantsOf, isAudience, type Login } from '../tokens/claims.ts'
import { type IssuingServices, namedIn, signed, type TokenAnswer, type TokenRequest } from './issuing.ts'
import { narrowTo } from './scope.ts'
import { invalidTarget } from './target.ts'

export interface ExchangeServices extends IssuingServices {
  token_holders: TokenHolders
  issuer_keys: IssuerKeys
}

const TYPE = 'urn:ietf:params:oauth:token-type:'
const SUBJECT_TYPES = ['jwt', 'id_token', 'access_token'].map((name) => TYPE + name)
const REQUESTED_TYPES = ['jwt', 'access_token'].map((name) => TYPE + name)
const LONGEST_SESSION_SECONDS = 86_400 // after that a new login is needed, however often tokens were exchanged

/** Who was shown to be there. */
interface Bearer {
  user_id: string
  login: Login
  client_id: string
  /** The only tenant it is good for; undefined for any. */
  tenant_id: string | undefined
  /** What it was narrowed to; undefined for one that was not. */
  grants: readonly Grant[] | undefined
}

const refuse = (why: string): never => {
  throw new OAuthError('invalid_request', why)
}

export const exchangedToken = async (
  services: ExchangeServices,
  client: ApiKeyPrincipal | undefined,
  body: TokenRequest,
): Promise<TokenAnswer> => {
  const { config, clock } = services
  const subject_token = requireForm(body)
  const { audience = config.issuer } = body
  if (!isAudience(config, audience)) throw new OAuthError('invalid_target', 'No tokens are issued for this audience.')
  const { tenant_id, words } = await namedIn(services, body)
  const now = clock()
  const bearer = await bearerOf(services, { subject_token, tenant_id, client, now })
  if (bearer.login.ends_at <= Math.floor(now.getTime() / 1_000)) refuse('The login is too long ago: log in again.')
  const isElsewhere = [bearer.tenant_id, client?.tenant_id].some((only) => only != null && only !== tenant_id)
  if (tenant_id === undefined || isElsewhere) throw invalidTarget()
  const found = await readFactsToIssue(services.database, { tenant_id, user_id: bearer.user_id }, client, now)
  if (!found.holds) throw new OAuthError('invalid_client', 'The API key is over.')
  const [facts, member] = requireMember(found.facts, now)
  // Who was signed out since is not brought back by an old login.
  const { signed_out_at } = member
  if (signed_out_at !== null && bearer.login.auth_time * 1_000 < Date.parse(signed_out_at)) {
    refuse('The user was signed out after this login: log in again.')
  }
  const narrowed = narrowTo(bearer.grants ?? grantsOf(member), words)
  const isNarrowed = bearer.grants !== undefined || narrowed.scope !== undefined
  const { catalogue } = found
  const asked = { issuer: config.issuer, audience, client_id: bearer.client_id, ttl_seconds: DEFAULT_TTL_SECONDS, now }
  const claims = claimsOf(
    facts,
    member,
    { ...asked, catalogue, login: bearer.login },
    isNarrowed ? narrowed.grants : undefined,
  )
  if (claims.exp <= claims.iat) throw invalidTarget() // the membership ends within this very second
  const answer = await signed(services, claims, facts.platform_revision, narrowed.scope)
  return { ...answer, issued_token_type: `${TYPE}access_token` }
}

/** RFC 8693 §2.1. Answers the subject token. */
const requireForm = (body: TokenRequest): string => {
  const { subject_token, subject_token_type = '', requested_token_type, actor_token } = body
  if (subject_token === undefined) return refuse('subject_token is missing.')
  if (!SUBJECT_TYPES.includes(subject_token_type)) refuse(`subject_token_type is one of ${SUBJECT_TYPES.join(', ')}.`)
  if (requested_token_type !== undefined && !REQUESTED_TYPES.includes(requested_token_type)) {
    refuse(`requested_token_type is one of ${REQUESTED_TYPES.join(', ')}.`)
  }
  if (actor_token !== undefined) refuse('Delegation (actor_token) is not offered.')
  return subject_token
}

/** One and the same for whoever is no member, of whatever kind of tenant. */
const requireMember = (facts: MemberFacts | null, now: Date): [MemberFacts, Member] => {
  const member = facts?.membership
  if (facts?.tenant.status !== 'active' || !member || statusOf(member, now) !== 'active') throw invalidTarget()
  return [facts, member]
}

interface Shown {
  subject_token: string
  tenant_id: string | undefined
  client: ApiKeyPrincipal | undefined
  now: Date
}

const bearerOf = async (services: ExchangeServices, shown: Shown): Promise<Bearer> => {
  const issuer = claimedIssuerOf(shown.subject_token)
  if (issuer === undefined) return refuse('The subject token is not a JWT with an issuer.')
  if (issuer === services.config.issuer) return ownBearer(services, shown)
  const [trusted] = await findIssuers(services.database, issuer, shown.tenant_id)
  if (trusted === undefined) return refuse('The issuer of the subject token is not trusted here.')
  return strangersBearer(services, trusted, shown)
}

const strangersBearer = async (
  { issuer_keys }: ExchangeServices,
  issuer: TrustedIssuer,
  { subject_token, client, now }: Shown,
): Promise<Bearer> => {
  if (issuer.client_auth_required && client === undefined) {
    throw new OAuthError('invalid_client', 'Tokens of this issuer are exchanged by authenticated clients only.')
  }
  try {
    const { user_id, auth_time } = await verifySubjectToken(subject_token, issuer, issuer_keys, now)
    const login = { auth_time, issuer_id: issuer.id, ends_at: auth_time + LONGEST_SESSION_SECONDS }
    const tenant_id = issuer.tenant_id ?? undefined
    return { user_id, login, client_id: client?.id ?? issuer.id, tenant_id, grants: undefined }
  } catch (error) {
    if (error instanceof SubjectTokenError) return refuse(error.message)
    if (error instanceof TenantryError) throw new Problem('issuer.unavailable', { cause: error })
    throw error
  }
}

/** One of ours: for another tenant or another audience. */
const ownBearer = async (
  { config, token_holders }: ExchangeServices,
  { subject_token, client }: Shown,
): Promise<Bearer> => {
  const claims = (await token_holders.inspect(subject_token))?.claims
  if (claims === undefined) return refuse('The subject token is no good, or access has changed since it was issued.')
  if (claims.membership_id === null) return refuse("A machine's token is not exchanged: use its key.")
  // Whoever was sent a token to serve its user must not get others with it: only with our audience, or as a client that
  // could have them issued anyway.
  const mayVouch = client !== undefined && mayDo(client, 'tenantry.token:issue')
  if (!mayVouch && ![claims.aud].flat().includes(config.issuer)) {
    refuse(
      'The subject token is for another audience: exchange one for this service, or with a key that may issue tokens.',
    )
  }
  const { auth_time = claims.iat, issuer_id } = claims
  const isNarrowed = claims.roles.length === 0
  const isBound = isNarrowed || claims.sub.startsWith(ASSIGNED_PREFIX)
  return {
    ...{ user_id: claims.sub, client_id: client?.id ?? claims.client_id },
    login: { auth_time, issuer_id, ends_at: auth_time + LONGEST_SESSION_SECONDS },
    tenant_id: isBound ? claims.tenant_id : undefined,
    grants: isNarrowed ? claims.grants : undefined,
  }
}
