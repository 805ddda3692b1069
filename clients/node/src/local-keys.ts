// Keys from a function instead of a published set: how the service verifies its own tokens, with the very same code.

import { importKey, type Jwk, type VerificationKey } from './keys.ts'
import { misconfigured } from './settings.ts'
import type { LocalKeys } from './verifier-options.ts'

/**
 * Wraps a source of JWKs so that each is imported once. Whoever passes keys vouches for them, so an unusable one is an
 * error of ours and not of the token.
 *
 * @throws TenantryError `configuration`
 */
export function importingFrom(source: LocalKeys): (kid: string) => Promise<VerificationKey | undefined> {
  const imported = new WeakMap<Jwk, VerificationKey>()
  return async (kid) => {
    const jwk = await source(kid)
    if (jwk === undefined) return undefined
    const key = imported.get(jwk) ?? importKey({ ...jwk, kid: jwk.kid ?? kid })
    if (key === undefined || key.kid !== kid) throw misconfigured('A key given to createVerifier cannot verify tokens.')
    imported.set(jwk, key)
    return key
  }
}
