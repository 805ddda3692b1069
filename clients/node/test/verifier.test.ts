// What a verifier accepts, and how it judges claims. Attacks are in verifier-attacks.test.ts, keys in jwks.test.ts.

import { SignJWT } from 'jose'
import t from 'tap'
import { createVerifier, Principal, TenantryError, type VerifierOptions } from '../src/index.ts'
import {
  AUDIENCE,
  aKey,
  aPayload,
  aToken,
  ISSUER,
  MEMBERSHIP_ID,
  NOW,
  NOW_SECONDS,
  OTHER_TENANT_ID,
  TENANT_ID,
} from './support/tokens.ts'

const key = aKey()
const options: VerifierOptions = {
  issuer: ISSUER,
  audience: AUDIENCE,
  clock: () => NOW,
  keys: (kid) => (kid === key.kid ? key.jwk : undefined),
}
const verifier = createVerifier(options)
const refusedFor = (reason: string) => ({ name: 'TenantryError', code: 'invalid_token', status: 401, reason })

t.test('a good token becomes a principal', async (t) => {
  const principal = await verifier.verify(aToken(key))
  t.ok(principal instanceof Principal)
  t.match(principal, {
    user_id: 'alice',
    tenant_id: TENANT_ID,
    tenant_slug: 'acme',
    membership_id: MEMBERSHIP_ID,
    client_id: 'client-1',
    roles: ['member'],
    rev: { [TENANT_ID]: 57, platform: 12 },
    expires_at: '2026-01-15T12:05:00.000Z',
    token_id: 'token-1',
  })
  t.same(principal.claims, aPayload())
})

t.test('a principal answers for itself', async (t) => {
  const principal = await verifier.verify(aToken(key))
  t.ok(principal.holds('invoice:write'))
  t.notOk(principal.holds('billing:write'))
  t.ok(principal.hasRole('viewer'))
  t.notOk(principal.hasRole('admin'))
  t.doesNotThrow(() => principal.requireTenant(TENANT_ID))
  t.doesNotThrow(() => principal.requirePermission('invoice:read'))
  t.doesNotThrow(() => principal.requireRole('member'))
  t.throws(() => principal.requireTenant(OTHER_TENANT_ID), { code: 'tenant_mismatch', status: 403, reason: null })
  t.throws(() => principal.requirePermission('a:delete'), {
    code: 'permission_missing',
    status: 403,
    message: /"a:delete"/,
  })
  t.throws(() => principal.requireRole('owner'), { code: 'role_missing', status: 403, message: /"owner"/ })
})

t.test('what a token says must be asked is neither held nor refused for good', async (t) => {
  const payload = { ask: ['project:write', 'invoice:*'] }
  const principal = await verifier.verify(aToken(key, { payload }))
  const answers = ['project:write', 'project:void', 'invoice:void', 'invoice:read'].map((each) =>
    principal.answerTo(each),
  )
  t.same(answers, ['yes', 'no', 'ask', 'yes'], 'what is held is held, whatever must be asked')
  t.notOk(principal.holds('invoice:void'))
  t.throws(() => principal.requirePermission('invoice:void'), { code: 'permission_undecided', status: 403 })
  t.equal(principal.answerTo('invoice:*'), 'no', 'one asks for a permission, never for a pattern')
  for (const ask of ['project:write', ['project'], [1], null]) {
    await t.rejects(verifier.verify(aToken(key, { payload: { ask } })), { code: 'invalid_token', reason: 'claims' })
  }
})

t.test("a machine's token has no user and no membership", async (t) => {
  const payload = {
    sub: 'api_key:k1',
    membership_id: null,
    roles: [],
    grants: [{ permissions: ['invoice:read'], excludes: [] }],
  }
  const principal = await verifier.verify(aToken(key, { payload }))
  t.match(principal, { user_id: null, membership_id: null })
  t.ok(principal.holds('invoice:read'))
})

