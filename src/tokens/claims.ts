// What a token says, built from facts that were read in one statement.
import { API_KEY_SUBJECT_PREFIX, type Grant, holds, type TokenClaims } from '@tenantry/client'
import type { Member, MemberFacts } from '../authorization/facts.ts'
import type { Config } from '../config.ts'
import { newId } from '../ids.ts'

export const DEFAULT_TTL_SECONDS = 300

export interface Asked {
  issuer: string
  audience: string
  client_id: string
  ttl_seconds: number
  now: Date
  /** The product's permissions; those that are held are spelt out. */
  catalogue: readonly string[]
  /** Of an exchange: the login that it goes back to. */
  login?: Login | undefined
}

export interface Login {
  auth_time: number
  /** Undefined where a back end vouched for the user. */
  issuer_id: string | undefined
  /** When its session ends at the latest, in seconds. */
  ends_at: number
}

/** Whether tokens are issued for it. */
export const isAudience = ({ issuer, audiences }: Pick<Config, 'issuer' | 'audiences'>, audience: string): boolean =>
  audience === issuer || audiences === undefined || audiences.includes(audience)

type Bearer = Pick<TokenClaims, 'sub' | 'membership_id' | 'roles' | 'grants' | 'narrowed_from'>

/** With what is around it, and in base64url, it stays below 4 KiB. */
const LONGEST_CLAIMS = 2_800

/** `exp` is never later than the end of what the token rests on. */
const claimsFor = (
  { sub, membership_id, roles, grants, narrowed_from }: Bearer,
  { tenant, revision, platform_revision }: MemberFacts,
  { issuer, audience, client_id, ttl_seconds, now, catalogue, login }: Asked,
  ends_at: string | null,
): TokenClaims => {
  const iat = Math.floor(now.getTime() / 1000)
  const end = ends_at === null ? Number.POSITIVE_INFINITY : Math.floor(Date.parse(ends_at) / 1000)
  const claims = {
    ...{
      iss: issuer,
      sub,
      aud: audience,
      exp: Math.min(iat + ttl_seconds, end, login?.ends_at ?? end),
      iat,
      jti: newId(),
      client_id,
    },
    ...{ tenant_id: tenant.id, tenant_slug: tenant.slug, membership_id, roles },
    permissions: catalogue.filter((key) => holds(grants, key)),
    grants,
    ...(login && { auth_time: login.auth_time }),
    ...(login?.issuer_id !== undefined && { issuer_id: login.issuer_id }),
    ...(narrowed_from && { narrowed_from }),
    rev: { [tenant.id]: revision, platform: platform_revision },
  }
  // What is spelt out goes first where a token would be too long to send: the grants say the same.
  return JSON.stringify(claims).length > LONGEST_CLAIMS ? { ...claims, permissions: [] } : claims
}

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
export const machineClaimsOf = (
  facts: MemberFacts,
  { grants, ends_at }: { grants: readonly Grant[]; ends_at: string | null },
  asked: Asked,
): TokenClaims => {
  const sub = `${API_KEY_SUBJECT_PREFIX}${asked.client_id}`
  return claimsFor({ sub, membership_id: null, roles: [], grants }, facts, asked, ends_at)
}
