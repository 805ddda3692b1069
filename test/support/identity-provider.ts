// An identity provider on loopback: real keys, a real key set and discovery over HTTP, and tokens that say what a test wants.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type http from 'node:http'
import type { Test } from 'tap'
import { aLoopback } from './loopback.ts'

type Claims = Record<string, unknown>
type Algorithm = 'RS256' | 'ES256' | 'EdDSA'

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const MAKE = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
}

export interface Pair {
  kid: string
  alg: Algorithm
  privateKey: KeyObject
  publicKey: KeyObject
}

export const aPair = (kid: string, alg: Algorithm = 'ES256'): Pair => ({ kid, alg, ...MAKE[alg]() })

export const jwkOf = ({ kid, alg, publicKey }: Pair): Claims => ({
  ...publicKey.export({ format: 'jwk' }),
  ...{ kid, alg, use: 'sig' },
})

export const signedWith = ({ kid, alg, privateKey }: Pair, claims: Claims, header: Claims = {}): string => {
  const signed = `${encode({ alg, kid, typ: 'JWT', ...header })}.${encode(claims)}`
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' as const }
  return `${signed}.${sign(alg === 'EdDSA' ? null : 'sha256', Buffer.from(signed), key).toString('base64url')}`
}

export interface IdentityProvider {
  issuer: string
  /** What `/jwks` lists; a test may change it. */
  jwks: { keys: Claims[] }
  /** How often each path was asked for. */
  asked: Map<string, number>
  /** Takes the place of the answer to a path. */
  answers: Map<string, (request: http.IncomingMessage, response: http.ServerResponse) => void>
  key: Pair
  /** A token of a user who has just logged in. */
  token(claims?: Claims, header?: Claims): string
}

export const AUDIENCE = 'my-application'

export const anIdentityProvider = async (
  t: Test,
  now: () => Date,
  alg: Algorithm = 'ES256',
): Promise<IdentityProvider> => {
  const key = aPair('key-1', alg)
  const asked = new Map<string, number>()
  const answers: IdentityProvider['answers'] = new Map()
  const jwks = { keys: [jwkOf(key)] }
  const { url: issuer, serve } = await aLoopback(t)
  serve((request, response) => {
    const path = request.url ?? ''
    asked.set(path, (asked.get(path) ?? 0) + 1)
    const answer = answers.get(path)
    if (answer) return answer(request, response)
    const documents: Record<string, unknown> = {
      '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/jwks` },
      '/jwks': jwks,
    }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(documents[path] ?? {}))
  })
  const token = (claims: Claims = {}, header: Claims = {}): string => {
    const iat = Math.floor(now().getTime() / 1_000)
    return signedWith(key, { iss: issuer, aud: AUDIENCE, sub: 'alice', iat, exp: iat + 300, ...claims }, header)
  }
  return { issuer, jwks, asked, answers, key, token }
}
