// Tokens that somebody forged, bent or bloated: the table of attacks, and what is particular to the verifier.

import fc from 'fast-check'
import t from 'tap'
import { createVerifier, type InvalidTokenReason, TenantryError } from '../src/index.ts'
import { ATTACKS, goodToken, type Victim } from './support/attacks.ts'
import { startJwksServer } from './support/jwks-server.ts'
import { AUDIENCE, aKey, aPayload, asJwk, aToken, headerOf, ISSUER, NOW, type SigningKey } from './support/tokens.ts'

const key = aKey()
const rsa = aKey('RS256', 'rsa-1')
const mallory = aKey('ES256', key.kid)
const keys = new Map([key, rsa].map(({ kid, jwk }) => [kid, jwk]))
const base = { issuer: ISSUER, audience: AUDIENCE, clock: () => NOW }
const verifier = createVerifier({ ...base, keys: (kid) => keys.get(kid), algorithms: ['ES256', 'RS256', 'EdDSA'] })

const good = aToken(key)

async function refusal(token: string): Promise<InvalidTokenReason | null> {
  try {
    await verifier.verify(token)
  } catch (error) {
    if (error instanceof TenantryError && error.code === 'invalid_token') return error.reason
    throw error
  }
  return null
}

const victimOf = (key: SigningKey): Victim => ({
  key,
  header: headerOf(key),
  claims: { ...aPayload(), aud: AUDIENCE },
})

for (const victim of [key, rsa].map(victimOf)) {
  const { alg } = victim.key
  t.test(`the good token is good (${alg})`, async (t) => {
    t.equal(await refusal(goodToken(victim)), null)
  })

  for (const { title, attacks } of ATTACKS) {
    t.test(`refused (${alg}): ${title}`, async (t) => {
      for (const [name, token, reason] of attacks(victim)) t.equal(await refusal(token), reason, name)
    })
  }
}

t.test('what is not on the list is refused, whatever its key (RFC 8725 §3.1)', async (t) => {
  const strict = createVerifier({ ...base, keys: (kid) => keys.get(kid), algorithms: ['ES256'] })
  await t.rejects(strict.verify(aToken(rsa)), { code: 'invalid_token', reason: 'algorithm' })
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

t.test('what is no text at all', async (t) => {
  for (const value of [undefined, null, 1, {}, [good], Buffer.from(good)]) {
    await t.rejects(Reflect.apply(verifier.verify, verifier, [value]), { code: 'invalid_token', reason: 'malformed' })
  }
})

t.test('unused bits of the last character', async (t) => {
  const signature = good.split('.')[2] ?? ''
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const last of alphabet) {
    if (signature.endsWith(last)) continue
    const isCanonical = alphabet.indexOf(last) % 16 === 0
    t.equal(await refusal(good.slice(0, -1) + last), isCanonical ? 'signature' : 'malformed', last)
  }
})

t.test('colons, quotes and backslashes within texts are not members', async (t) => {
  const texts = ['a:b', '":"', '\\', '\\"', '{"a":1,"a":1}', '\\\\":', '\u2028:']
  const payload = { note: texts, nested: { ':': ':', '"': { '\\': 1 } }, __proto__x: {} }
  t.equal(await refusal(aToken(key, { payload })), null)
  t.equal(await refusal(aToken(key, { payload: JSON.stringify(aPayload(payload), null, 2) })), null)
})

t.test('a token of a megabyte, and one that is nested deeply', async (t) => {
  const plain = JSON.stringify(aPayload())
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
