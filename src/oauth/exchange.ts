// The token exchange grant (RFC 8693): who has logged in elsewhere, or holds a token of ours, gets one for one tenant. The
// tenant decides what the user may do there; the token that was brought decides only who it is, and since when.
import { touchedBy } from '../authorization/conditions.ts'
import { type Member, type MemberFacts, readFactsToIssue } from '../authorization/facts.ts'
import { OAuthError } from '../http/oauth-errors.ts'
import type { ApiKeyPrincipal } from '../http/principal.ts'
import type { Write } from '../http/write.ts'
import { statusOf } from '../memberships/rules.ts'
import { carriedBy, claimsOf, DEFAULT_TTL_SECONDS, isAudience, undecided } from '../tokens/claims.ts'
import { type BearerServices, bearerOf, refuse } from './bearers.ts'
import { delegated, requireElsewhere, tellOf } from './delegation.ts'
import { type IssuingServices, namedIn, signed, type TokenAnswer, type TokenRequest } from './issuing.ts'
import { narrowTo } from './scope.ts'
import { invalidTarget } from './target.ts'

export interface ExchangeServices extends IssuingServices, Omit<BearerServices, 'config'> {
  write: Write
}

const TYPE = 'urn:ietf:params:oauth:token-type:'
const SUBJECT_TYPES = ['jwt', 'id_token', 'access_token'].map((name) => TYPE + name)
const REQUESTED_TYPES = ['jwt', 'access_token'].map((name) => TYPE + name)

export const exchangedToken = async (
  services: ExchangeServices,
  client: ApiKeyPrincipal | undefined,
  body: TokenRequest,
): Promise<TokenAnswer> => {
  const { config, clock, write } = services
  const subject_token = requireForm(body)
  const { audience = config.issuer } = body
  if (!isAudience(config, audience)) throw new OAuthError('invalid_target', 'No tokens are issued for this audience.')
  const { tenant_id, words } = await namedIn(services, body)
  const now = clock()
  const shown = { tenant_id: tenant_id ?? undefined, client, now }
  const found = await bearerOf(services, { ...shown, token: subject_token, type: body.subject_token_type })
  const bearer = await delegated(services, found, shown, body)
  requireElsewhere(bearer, audience, config.issuer)
  if (bearer.login.ends_at <= Math.floor(now.getTime() / 1_000)) refuse('The login is too long ago: log in again.')
  const isElsewhere = [bearer.tenant_id, client?.tenant_id].some((only) => only != null && only !== tenant_id)
  if (tenant_id == null || isElsewhere) throw invalidTarget()
  const who = { tenant_id, user_id: bearer.user_id }
  const read = await readFactsToIssue(services.database, who, client, now, bearer.rests_on)
  if (!read.holds) throw new OAuthError('invalid_client', 'The API key is over.')
  if (!read.login_holds) refuse('The token is no good, or access has changed since it was issued.')
  const [facts, member] = requireMember(read.facts, now)
  // Who was signed out since is not brought back by an old login.
  const { signed_out_at } = member
  if (signed_out_at !== null && bearer.login.login_at * 1_000 < Date.parse(signed_out_at)) {
    refuse('The user was signed out after this login: log in again.')
  }
  const ttl_seconds = DEFAULT_TTL_SECONDS
  const carried = bearer.carried
    ? undecided(bearer.carried, touchedBy(facts.conditions))
    : carriedBy(member, read.resource_roles, { now, ttl_seconds }, facts.conditions)
  const narrowed = narrowTo(carried, words)
  const isNarrowed = bearer.carried !== undefined || narrowed.scope !== undefined
  const { login, authentication, act, client_id, scope: before } = bearer
  const scope = narrowed.scope ?? before
  const asked = { issuer: config.issuer, audience, client_id, client_ends_at: client?.ends_at ?? null, now, login, act }
  const wanted = { ...asked, authentication, ttl_seconds, catalogue: read.catalogue, scope, carried }
  const claims = claimsOf(facts, member, wanted, isNarrowed ? narrowed.carried : undefined)
  if (claims.exp <= claims.iat) throw invalidTarget() // something that it rests on ends within this very second
  await tellOf(write, client, claims)
  const answer = await signed(services, claims, facts.platform_revision, narrowed.scope)
  return { ...answer, issued_token_type: `${TYPE}access_token` }
}

/** RFC 8693 §2.1. Answers the subject token. */
const requireForm = (body: TokenRequest): string => {
  const { subject_token, subject_token_type = '', requested_token_type, actor_token, actor_token_type } = body
  if (subject_token === undefined) return refuse('subject_token is missing.')
  if (!SUBJECT_TYPES.includes(subject_token_type)) refuse(`subject_token_type is one of ${SUBJECT_TYPES.join(', ')}.`)
  if (requested_token_type !== undefined && !REQUESTED_TYPES.includes(requested_token_type)) {
    refuse(`requested_token_type is one of ${REQUESTED_TYPES.join(', ')}.`)
  }
  if (actor_token !== undefined && !SUBJECT_TYPES.includes(actor_token_type ?? '')) {
    refuse(`actor_token_type is one of ${SUBJECT_TYPES.join(', ')}.`)
  }
  if (actor_token === undefined && actor_token_type !== undefined) refuse('actor_token is missing.')
  return subject_token
}

/** One and the same for whoever is no member, of whatever kind of tenant. */
const requireMember = (facts: MemberFacts | null, now: Date): [MemberFacts, Member] => {
  const member = facts?.membership
  if (facts?.tenant.status !== 'active' || !member || statusOf(member, now) !== 'active') throw invalidTarget()
  return [facts, member]
}
