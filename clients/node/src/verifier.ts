// Offline verification of Tenantry's tokens: RFC 9068 §4 and RFC 7519 §7.2, by the book and a little stricter.

import { assertClaims, type SlimClaims, type TokenClaims } from './claims.ts'
import { invalidToken, TenantryError } from './errors.ts'
import { ACCESS_TOKEN } from './header.ts'
import { Jwks } from './jwks.ts'
import { type JwsRules, openJws } from './jws.ts'
import type { VerificationKey } from './keys.ts'
import { importingFrom } from './local-keys.ts'
import { Principal } from './principal.ts'
import { RevocationFeed } from './revocations/feed.ts'
import { limitOf, type WhenStale } from './revocations/staleness.ts'
import { grantsDigest, RoleCatalogue } from './role-catalogue.ts'
import { misconfigured } from './settings.ts'
import { readOptions, type VerifierOptions, type VerifierSettings } from './verifier-options.ts'

export type VerifyOptions = {
  /** What becomes of this token while revocations cannot be followed, in place of what the verifier was told. */
  readonly when_stale?: WhenStale | undefined
}

export type Verifier = {
  /**
   * Verifies a token: form, header, key, signature, claims, issuer, audience, time, in this order; and last, if the
   * verifier follows revocations, whether access has changed since.
   *
   * @throws TenantryError `invalid_token` (401, see its `reason`), `stale_token` (401: exchange it for a fresh one),
   * `jwks_unavailable`, `revocations_unavailable` or `roles_unavailable` (503)
   */
  verify(token: string, options?: VerifyOptions): Promise<Principal>
  /**
   * Begins to follow revocations, and waits up to 3 s until it has caught up. `verify` does so too.
   *
   * @throws TenantryError `revocations_unavailable`
   */
  ready(): Promise<void>
  /** Stops following revocations, for good. What is known ages from then on. */
  close(): void
  /** How long ago revocations were last confirmed to be current; Infinity if they never were. */
  readonly staleness_seconds: number
}

/**
 * Makes a verifier. Make one and keep it: it holds the issuer's keys, fetched when the first token comes, and, if told
 * to, one connection on which it hears of revocations. It needs no other word from the service. While the keys' address
 * is away, those in memory work for an hour past their freshness.
 *
 * @throws TenantryError `configuration` if an option is missing or wrong, the audience above all
 * @example
 * const verifier = createVerifier({
 *   issuer: 'https://tenantry.example.com',
 *   audience: 'https://api.example.com',
 *   revocations: { api_key: process.env.TENANTRY_API_KEY },
 * })
 * const principal = await verifier.verify(token)
 * principal.requirePermission('invoice:write')
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const settings = readOptions(options)
  const { algorithms, max_token_bytes: max_bytes } = settings
  const findKey = keyFinder(settings)
  const restoreGrants = grantsFinder(settings, findKey)
  const feed = settings.revocations && new RevocationFeed({ ...settings, ...settings.revocations, findKey })
  return {
    async verify(token, { when_stale } = {}) {
      requireFollowing(feed, when_stale)
      feed?.start()
      const { payload, kid } = await openJws(token, { types: [ACCESS_TOKEN], max_bytes, algorithms, findKey })
      await feed?.catchUp(when_stale)
      assertClaims(payload)
      judge(payload, settings)
      await feed?.judge(payload, kid, token, when_stale)
      return new Principal('grants' in payload ? payload : await restoreGrants(payload, token))
    },
    ready: async () => feed?.ready(),
    close: () => feed?.close(),
    get staleness_seconds() {
      return feed?.staleness_seconds ?? Number.POSITIVE_INFINITY
    },
  }
}

function keyFinder(settings: VerifierSettings): (kid: string) => Promise<VerificationKey | undefined> {
  if (settings.keys !== undefined) return importingFrom(settings.keys)
  const jwks = new Jwks({ ...settings, url: settings.jwks_uri })
  return (kid) => jwks.findKey(kid)
}

/** Of a token that was too long to carry its grants. What it was issued with, or nothing: other grants make it stale. */
function grantsFinder(
  settings: VerifierSettings,
  findKey: JwsRules['findKey'],
): (claims: SlimClaims, token: string) => Promise<TokenClaims> {
  const catalogue = new RoleCatalogue({ ...settings, url: settings.roles_url, findKey })
  const find: RoleCatalogue['find'] = settings.grants ?? ((claims, token) => catalogue.find(claims, token))
  return async (claims, token) => {
    const grants = await find(claims, token)
    if (grants === undefined || grantsDigest(grants) !== claims.grants_digest) throw staleRoles()
    return { ...claims, grants }
  }
}

function staleRoles(): TenantryError {
  return new TenantryError('stale_token', 'The token is older than a change of its roles. Get a fresh one.')
}

/** Who asks for tokens to be refused while revocations are unknown must not get a verifier that never knows them. */
function requireFollowing(feed: RevocationFeed | undefined, when_stale: WhenStale | undefined): void {
  if (when_stale === undefined) return
  if (feed === undefined) throw misconfigured('"when_stale" needs a verifier that is made with "revocations".')
  limitOf(when_stale, 0)
}

function judge({ iss, aud, exp, nbf }: SlimClaims | TokenClaims, settings: VerifierSettings): void {
  if (iss !== settings.issuer) throw invalidToken('issuer', 'The token is from another issuer.')
  const isForUs = typeof aud === 'string' ? aud === settings.audience : aud.includes(settings.audience)
  if (!isForUs) throw invalidToken('audience', 'The token is for another audience.')
  const now = settings.clock().getTime()
  // RFC 7519 §4.1.4: "on or after" the instant of exp it is over. Asked so that a clock that does not know says no.
  if (!(now < exp * 1_000 + settings.clock_tolerance_ms)) throw invalidToken('expired', 'The token has expired.')
  if (nbf !== undefined && now < nbf * 1_000 - settings.clock_tolerance_ms) {
    throw invalidToken('not_yet_valid', 'The token is not valid yet.')
  }
}