t.test('each allowed algorithm works with a key of its kind', async (t) => {
  for (const alg of ['ES256', 'RS256', 'EdDSA'] as const) {
    const key = aKey(alg)
    const verifier = createVerifier({ ...options, keys: () => key.jwk, algorithms: [alg] })
    t.ok(await verifier.verify(aToken(key)), alg)
  }
})

t.test("another library's token is accepted, and the type in either spelling", async (t) => {
  for (const typ of ['at+jwt', 'application/at+jwt', 'AT+JWT']) {
    const jwt = new SignJWT({ ...aPayload(), aud: ['https://other.example.com', AUDIENCE] })
    t.ok(
      await verifier.verify(await jwt.setProtectedHeader({ alg: 'ES256', kid: key.kid, typ }).sign(key.privateKey)),
      typ,
    )
  }
})

t.test('unknown claims and unknown header members are left alone', async (t) => {
  t.ok(
    await verifier.verify(
      aToken(key, { header: { cty: 'x', x: 1 }, payload: { act: { sub: 'bob' }, note: 'a":"b\\' } }),
    ),
  )
})

const wrongClaims: [title: string, reason: string, payload: object][] = [
  ['another issuer', 'issuer', { iss: 'https://evil.example.com' }],
  ['the issuer with a trailing slash', 'issuer', { iss: `${ISSUER}/` }],
  ['the issuer in upper case', 'issuer', { iss: ISSUER.toUpperCase() }],
  ['another audience', 'audience', { aud: 'https://other.example.com' }],
  ['an audience that only begins like ours', 'audience', { aud: `${AUDIENCE}/v1` }],
  ['other audiences', 'audience', { aud: ['https://other.example.com'] }],
  ['no audience', 'claims', { aud: undefined }],
  ['an empty audience', 'claims', { aud: '' }],
  ['an empty list of audiences', 'claims', { aud: [] }],
  ['an audience that is no text', 'claims', { aud: [AUDIENCE, 1] }],
  ['an audience that is an object', 'claims', { aud: { [AUDIENCE]: true } }],
  ['an end at this very second', 'expired', { exp: NOW_SECONDS }],
  ['an end in the past', 'expired', { exp: NOW_SECONDS - 1 }],
  ['no end', 'claims', { exp: undefined }],
  ['an end as text', 'claims', { exp: `${NOW_SECONDS + 300}` }],
  ['an end with a fraction', 'claims', { exp: NOW_SECONDS + 300.5 }],
  ['an end beyond what can be counted', 'claims', { exp: 2 ** 60 }],
  ['a negative end', 'claims', { exp: -1 }],
  ['a beginning in the future', 'not_yet_valid', { nbf: NOW_SECONDS + 1 }],
  ['a beginning as text', 'claims', { nbf: `${NOW_SECONDS}` }],
  ['a beginning that is null', 'claims', { nbf: null }],
  ['no instant of issue', 'claims', { iat: undefined }],
  ['an instant of issue with a fraction', 'claims', { iat: NOW_SECONDS + 0.5 }],
  ['no subject', 'claims', { sub: undefined }],
  ['an empty tenant', 'claims', { tenant_id: '' }],
  ['a tenant that is a list', 'claims', { tenant_id: [TENANT_ID] }],
  ['no membership', 'claims', { membership_id: undefined }],
  ['a user without a membership', 'claims', { membership_id: null }],
  ["a membership with a machine's subject", 'claims', { sub: 'api_key:k1' }],
  ['roles as text', 'claims', { roles: 'owner' }],
  ['no grants', 'claims', { grants: undefined }],
  ['a grant without excludes', 'claims', { grants: [{ permissions: ['*'] }] }],
  [
    'an exclude that this version cannot read',
    'claims',
    { grants: [{ permissions: ['*'], excludes: ['bill*:read'] }] },
  ],
  ['a revision as text', 'claims', { rev: { platform: '12' } }],
  ['revisions as a list', 'claims', { rev: [1] }],
]

