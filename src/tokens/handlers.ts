// HTTP in and out of tokens: issuing them, and what others need to verify them.
import { type Member, type MemberFacts, readFactsToIssue } from '../authorization/facts.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Handlers } from '../http/handlers.ts'
import { requireTenant } from '../http/scope.ts'
import { statusOf } from '../memberships/rules.ts'
import { countToken } from '../metrics/instruments.ts'
import { isTold } from '../permissions/step-up.ts'
import type { KeyRing } from '../signing-keys/key-ring.ts'
import { carriedBy, claimsOf, DEFAULT_TTL_SECONDS, isAudience } from './claims.ts'
import { protectedResource, serverMetadata } from './metadata.ts'
import { signWithin } from './size.ts'

interface Services {
  config: Pick<Config, 'issuer' | 'audiences'>
  database: Database
  clock: Clock
  keys: KeyRing
}

type Mine =
  | 'issueToken'
  | 'getJwks'
  | 'getAuthorizationServerMetadata'
  | 'getOpenidConfiguration'
  | 'getProtectedResourceMetadata'

const FIVE_MINUTES = { 'Cache-Control': 'public, max-age=300' }

/** Only an active member of an active tenant gets a token. @throws Problem saying which it is not */
const requireActiveMember = (facts: MemberFacts | null, now: Date): [MemberFacts, Member] => {
  if (!facts) throw new Problem('tenant.not_found')
  if (!facts.membership) throw new Problem('membership.not_found')
  if (facts.tenant.status !== 'active') throw new Problem('tenant.not_active')
  const status = statusOf(facts.membership, now)
  if (status !== 'active') throw new Problem(`membership.${status}`)
  return [facts, facts.membership]
}

/** @throws Problem `request.invalid` for a login that is yet to come */
const requirePast = (auth_time: number | undefined, now: Date): void => {
  if (auth_time === undefined || isTold(auth_time, Math.floor(now.getTime() / 1_000))) return
  throw new Problem('request.invalid', { errors: [{ pointer: '/auth_time', detail: 'This time lies in the future.' }] })
}

export const tokenHandlers = ({ config, database, clock, keys }: Services): Pick<Handlers, Mine> => {
  const { issuer } = config
  const requireAudience = (audience: string): void => {
    if (isAudience(config, audience)) return
    throw new Problem('audience.unknown', {
      errors: [{ pointer: '/audience', detail: `No tokens are issued for "${audience}".` }],
    })
  }
  const metadata = async () => ({
    status: 200 as const,
    body: serverMetadata(issuer, await keys.publicKeys()),
    headers: FIVE_MINUTES,
  })

  return {
    issueToken: async ({ principal, scope, body }) => {
      const { user_id, audience = issuer, ttl_seconds = DEFAULT_TTL_SECONDS, acr, auth_time } = body
      const tenant_id = requireTenant(scope)
      requireAudience(audience)
      const now = clock()
      requirePast(auth_time, now)
      const found = await readFactsToIssue(database, { tenant_id, user_id }, principal, now)
      if (!found.holds) throw new Problem('credential.invalid')
      const [facts, member] = requireActiveMember(found.facts, now)
      const client = { client_id: principal.id, client_ends_at: principal.ends_at }
      const carried = carriedBy(member, found.resource_roles, { now, ttl_seconds }, facts.conditions)
      const authentication = { acr, auth_time: auth_time && Math.min(auth_time, Math.floor(now.getTime() / 1_000)) }
      const asked = {
        issuer,
        audience,
        ...client,
        authentication,
        ttl_seconds,
        now,
        catalogue: found.catalogue,
        carried,
      }
      const claims = claimsOf(facts, member, asked)
      // The membership or the key ends within this very second, and the times of a token are whole seconds.
      if (claims.exp <= claims.iat) throw new Problem('membership.expired')
      const { access_token: sign } = await keys.signersAt(facts.platform_revision)
      const access_token = signWithin(sign, claims)
      if (access_token === undefined) throw new Error('a token of roles is always small enough without their grants')
      countToken('api')
      const token = { access_token, token_type: 'Bearer' as const, expires_in: claims.exp - claims.iat }
      return { status: 200, body: token, headers: { 'Cache-Control': 'no-store' } }
    },

    getJwks: async () => ({ status: 200, body: { keys: await keys.publicKeys() }, headers: FIVE_MINUTES }),
    getAuthorizationServerMetadata: metadata,
    getOpenidConfiguration: metadata,
    getProtectedResourceMetadata: async () => ({
      status: 200,
      body: protectedResource(issuer),
      headers: FIVE_MINUTES,
    }),
  }
}
