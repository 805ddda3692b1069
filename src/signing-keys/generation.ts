// Makes keys. `kid` is the RFC 7638 thumbprint, so two keys never share one.
import { createHash, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { components } from '@tenantry/client/contract'
import canonicalize from 'canonicalize'

export type PublicJwk = components['schemas']['Jwk']
export type Algorithm = 'ES256' | 'RS256' | 'EdDSA'
export const ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256', 'EdDSA']

export interface NewKey {
  kid: string
  algorithm: Algorithm
  public_jwk: PublicJwk
  private_key: KeyObject
}

const generate = promisify(generateKeyPair)
const RSA_BITS = 2048

const keyPairOf = (algorithm: Algorithm): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> => {
  if (algorithm === 'RS256') return generate('rsa', { modulusLength: RSA_BITS })
  return algorithm === 'ES256' ? generate('ec', { namedCurve: 'P-256' }) : generate('ed25519')
}

/** RFC 7638 §3.2, RFC 8037 §2: the members that make a key the key it is. */
const REQUIRED = { ES256: ['crv', 'kty', 'x', 'y'], RS256: ['e', 'kty', 'n'], EdDSA: ['crv', 'kty', 'x'] } as const

const thumbprintOf = (algorithm: Algorithm, jwk: Record<string, unknown>): string => {
  const required = Object.fromEntries(REQUIRED[algorithm].map((member) => [member, jwk[member]]))
  return createHash('sha256')
    .update(canonicalize(required) ?? '')
    .digest('base64url')
}

/** RSA takes some tenths of a second: call it before a lock is held, not under it. */
export const generateKey = async (algorithm: Algorithm): Promise<NewKey> => {
  const { publicKey, privateKey } = await keyPairOf(algorithm)
  const { kty = '', ...jwk } = publicKey.export({ format: 'jwk' }) as Partial<PublicJwk>
  const kid = thumbprintOf(algorithm, { kty, ...jwk })
  return { kid, algorithm, public_jwk: { ...jwk, kty, use: 'sig', alg: algorithm, kid }, private_key: privateKey }
}
