// Builders of keys, payloads and tokens. Tokens are put together by hand, because most tests need a wrong one.

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { Algorithm, Jwk, TokenClaims } from '../../src/index.ts'

export const ISSUER = 'https://tenantry.example.com'
export const AUDIENCE = 'https://api.example.com'
export const NOW = new Date('2026-01-15T12:00:00.000Z')
export const NOW_SECONDS = NOW.getTime() / 1_000
export const TENANT_ID = '01987c2e-7b1a-7000-8000-000000000001'
export const OTHER_TENANT_ID = '01987c2e-7b1a-7000-8000-000000000002'
export const MEMBERSHIP_ID = '01987c2e-7b1a-7000-8000-0000000000aa'

export type SigningKey = { kid: string; alg: Algorithm; privateKey: KeyObject; publicKey: KeyObject; jwk: Jwk }

export function aKey(alg: Algorithm = 'ES256', kid = 'key-1'): SigningKey {
  const { privateKey, publicKey } = generatePair(alg)
  return { kid, alg, privateKey, publicKey, jwk: asJwk(publicKey, { kid, alg, use: 'sig' }) }
}

export function asJwk(key: KeyObject, members: object): Jwk {
  return { kty: '', ...key.export({ format: 'jwk' }), ...members }
}

function generatePair(alg: Algorithm) {
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519')
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}

export function aPayload(changes: object = {}): TokenClaims {
  return {
    iss: ISSUER,
    sub: 'alice',
    aud: AUDIENCE,
    exp: NOW_SECONDS + 300,
    iat: NOW_SECONDS,
    jti: 'token-1',
    client_id: 'client-1',
    tenant_id: TENANT_ID,
    tenant_slug: 'acme',
    membership_id: MEMBERSHIP_ID,
    roles: ['member'],
    permissions: [],
    grants: [{ permissions: ['*:read', '*:write', 'tenantry.tenant:read'], excludes: ['billing:*'] }],
    rev: { [TENANT_ID]: 57, platform: 12 },
    ...changes,
  }
}

/** A token; `header` and `payload` may be given as text, to write what no serialiser would. */
export function aToken(key: SigningKey, parts: { header?: object | string; payload?: object | string } = {}): string {
  const header = typeof parts.header === 'string' ? parts.header : JSON.stringify({ ...headerOf(key), ...parts.header })
  const payload = typeof parts.payload === 'string' ? parts.payload : JSON.stringify(aPayload(parts.payload))
  return signedText(key, header, payload)
}

/** A token of exactly these texts. */
export function signedText(key: SigningKey, header: string, payload: string | Buffer): string {
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${encode(signatureOf(key, signed))}`
}

export function headerOf({ alg, kid }: SigningKey): { alg: string; typ: string; kid: string } {
  return { alg, typ: 'at+jwt', kid }
}

export function signatureOf(key: SigningKey, signed: string): Buffer {
  const digest = key.alg === 'EdDSA' ? null : 'sha256'
  return sign(digest, Buffer.from(signed), { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
}

export function encode(bytes: string | Buffer): string {
  return Buffer.from(bytes).toString('base64url')
}
