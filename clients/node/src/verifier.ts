// Offline verification of Tenantry's tokens: RFC 9068 §4 and RFC 7519 §7.2, by the book and a little stricter.

import { assertClaims, type TokenClaims } from './claims.ts'
import { splitCompact } from './compact.ts'
import { invalidToken } from './errors.ts'
import { readHeader } from './header.ts'
import { parseObject } from './json.ts'
import { Jwks } from './jwks.ts'
import type { VerificationKey } from './keys.ts'
import { importingFrom } from './local-keys.ts'
import { Principal } from './principal.ts'
import { isSignedBy } from './signature.ts'
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
  const findKey = keyFinder(settings)
  return {
    async verify(token) {
      const { header, payload, signature, signed } = splitCompact(token, settings.max_token_bytes)
      const { alg, kid } = readHeader(header, settings.algorithms)
      const key = await findKey(kid)
      if (key === undefined)
        throw invalidToken('key', 'The token is signed with a key that the issuer does not publish.')
      // RFC 8725 §3.1: the key decides the algorithm, and the token merely agrees.
      if (key.alg !== alg) throw invalidToken('algorithm', "The token's algorithm is not that of its key.")
      if (!(await isSignedBy(key.key, key.alg, signed, signature))) {
        throw invalidToken('signature', "The token's signature is wrong.")
      }
      const claims = readClaims(payload)
      judge(claims, settings)
      return new Principal(claims)
    },
  }
}

function keyFinder(settings: VerifierSettings): (kid: string) => Promise<VerificationKey | undefined> {
  if (settings.keys !== undefined) return importingFrom(settings.keys)
  const jwks = new Jwks({ ...settings, url: settings.jwks_uri })
  return (kid) => jwks.findKey(kid)
}

function readClaims(bytes: Buffer): TokenClaims {
  const payload = parseObject(bytes)
  if (payload === undefined) throw invalidToken('payload', "The token's payload is not one well-formed JSON object.")
  assertClaims(payload)
  return payload
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