for (const [title, reason, payload] of wrongClaims) {
  t.test(`refused: ${title}`, async (t) => {
    await t.rejects(verifier.verify(aToken(key, { payload })), refusedFor(reason))
  })
}

t.test('a token ends on the second, and a tolerance moves that second', async (t) => {
  const at = (ms: number, clock_tolerance_seconds = 0) => {
    const verifier = createVerifier({ ...options, clock: () => new Date(NOW.getTime() + ms), clock_tolerance_seconds })
    return verifier.verify(aToken(key, { payload: { nbf: NOW_SECONDS } }))
  }
  t.ok(await at(299_999))
  await t.rejects(at(300_000), refusedFor('expired'))
  t.ok(await at(304_999, 5))
  await t.rejects(at(305_000, 5), refusedFor('expired'))
  t.ok(await at(0))
  await t.rejects(at(-1), refusedFor('not_yet_valid'))
  t.ok(await at(-5_000, 5))
})

t.test('a clock that does not know the time lets nobody in', async (t) => {
  const verifier = createVerifier({ ...options, clock: () => new Date(Number.NaN) })
  await t.rejects(verifier.verify(aToken(key)), refusedFor('expired'))
})

t.test('a verifier that is not told its audience, or is told nonsense, is not made', async (t) => {
  const wrong: object[] = [
    { audience: undefined },
    { audience: '' },
    { audience: [AUDIENCE] },
    { issuer: undefined },
    { issuer: '' },
    { issuer: 'not a url', keys: undefined },
    { jwks_uri: 'file:///etc/passwd', keys: undefined },
    { algorithms: [] },
    { algorithms: ['HS256'] },
    { algorithms: ['none'] },
    { algorithms: ['ES256', 'es256'] },
    { clock_tolerance_seconds: -1 },
    { clock_tolerance_seconds: 61 },
    { clock_tolerance_seconds: Number.NaN },
    { cooldown_seconds: 0 },
    { max_token_bytes: Number.POSITIVE_INFINITY },
  ]
  for (const change of wrong) {
    const made = () => createVerifier({ ...options, ...change })
    t.throws(made, { name: 'TenantryError', code: 'configuration', status: 500 }, JSON.stringify(change))
  }
})

t.test("an unusable key that we were given is our mistake, not the token's", async (t) => {
  const privateJwk = { ...key.privateKey.export({ format: 'jwk' }), kty: 'EC', kid: key.kid }
  for (const jwk of [privateJwk, { kty: 'oct', k: 'c2VjcmV0' }, { ...key.jwk, kid: 'another' }]) {
    await t.rejects(createVerifier({ ...options, keys: () => jwk }).verify(aToken(key)), { code: 'configuration' })
  }
  const failing = createVerifier({ ...options, keys: () => Promise.reject(new RangeError('away')) })
  await t.rejects(failing.verify(aToken(key)), RangeError)
})

t.test('a local key is asked for by kid, and may come later and without a kid of its own', async (t) => {
  const asked: string[] = []
  const { kid: _, ...bare } = key.jwk
  const verifier = createVerifier({
    ...options,
    keys: (kid) => {
      asked.push(kid)
      return Promise.resolve(bare)
    },
  })
  t.ok(await verifier.verify(aToken(key)))
  t.same(asked, [key.kid])
})

t.test('an error never contains any part of the token', async (t) => {
  const token = aToken(key, { payload: { iss: 'https://evil.example.com', sub: 'very-secret' } })
  const error = await verifier.verify(token).catch((error: unknown) => error)
  if (!(error instanceof TenantryError)) return t.fail('not a TenantryError')
  const told = `${error.message} ${error.stack} ${JSON.stringify(error)}`
  for (const secret of [...token.split('.'), 'evil', 'very-secret']) t.notOk(told.includes(secret))
})
