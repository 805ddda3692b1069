// Signing and verifying in process, each way by itself for a while: what a token costs without anything around it.
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { createVerifier } from '@tenantry/client'
import { createVerifier as createFastVerifier, createSigner } from 'fast-jwt'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { answerWith } from './processes.mjs'

const IN_FLIGHT = 16
const { issuer, access_token, jwks } = JSON.parse(process.argv[2])

const [header, payload, signature] = access_token.split('.')
const claims = JSON.parse(Buffer.from(payload, 'base64url'))
const { kid } = JSON.parse(Buffer.from(header, 'base64url'))
const jwk = jwks.keys.find((key) => key.kid === kid)
const publicKey = createPublicKey({ key: jwk, format: 'jwk' })
const pem = publicKey.export({ type: 'spki', format: 'pem' })

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const sign = createSigner({ key: privateKey.export({ type: 'pkcs8', format: 'pem' }), algorithm: 'ES256', kid })

const client = createVerifier({ issuer, audience: issuer, keys: () => jwk })
const fast = createFastVerifier({
  key: pem,
  algorithms: ['ES256'],
  allowedIss: issuer,
  allowedAud: issuer,
  cache: false,
})
const joseKeys = createLocalJWKSet(jwks)

const raw = () =>
  new Promise((resolve, reject) => {
    const bytes = [Buffer.from(`${header}.${payload}`), Buffer.from(signature, 'base64url')]
    const key = { key: publicKey, dsaEncoding: 'ieee-p1363' }
    verify('sha256', bytes[0], key, bytes[1], (error, isValid) =>
      isValid ? resolve() : reject(error ?? new Error('bad')),
    )
  })

const WAYS = {
  sign: async () => sign(claims),
  raw,
  client: () => client.verify(access_token),
  jose: () => jwtVerify(access_token, joseKeys, { issuer, audience: issuer, algorithms: ['ES256'] }),
  'fast-jwt': async () => fast(access_token),
}

const repeat = async (way, until) => {
  let count = 0
  for (; Date.now() < until; count++) await way()
  return count
}

for (const way of Object.values(WAYS)) await way()
answerWith('ready', async ({ way, seconds }) => {
  const started = performance.now()
  const until = Date.now() + seconds * 1000
  const counts = await Promise.all(Array.from({ length: IN_FLIGHT }, () => repeat(WAYS[way], until)))
  return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - started) / 1000)
})
