// Tokens that somebody forged, bent or bloated. Each must be refused for the reason given.

import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { createVerifier, type InvalidTokenReason, TenantryError } from '../src/index.ts'
import { startJwksServer } from './support/jwks-server.ts'
import {
  AUDIENCE,
  aKey,
  aPayload,
  asJwk,
  aToken,
  encode,
  headerOf,
  ISSUER,
  NOW,
  signatureOf,
} from './support/tokens.ts'

const key = aKey()
const rsa = aKey('RS256', 'rsa-1')
const mallory = aKey('ES256', key.kid)
const keys = new Map([key, rsa].map(({ kid, jwk }) => [kid, jwk]))
const base = { issuer: ISSUER, audience: AUDIENCE, clock: () => NOW }
const verifier = createVerifier({ ...base, keys: (kid) => keys.get(kid), algorithms: ['ES256', 'RS256', 'EdDSA'] })

const good = aToken(key)
const [header = '', payload = '', signature = ''] = good.split('.')

async function refusal(token: string): Promise<InvalidTokenReason | null> {
  try {
    await verifier.verify(token)
  } catch (error) {
    if (error instanceof TenantryError && error.code === 'invalid_token') return error.reason
    throw error
  }
  return null
}

t.test('the good token is good', async (t) => {
  t.equal(await refusal(good), null)
})

t.test('"none" in every spelling', async (t) => {
  for (const alg of ['none', 'None', 'NONE', 'nOnE', 'none ', '', null, undefined, 0, ['none']]) {
    const unsigned = `${encode(JSON.stringify({ ...headerOf(key), alg }))}.${payload}`
    t.equal(await refusal(`${unsigned}.`), 'malformed')
    t.equal(await refusal(`${unsigned}.${signature}`), 'algorithm')
  }
})

