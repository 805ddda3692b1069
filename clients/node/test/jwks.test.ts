// How published keys are fetched, kept, vetted and done without. A real server on loopback; time is an injected clock.

import { generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { createVerifier, type Jwk, TenantryError, type Verifier } from '../src/index.ts'
import { type JwksServer, sendKeys, startJwksServer } from './support/jwks-server.ts'
import { AUDIENCE, aKey, asJwk, aToken, NOW, NOW_SECONDS, type SigningKey } from './support/tokens.ts'

const key = aKey()
const next = aKey('ES256', 'key-2')
const rsa = aKey('RS256', 'rsa-1')

type Scene = {
  readonly server: JwksServer
  readonly verifier: Verifier
  /** Sets the clock forward. */
  readonly wait: (seconds: number) => void
  /** What becomes of a token by this key: `accepted`, or why not. */
  readonly outcome: (by?: SigningKey, kid?: string) => Promise<string>
}

async function aScene(t: Test, options: object = {}): Promise<Scene> {
  const server = await startJwksServer(key.jwk)
  t.teardown(() => server.close())
  let now = NOW.getTime()
  const verifier = createVerifier({ issuer: server.url, audience: AUDIENCE, clock: () => new Date(now), ...options })
  const payload = { iss: server.url, exp: NOW_SECONDS + 1_000_000 }
  return {
    server,
    verifier,
    wait: (seconds) => {
      now += seconds * 1_000
    },
    outcome: async (by = key, kid = by.kid) => {
      try {
        await verifier.verify(aToken(by, { header: { kid }, payload }))
        return 'accepted'
      } catch (error) {
        if (error instanceof TenantryError) return error.reason ?? error.code
        throw error
      }
    },
  }
}

const times = (count: number, work: (i: number) => Promise<string>) =>
  Promise.all(Array.from({ length: count }, (_, i) => work(i)))

t.test('the keys are fetched from below the issuer, once, when first needed', async (t) => {
  const { server, outcome } = await aScene(t)
  t.same(server.paths, [])
  t.equal(await outcome(), 'accepted')
  t.equal(await outcome(), 'accepted')
  t.same(server.paths, ['/.well-known/jwks.json'])
})

t.test('an issuer with a path and a trailing slash has its keys below that path', async (t) => {
  const server = await startJwksServer(key.jwk)
  t.teardown(() => server.close())
  const issuer = `${server.url}/auth/`
  const verifier = createVerifier({ issuer, audience: AUDIENCE, clock: () => NOW })
  t.ok(await verifier.verify(aToken(key, { payload: { iss: issuer } })))
  t.same(server.paths, ['/auth/.well-known/jwks.json'])
})

t.test('many at once on a cold start fetch once', async (t) => {
  const { server, outcome } = await aScene(t)
  t.same(new Set(await times(50, () => outcome())), new Set(['accepted']))
  t.equal(server.paths.length, 1)
})

t.test('a storm of unknown kids fetches once per cool-down', async (t) => {
  const { server, outcome, wait } = await aScene(t, { cooldown_seconds: 30 })
  await outcome()
  wait(30)
  t.same(new Set(await times(50, (i) => outcome(key, `unknown-${i}`))), new Set(['key']))
  t.equal(server.paths.length, 2)
  wait(29.999)
  await times(50, (i) => outcome(key, `unknown-${i}`))
  t.equal(server.paths.length, 2)
  wait(0.001)
  await times(50, (i) => outcome(key, `unknown-${i}`))
  t.equal(server.paths.length, 3)
  t.equal(await outcome(), 'accepted')
})

t.test('a storm of unknown kids on a cold start fetches once', async (t) => {
  const { server, outcome } = await aScene(t)
  await times(50, (i) => outcome(key, `unknown-${i}`))
  t.equal(server.paths.length, 1)
})

t.test('a new key is found as soon as it is used, a withdrawn one is forgotten with the next fetch', async (t) => {
  const { server, outcome, wait } = await aScene(t)
  await outcome()
  server.keys = [key.jwk, next.jwk]
  wait(30)
  t.equal(await outcome(next), 'accepted')
  server.keys = [next.jwk]
  wait(299)
  t.equal(await outcome(), 'accepted')
  wait(1)
  t.equal(await outcome(), 'key')
  t.equal(await outcome(next), 'accepted')
})

const lifetimes: [header: string | undefined, seconds: number][] = [
  [undefined, 300],
  ['public, max-age=600', 600],
  ['max-age=0', 60],
  ['no-store', 300],
  ['max-age=999999', 3_600],
  ['max-age=nonsense', 300],
  ['x-max-age=5, s-maxage=7', 300],
]

for (const [header, seconds] of lifetimes) {
  t.test(`with cache-control "${header}" keys are kept for ${seconds} s`, async (t) => {
    const { server, outcome, wait } = await aScene(t)
    server.answer = (response) =>
      sendKeys(response, server.keys, header === undefined ? {} : { 'cache-control': header })
    await outcome()
    wait(seconds - 0.001)
    await outcome()
    t.equal(server.paths.length, 1)
    wait(0.001)
    await outcome()
    t.equal(server.paths.length, 2)
  })
}

t.test('a clock that is set back does not keep old keys alive', async (t) => {
  const { server, outcome, wait } = await aScene(t)
  await outcome()
  wait(-86_400)
  await outcome()
  t.equal(server.paths.length, 2)
})

t.test('while the issuer is away known keys go on for an hour, then everything is unavailable', async (t) => {
  const { server, outcome, wait } = await aScene(t)
  await outcome()
  server.answer = (response) => void response.writeHead(500).end()
  wait(300)
  t.equal(await outcome(), 'accepted')
  t.equal(await outcome(next), 'jwks_unavailable', 'an unknown kid may be a new key')
  wait(3_599)
  t.equal(await outcome(), 'accepted')
  wait(1)
  t.equal(await outcome(), 'jwks_unavailable')
  server.answer = (response) => sendKeys(response, server.keys)
  wait(30)
  t.equal(await outcome(), 'accepted')
})

t.test('after a failure nobody with a known key waits for the next attempt', async (t) => {
  const fetches: (typeof globalThis.fetch)[] = [
    globalThis.fetch,
    () => Promise.reject(new Error('away')),
    () => new Promise(() => {}), // never answers: whoever waited for it would wait for ever
  ]
  let asked = 0
  const fetch: typeof globalThis.fetch = (input, init) => fetches[asked++]?.(input, init) ?? Promise.reject(new Error())
  const { outcome, wait } = await aScene(t, { fetch })
  for (const seconds of [0, 300, 1]) {
    wait(seconds)
    t.equal(await outcome(), 'accepted')
  }
  t.equal(asked, 3)
})

t.test('on a cold start without an issuer, attempts pause for 1, 2, 4 … seconds', async (t) => {
  const { server, outcome, wait } = await aScene(t)
  server.answer = (response) => void response.writeHead(503).end()
  for (const [seconds, attempts] of [
    [0, 1],
    [0.999, 1],
    [0.001, 2],
    [1.999, 2],
    [0.001, 3],
    [3.999, 3],
    [0.001, 4],
  ] as const) {
    wait(seconds)
    t.same(new Set(await times(5, () => outcome())), new Set(['jwks_unavailable']))
    t.equal(server.paths.length, attempts)
  }
  server.answer = (response) => sendKeys(response, server.keys)
  wait(8)
  t.equal(await outcome(), 'accepted')
})

const broken: [title: string, answer: JwksServer['answer']][] = [
  ['a redirect', (response) => void response.writeHead(302, { location: '/elsewhere' }).end()],
  ['not found', (response) => void response.writeHead(404).end()],
  ['HTML', (response) => void response.writeHead(200).end('<html>')],
  ['a list', (response) => void response.writeHead(200).end('[]')],
  ['no keys', (response) => void response.writeHead(200).end('{}')],
  [
    'a document above 256 KiB',
    (response) => void response.writeHead(200).end(`{"keys":[],"x":"${'x'.repeat(262_144)}"}`),
  ],
  [
    'half a document',
    (response) => void response.writeHead(200, { 'content-length': 99 }).write('{"keys":', () => response.destroy()),
  ],
]

for (const [title, answer] of broken) {
  t.test(`${title} instead of keys is unavailable, and says where`, async (t) => {
    const { server, verifier, outcome } = await aScene(t)
    server.answer = answer
    t.equal(await outcome(), 'jwks_unavailable')
    const error = { code: 'jwks_unavailable', status: 503, reason: null, message: /key set/ }
    await t.rejects(verifier.verify(aToken(key, { payload: { iss: server.url } })), error)
    t.equal(server.paths.length, 1)
  })
}

t.test('the fetch can be replaced, and is told neither to follow redirects nor to wait for ever', async (t) => {
  const seen: (RequestInit | undefined)[] = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    seen.push(init)
    return globalThis.fetch(input, init)
  }
  const { outcome } = await aScene(t, { fetch })
  t.equal(await outcome(), 'accepted')
  t.equal(seen[0]?.redirect, 'error')
  t.ok(seen[0]?.signal instanceof AbortSignal)
})

