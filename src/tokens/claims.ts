// What a token says, built from facts that were read in one statement.
import { API_KEY_SUBJECT_PREFIX, type Grant, type TokenClaims } from '@tenantry/client'
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
}

/** Whether tokens are issued for it. */
export const isAudience = ({ issuer, audiences }: Pick<Config, 'issuer' | 'audiences'>, audience: string): boolean =>
  audience === issuer || audiences === undefined || audiences.includes(audience)

/** What every token has; `exp` is never later than the end of what the token rests on. */
const commonClaims = (
  { tenant, revision, platform_revision }: MemberFacts,
  { issuer, audience, client_id, ttl_seconds, now }: Asked,
  ends_at: string | null,
) => {
  const iat = Math.floor(now.getTime() / 1000)
  const end = ends_at === null ? Number.POSITIVE_INFINITY : Math.floor(Date.parse(ends_at) / 1000)
  return {
    ...{ iss: issuer, aud: audience, exp: Math.min(iat + ttl_seconds, end), iat, jti: newId(), client_id },
    ...{ tenant_id: tenant.id, tenant_slug: tenant.slug },
    permissions: [], // the concrete list of a product's catalogue; without one there is nothing to list
    rev: { [tenant.id]: revision, platform: platform_revision },
  }
}

/** A member's token. */
export const claimsOf = (facts: MemberFacts, member: Member, asked: Asked): TokenClaims => ({
  ...commonClaims(facts, asked, member.expires_at),
  sub: member.user_id,
  membership_id: member.id,
  roles: member.roles.map(({ key }) => key),
  grants: member.roles.map(({ permissions, excludes }) => ({ permissions, excludes })),
})

/** A machine's token: an API key's own. */
export const machineClaimsOf = (
  facts: MemberFacts,
  { grants, ends_at }: { grants: readonly Grant[]; ends_at: string | null },
  asked: Asked,
): TokenClaims => ({
  ...commonClaims(facts, asked, ends_at),
  sub: `${API_KEY_SUBJECT_PREFIX}${asked.client_id}`,
  membership_id: null,
  roles: [],
  grants,
})
