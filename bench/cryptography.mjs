// Signing and verifying in process, each way by itself for a while: what a token costs without anything around it. A way
// that is cold makes its verifier anew for each token, with a key that it has not seen.
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { createVerifier } from '@tenantry/client'
import { createVerifier as createFastVerifier, createSigner } from 'fast-jwt'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { answerWith } from './processes.mjs'

const IN_FLIGHT = 16
const { issuer, access_token, jwks, feed, subjects } = JSON.parse(process.argv[2])

const [header, payload, signature] = access_token.split('.')
const claims = JSON.parse(Buffer.from(payload, 'base64url'))
const { kid } = JSON.parse(Buffer.from(header, 'base64url'))
const jwk = jwks.keys.find((key) => key.kid === kid)
const publicKey = createPublicKey({ key: jwk, format: 'jwk' })
const asPem = (key) => createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
const pem = asPem(jwk)

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const sign = createSigner({ key: privateKey.export({ type: 'pkcs8', format: 'pem' }), algorithm: 'ES256', kid })

const client = createVerifier({ issuer, audience: issuer, keys: () => jwk })
const following = createVerifier({ issuer, audience: issuer, keys: () => jwk, revocations: feed })
await following.ready()
const options = { algorithms: ['ES256'], allowedIss: issuer, allowedAud: issuer, cache: false }
const fast = createFastVerifier({ key: pem, ...options })
const fastOfSubject = createFastVerifier({
  ...options,
  ...{ key: asPem(subjects.jwk), allowedIss: subjects.issuer, allowedAud: subjects.audience },
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
  following: () => following.verify(access_token),
  'client, cold': () => createVerifier({ issuer, audience: issuer, keys: () => ({ ...jwk }) }).verify(access_token),
  'fast-jwt, cold': async () => createFastVerifier({ key: asPem({ ...jwk }), ...options })(access_token),
  'verify and sign': async () => {
    fastOfSubject(subjects.tokens[0])
    return sign(claims)
  },
}

const repeat = async (way, until) => {
  let count = 0
  for (; Date.now() < until; count++) await way()
  return count
}

for (const way of Object.values(WAYS)) await way()
answerWith('ready', async ({ way, seconds, in_flight = IN_FLIGHT }) => {
  const started = performance.now()
  const until = Date.now() + seconds * 1000
  const counts = await Promise.all(Array.from({ length: in_flight }, () => repeat(WAYS[way], until)))
  return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - started) / 1000)
})
