// Offline verification of Tenantry's tokens: RFC 9068 §4 and RFC 7519 §7.2, by the book and a little stricter.

import { assertClaims, type TokenClaims } from './claims.ts'
import { invalidToken } from './errors.ts'
import { ACCESS_TOKEN } from './header.ts'
import { Jwks } from './jwks.ts'
import { openJws } from './jws.ts'
import type { VerificationKey } from './keys.ts'
import { importingFrom } from './local-keys.ts'
import { Principal } from './principal.ts'
import { readOptions, type VerifierOptions, type VerifierSettings } from './verifier-options.ts'

export type Verifier = {
  /**
   * Verifies a token: form, header, key, signature, claims, issuer, audience, time, in this order.
   *
   * @throws TenantryError `invalid_token` (401, see its `reason`) or `jwks_unavailable` (503)
   */
  verify(token: string): Promise<Principal>
}

/**
 * Makes a verifier. Make one and keep it: it holds the issuer's keys, fetched when the first token comes, and needs no
 * other word from the service. While the keys' address is away, those in memory work for an hour past their freshness.
 *
 * @throws TenantryError `configuration` if an option is missing or wrong, the audience above all
 * @example
 * const verifier = createVerifier({ issuer: 'https://tenantry.example.com', audience: 'https://api.example.com' })
 * const principal = await verifier.verify(token)
 * principal.requirePermission('invoice:write')
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const settings = readOptions(options)
  const { algorithms, max_token_bytes: max_bytes } = settings
  const findKey = keyFinder(settings)
  return {
    async verify(token) {
      const { payload } = await openJws(token, { type: ACCESS_TOKEN, max_bytes, algorithms, findKey })
      assertClaims(payload)
      judge(payload, settings)
      return new Principal(payload)
    },
  }
}

function keyFinder(settings: VerifierSettings): (kid: string) => Promise<VerificationKey | undefined> {
  if (settings.keys !== undefined) return importingFrom(settings.keys)
  const jwks = new Jwks({ ...settings, url: settings.jwks_uri })
  return (kid) => jwks.findKey(kid)
}

function judge({ iss, aud, exp, nbf }: TokenClaims, settings: VerifierSettings): void {
  if (iss !== settings.issuer) throw invalidToken('issuer', 'The token is from another issuer.')
  const isForUs = typeof aud === 'string' ? aud === settings.audience : aud.includes(settings.audience)
  if (!isForUs) throw invalidToken('audience', 'The token is for another audience.')
  const now = settings.clock().getTime()
  // RFC 7519 §4.1.4: "on or after" the instant of exp it is over.
  if (now >= exp * 1_000 + settings.clock_tolerance_ms) throw invalidToken('expired', 'The token has expired.')
  if (nbf !== undefined && now < nbf * 1_000 - settings.clock_tolerance_ms) {
    throw invalidToken('not_yet_valid', 'The token is not valid yet.')
  }
}