const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
const oddExponent = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey
const x25519 = generateKeyPairSync('x25519').publicKey
const { kid: _, ...nameless } = key.jwk
const flippedY = Buffer.from(String(key.jwk.y), 'base64url').reverse().toString('base64url')

const unusable: [title: string, key: SigningKey, listed: unknown][] = [
  ['a private key', key, { ...key.privateKey.export({ format: 'jwk' }), kid: key.kid }],
  ['a private RSA key', rsa, { ...rsa.privateKey.export({ format: 'jwk' }), kid: rsa.kid }],
  ['a symmetric key', key, { kty: 'oct', k: 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', kid: key.kid }],
  ['a key for encryption', key, { ...key.jwk, use: 'enc' }],
  ['a key for other operations', key, { ...key.jwk, key_ops: ['sign'] }],
  ['a key with operations that are no list', key, { ...key.jwk, key_ops: 'verify' }],
  ['a key for another algorithm', key, { ...key.jwk, alg: 'ES384' }],
  ['an RSA key for PSS', rsa, { ...rsa.jwk, alg: 'PS256' }],
  ['a key without a name', key, nameless],
  ['a short RSA key', rsa, asJwk(small, { kid: rsa.kid })],
  ['an RSA key with exponent 3', rsa, asJwk(oddExponent, { kid: rsa.kid })],
  ['a key on another curve', key, asJwk(p384, { kid: key.kid })],
  ['a key agreement key', key, asJwk(x25519, { kid: key.kid })],
  ['a point off the curve', key, { ...key.jwk, y: flippedY }],
  ['a key without its coordinates', key, { kty: 'EC', crv: 'P-256', kid: key.kid }],
  ['nothing', key, null],
]

for (const [title, by, listed] of unusable) {
  t.test(`${title} is not used, and does not harm the others`, async (t) => {
    const { server, outcome } = await aScene(t, { algorithms: ['ES256', 'RS256'] })
    server.answer = (response) => void response.end(JSON.stringify({ keys: [listed, next.jwk] }))
    t.equal(await outcome(by), 'key')
    t.equal(await outcome(next), 'accepted')
  })
}

t.test('a kid that stands for two keys stands for neither', async (t) => {
  const { server, outcome } = await aScene(t)
  const twin: Jwk = { ...next.jwk, kid: key.kid }
  server.keys = [key.jwk, twin, next.jwk]
  t.equal(await outcome(), 'key')
  t.equal(await outcome(next), 'accepted')
})

t.test('a key may leave use and alg out', async (t) => {
  const { server, outcome } = await aScene(t, { algorithms: ['ES256', 'RS256'] })
  server.keys = [asJwk(key.publicKey, { kid: key.kid }), asJwk(rsa.publicKey, { kid: rsa.kid, key_ops: ['verify'] })]
  t.equal(await outcome(), 'accepted')
  t.equal(await outcome(rsa), 'accepted')
})