t.test('HMAC with a public key as the secret', async (t) => {
  const secrets = [rsa, key].flatMap(({ publicKey, jwk }) => [
    publicKey.export({ type: 'spki', format: 'pem' }),
    publicKey.export({ type: 'spki', format: 'der' }),
    JSON.stringify(jwk),
    Buffer.from(String(jwk.n ?? jwk.x), 'base64url'),
  ])
  for (const secret of secrets) {
    const signed = `${encode(JSON.stringify({ ...headerOf(rsa), alg: 'HS256' }))}.${payload}`
    t.equal(await refusal(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`), 'algorithm')
  }
})

t.test('a key used for another algorithm than its own', async (t) => {
  t.equal(await refusal(aToken(key, { header: { alg: 'RS256' } })), 'algorithm')
  t.equal(await refusal(aToken(key, { header: { alg: 'EdDSA' } })), 'algorithm')
  t.equal(await refusal(aToken(rsa, { header: { alg: 'ES256' } })), 'algorithm')
  for (const alg of ['es256', 'ES256K', 'ES384', 'PS256', 'RS1', 'ES256 ', 'toString', '__proto__']) {
    t.equal(await refusal(aToken(key, { header: { alg } })), 'algorithm', alg)
  }
  const strict = createVerifier({ ...base, keys: (kid) => keys.get(kid), algorithms: ['ES256'] })
  await t.rejects(
    strict.verify(aToken(rsa)),
    { code: 'invalid_token', reason: 'algorithm' },
    'what is not on the list is refused, whatever its key',
  )
})

t.test("a stranger's key with the right name", async (t) => {
  t.equal(await refusal(aToken(mallory)), 'signature')
})

t.test('keys that the token brings along, or points to, are not looked at', async (t) => {
  const server = await startJwksServer(mallory.jwk)
  const url = `${server.url}/keys.json`
  const jwk = asJwk(mallory.publicKey, { kid: 'mallory' })
  for (const header of [{ jwk }, { jku: url }, { x5u: url }, { x5c: ['MIIB'] }, { jwk, jku: url, x5u: url }]) {
    t.equal(await refusal(aToken(mallory, { header })), 'signature')
    t.equal(await refusal(aToken(mallory, { header: { ...header, kid: 'mallory' } })), 'key')
    t.equal(await refusal(aToken(key, { header })), null, 'nor do they harm a token that is good')
  }
  t.same(server.paths, [])
  await server.close()
})

t.test('kids that are paths, queries, prototypes, or nothing', async (t) => {
  for (const kid of ['../../dev/null', "' or 1=1 --", '__proto__', 'constructor', 'key-1\0', 'KEY-1', '*']) {
    t.equal(await refusal(aToken(key, { header: { kid } })), 'key', kid)
  }
  for (const kid of ['', undefined, null, 1, ['key-1'], { kid: 'key-1' }, 'k'.repeat(257)]) {
    t.equal(await refusal(aToken(key, { header: { kid } })), 'header')
  }
})

t.test('another kind of token', async (t) => {
  for (const typ of [
    'JWT',
    'jwt',
    'at+jwt ',
    'id+jwt',
    'secevent+jwt',
    'application/jwt',
    '',
    null,
    undefined,
    ['at+jwt'],
    1,
  ]) {
    t.equal(await refusal(aToken(key, { header: { typ } })), 'type')
  }
})

t.test('critical extensions, even an empty list of them', async (t) => {
  for (const crit of [['b64'], ['exp'], [], null, 'b64'])
    t.equal(await refusal(aToken(key, { header: { crit, b64: true } })), 'header')
})

t.test('an encrypted token, and other numbers of parts', async (t) => {
  const jwe = `${encode('{"alg":"dir","enc":"A256GCM"}')}..${encode('iv')}.${encode('text')}.${encode('tag')}`
  const forms = [
    jwe,
    '',
    '.',
    '..',
    '...',
    header,
    `${header}.${payload}`,
    `${good}.`,
    `.${good}`,
    `${good}.${signature}`,
  ]
  forms.push(
    `${header}..${signature}`,
    `.${payload}.${signature}`,
    `${header}.${payload}.`,
    `${header}.${payload}.${signature}.x`,
  )
  for (const form of forms) t.equal(await refusal(form), 'malformed', form.slice(0, 40))
})

t.test('what is no text at all', async (t) => {
  for (const value of [undefined, null, 1, {}, [good], Buffer.from(good)]) {
    await t.rejects(Reflect.apply(verifier.verify, verifier, [value]), { code: 'invalid_token', reason: 'malformed' })
  }
})

t.test('the same signature spelt in another way', async (t) => {
  const spellings = ['=', '==', ' ', '\n', '\t', '\r\n', '%3D', '\0', '\u00e9', '\u0141', 'A', 'AA'].flatMap(
    (extra) => {
      const middle = `${signature.slice(0, 20)}${extra}${signature.slice(20)}`
      return [signature + extra, extra + signature, middle]
    },
  )
  spellings.push(signature.replaceAll('-', '+').replaceAll('_', '/') + (/[-_]/.test(signature) ? '' : '+'))
  for (const spelling of spellings) {
    t.match(await refusal(`${header}.${payload}.${spelling}`), /malformed|signature/, JSON.stringify(spelling))
  }
  for (const extra of [' ', '\n', '\t']) t.equal(await refusal(good + extra), 'malformed')
  t.equal(await refusal(` ${good}`), 'malformed')
})

t.test('unused bits of the last character', async (t) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const last of alphabet) {
    if (signature.endsWith(last)) continue
    const isCanonical = alphabet.indexOf(last) % 16 === 0
    t.equal(await refusal(good.slice(0, -1) + last), isCanonical ? 'signature' : 'malformed', last)
  }
})

t.test('signatures of another length or form', async (t) => {
  const der = Buffer.from(`30440220${'11'.repeat(32)}0220${'11'.repeat(32)}`, 'hex')
  for (const bytes of [
    Buffer.alloc(64),
    Buffer.alloc(63, 1),
    Buffer.alloc(65, 1),
    Buffer.alloc(1),
    der,
    Buffer.alloc(96, 1),
  ]) {
    t.equal(await refusal(`${header}.${payload}.${encode(bytes)}`), 'signature')
  }
  const short = signatureOf(rsa, `${encode(JSON.stringify(headerOf(rsa)))}.${payload}`).subarray(1)
  t.equal(await refusal(`${encode(JSON.stringify(headerOf(rsa)))}.${payload}.${encode(short)}`), 'signature')
})

const plain = JSON.stringify(aPayload())
const doubled = (member: string) => `{${member},${plain.slice(1)}`

t.test('a member written twice, on any level and however it is spelt', async (t) => {
  const payloads = [
    doubled('"tenant_id":"x"'),
    doubled('"tenant\\u005fid":"x"'),
    doubled('"exp":1'),
    doubled('"a":{"b":1,"b":1}'),
    doubled('"a":[[{"b":{"c":1},"b":2}]]'),
    doubled('"__proto__":1,"__proto__":2'),
    doubled('"":1,"":1'),
    doubled('"a":{"x":{"y":1}},"a":{}'),
  ]
  for (const payload of payloads) t.equal(await refusal(aToken(key, { payload })), 'payload', payload.slice(0, 50))
  const written = JSON.stringify(headerOf(key))
  t.equal(await refusal(aToken(key, { header: `{"alg":"none",${written.slice(1)}` })), 'header')
  t.equal(await refusal(aToken(key, { header: `{"kid":"key-1",${written.slice(1)}` })), 'header')
})

t.test('colons, quotes and backslashes within texts are not members', async (t) => {
  const texts = ['a:b', '":"', '\\', '\\"', '{"a":1,"a":1}', '\\\\":', '\u2028:']
  const payload = { note: texts, nested: { ':': ':', '"': { '\\': 1 } }, __proto__x: {} }
  t.equal(await refusal(aToken(key, { payload })), null)
  t.equal(await refusal(aToken(key, { payload: JSON.stringify(aPayload(payload), null, 2) })), null)
})

t.test('payloads and headers that are no JSON object', async (t) => {
  const others = [
    'null',
    '[]',
    '"x"',
    '1',
    'true',
    '{',
    '{}x',
    `${plain} x`,
    `\ufeff${plain}`,
    "{'a':1}",
    '{"a":1,}',
    '{"a":NaN}',
  ]
  for (const text of others) {
    t.equal(await refusal(aToken(key, { payload: text })), 'payload', text.slice(0, 20))
    t.equal(await refusal(aToken(key, { header: text })), 'header', text.slice(0, 20))
  }
  const notUtf8 = Buffer.concat([
    Buffer.from(plain.slice(0, -1)),
    Buffer.from(',"x":"'),
    Buffer.from([0xff]),
    Buffer.from('"}'),
  ])
  const signed = `${header}.${encode(notUtf8)}`
  t.equal(await refusal(`${signed}.${encode(signatureOf(key, signed))}`), 'payload')
})

t.test('inherited members are no claims', async (t) => {
  t.equal(await refusal(aToken(key, { payload: `{"__proto__":${plain}}` })), 'claims')
})

t.test('a token of a megabyte, and one that is nested deeply', async (t) => {
  const before = performance.now()
  t.equal(await refusal(aToken(key, { payload: { note: 'x'.repeat(1_000_000) } })), 'malformed')
  t.equal(await refusal('a'.repeat(50_000_000)), 'malformed')
  t.ok(performance.now() - before < 1_000, 'refused without being read')
  const deep = `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)},${plain.slice(1)}`
  t.equal(await refusal(aToken(key, { payload: deep })), null)
  const patient = createVerifier({ ...base, keys: () => key.jwk, max_token_bytes: 1_048_576 })
  const deeper = `{"a":${'['.repeat(300_000)}${']'.repeat(300_000)},${plain.slice(1)}`
  t.ok(await patient.verify(aToken(key, { payload: deeper })))
})

t.test('no change of any one character is accepted, whatever the change', async () => {
  const character = fc.oneof(
    fc.constantFrom('.', '=', '-', '_', '+', '/', ' ', 'A', 'a', '0'),
    fc.string({ minLength: 1, maxLength: 1 }),
  )
  const mutated = fc.tuple(fc.nat(good.length), fc.nat(2), character).map(([at, removed, added]) => {
    return good.slice(0, at) + added + good.slice(at + removed)
  })
  await fc.assert(
    fc.asyncProperty(mutated, async (token) => token === good || (await refusal(token)) !== null),
    { numRuns: 3_000 },
  )
})
