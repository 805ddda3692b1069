// What a token says, built from facts that were read in one statement.
import type { TokenClaims } from '@tenantry/client'
import type { Member, MemberFacts } from '../authorization/facts.ts'
import { newId } from '../ids.ts'

export interface Asked {
  issuer: string
  audience: string
  client_id: string
  ttl_seconds: number
  now: Date
}

/** `exp` is never later than the end of the membership that the token rests on. */
export const claimsOf = (
  facts: MemberFacts,
  member: Member,
  { issuer, audience, client_id, ttl_seconds, now }: Asked,
): TokenClaims => {
  const iat = Math.floor(now.getTime() / 1000)
  const end = member.expires_at === null ? Number.POSITIVE_INFINITY : Math.floor(Date.parse(member.expires_at) / 1000)
  return {
    iss: issuer,
    sub: member.user_id,
    aud: audience,
    exp: Math.min(iat + ttl_seconds, end),
    iat,
    jti: newId(),
    client_id,
    tenant_id: facts.tenant.id,
    tenant_slug: facts.tenant.slug,
    membership_id: member.id,
    roles: member.roles.map(({ key }) => key),
    permissions: [], // the concrete list of a product's catalogue; without one there is nothing to list
    grants: member.roles.map(({ permissions, excludes }) => ({ permissions, excludes })),
    rev: { [facts.tenant.id]: facts.revision, platform: facts.platform_revision },
  }
}
