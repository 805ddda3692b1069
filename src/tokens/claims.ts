// What a token says, built from facts that were read in one statement.
import { type Actor, API_KEY_SUBJECT_PREFIX, type Grant, type TokenClaims } from '@tenantry/client'
import type { Member, MemberFacts } from '../authorization/facts.ts'
import type { Config } from '../config.ts'
import { newId } from '../ids.ts'
import { ASSIGNED_PREFIX } from '../issuers/prefixes.ts'
import { heldOf } from '../permissions/held.ts'

export const DEFAULT_TTL_SECONDS = 300

export interface Asked {
  issuer: string
  audience: string
  client_id: string
  /** When the key that asks is over; null for none that ends. */
  client_ends_at: string | null
  ttl_seconds: number
  now: Date
  /** The product's permissions; those that are held are spelt out. */
  catalogue: readonly string[]
  /** Of an exchange: the login that it goes back to. */
  login?: Login | undefined
  /** Who acts for the user. */
  act?: Actor | undefined
  /** What it is narrowed to. */
  scope?: string | undefined
}

export interface Login {
  auth_time: number
  /** Undefined where a back end vouched for the user. */
  issuer_id: string | undefined
  /** When its session ends at the latest, in seconds. */
  ends_at: number
}

/** Whether it was narrowed to some grants: then it names no roles, and is never resolved back to them. */
export const isNarrowed = ({ membership_id, roles }: Pick<TokenClaims, 'membership_id' | 'roles'>): boolean =>
  membership_id !== null && roles.length === 0

/** Whether it is good for its own tenant only: a narrowed or delegated one, and of a user whom only its issuer knows. */
export const isBoundToTenant = (claims: Pick<TokenClaims, 'membership_id' | 'roles' | 'sub' | 'act'>): boolean =>
  isNarrowed(claims) || claims.act !== undefined || claims.sub.startsWith(ASSIGNED_PREFIX)

/** Whether a key vouched for the user, and no login. It may be a tenant's key, which has no say in any other tenant. */
export const isVouchedFor = ({ issuer_id }: Pick<TokenClaims, 'issuer_id'>): boolean => issuer_id === undefined

/** Whether tokens are issued for it. */
export const isAudience = ({ issuer, audiences }: Pick<Config, 'issuer' | 'audiences'>, audience: string): boolean =>
  audience === issuer || audiences === undefined || audiences.includes(audience)

type Bearer = Pick<TokenClaims, 'sub' | 'membership_id' | 'roles' | 'grants' | 'narrowed_from'>

/** `exp` is never later than the end of what the token rests on. */
const claimsFor = (
  { sub, membership_id, roles, grants, narrowed_from }: Bearer,
  { tenant, revision, platform_revision }: MemberFacts,
  { issuer, audience, client_id, client_ends_at, ttl_seconds, now, catalogue, login, act, scope }: Asked,
  ends_at: string | null,
): TokenClaims => {
  const iat = Math.floor(now.getTime() / 1000)
  return {
    ...{
      iss: issuer,
      sub,
      aud: audience,
      exp: Math.min(iat + ttl_seconds, secondOf(ends_at), secondOf(client_ends_at), login?.ends_at ?? FOREVER),
      iat,
      jti: newId(),
      client_id,
    },
    ...{ tenant_id: tenant.id, tenant_slug: tenant.slug, membership_id, roles },
    permissions: heldOf(catalogue, grants),
    grants,
    ...(login && { auth_time: login.auth_time }),
    ...(login?.issuer_id !== undefined && { issuer_id: login.issuer_id }),
    ...(act && { act }),
    ...(scope !== undefined && { scope }),
    ...(narrowed_from && { narrowed_from }),
    rev: { [tenant.id]: revision, platform: platform_revision },
  }
}

const FOREVER = Number.POSITIVE_INFINITY

const secondOf = (end: string | null): number => (end === null ? FOREVER : Math.floor(Date.parse(end) / 1000))

/** A member's token; narrowed to grants, it says no roles. */
export const claimsOf = (
  facts: MemberFacts,
  member: Member,
  asked: Asked,
  narrowed?: readonly Grant[],
): TokenClaims => {
  const { user_id: sub, id: membership_id } = member
  const held = member.roles.map(({ key }) => key)
  const bearer = narrowed
    ? { sub, membership_id, roles: [], grants: narrowed, narrowed_from: held }
    : { sub, membership_id, roles: held, grants: grantsOf(member) }
  return claimsFor(bearer, facts, asked, member.expires_at)
}

export const grantsOf = ({ roles }: Member): Grant[] =>
  roles.map(({ permissions, excludes }) => ({ permissions, excludes }))

/** A machine's token: an API key's own. */
export const machineClaimsOf = (facts: MemberFacts, grants: readonly Grant[], asked: Asked): TokenClaims => {
  const sub = `${API_KEY_SUBJECT_PREFIX}${asked.client_id}`
  return claimsFor({ sub, membership_id: null, roles: [], grants }, facts, asked, null)
}
