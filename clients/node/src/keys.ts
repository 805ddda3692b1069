// Public keys, vetted before they may verify anything (RFC 8725 §3.2, §3.5): one key serves one algorithm, and never a
// secret one.

import { createPublicKey, type KeyObject } from 'node:crypto'
import { isObject } from './json.ts'

/**
 * The signature algorithms a verifier can be told to allow. All asymmetric: no verifier holds what could also sign.
 */
export type Algorithm = 'ES256' | 'RS256' | 'EdDSA'

export const ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256', 'EdDSA']

/** A public JSON Web Key (RFC 7517), as a JWKS lists it. */
export type Jwk = { readonly kty: string; readonly kid?: string; readonly [member: string]: unknown }

export type VerificationKey = { readonly kid: string; readonly alg: Algorithm; readonly key: KeyObject }

/** RSA below is breakable; above, each verification is a way to burn our time. */
const RSA_BITS = { min: 2048, max: 8192 }

/**
 * Members that only private and symmetric keys have (RFC 7518 §6). A published private key is nobody's key any more.
 */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/**
 * Imports a JWK, or answers undefined for one that may not verify our tokens. Unknown kinds of key are skipped rather
 * than refused (RFC 7517 §5), so that an issuer can publish them next to the ones we use.
 */
export function importKey(jwk: unknown): VerificationKey | undefined {
  if (!isObject(jwk) || typeof jwk.kid !== 'string' || jwk.kid === '') return undefined
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))) return undefined
  const alg = algorithmOf(jwk)
  if (alg === undefined || !isForVerifying(jwk)) return undefined
  const key = importPublic(jwk)
  if (key === undefined || (alg === 'RS256' && !isSoundRsa(key))) return undefined
  return { kid: jwk.kid, alg, key }
}

/** The one algorithm of a key, which its own `alg` may confirm but not change. */
function algorithmOf(jwk: Record<string, unknown>): Algorithm | undefined {
  const alg = algorithmOfType(jwk)
  return jwk.alg === undefined || jwk.alg === alg ? alg : undefined
}

function algorithmOfType({ kty, crv }: Record<string, unknown>): Algorithm | undefined {
  if (kty === 'EC' && crv === 'P-256') return 'ES256'
  if (kty === 'OKP' && crv === 'Ed25519') return 'EdDSA'
  return kty === 'RSA' ? 'RS256' : undefined
}

function isForVerifying({ use, key_ops }: Record<string, unknown>): boolean {
  if (use !== undefined && use !== 'sig') return false
  return key_ops === undefined || (Array.isArray(key_ops) && key_ops.includes('verify'))
}

/** OpenSSL refuses a point that is not on the curve. */
function importPublic(jwk: Record<string, unknown>): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' })
  } catch {
    return undefined
  }
}

function isSoundRsa(key: KeyObject): boolean {
  const { modulusLength = 0, publicExponent } = key.asymmetricKeyDetails ?? {}
  return modulusLength >= RSA_BITS.min && modulusLength <= RSA_BITS.max && publicExponent === 65537n
}

/** Importing one takes a while, and everybody waits. An issuer that turns its keys has a handful. */
const MAX_KEYS = 100

/**
 * The usable keys of a JWKS document by kid, or undefined if it is none. A kid that stands for two keys stands for
 * neither.
 */
export function importKeySet(document: unknown): Map<string, VerificationKey> | undefined {
  if (!isObject(document) || !Array.isArray(document.keys)) return undefined
  const listed: unknown[] = document.keys
  const ambiguous = kidsListedTwice(listed)
  const keys = new Map<string, VerificationKey>()
  for (const jwk of listed.slice(0, MAX_KEYS)) {
    const key = importKey(jwk)
    if (key !== undefined && !ambiguous.has(key.kid)) keys.set(key.kid, key)
  }
  return keys
}

function kidsListedTwice(listed: readonly unknown[]): Set<unknown> {
  const seen = new Set<unknown>()
  const twice = new Set<unknown>()
  for (const jwk of listed) {
    const kid = isObject(jwk) ? jwk.kid : undefined
    if (seen.has(kid)) twice.add(kid)
    seen.add(kid)
  }
  return twice
}
