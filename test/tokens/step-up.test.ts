// What tokens say of a login and of what demands one: never an answer that only the check can give, never a login that is
// fresher or stronger than it was told.
import { createVerifier, type Grant, grantsDigest, holds } from '@tenantry/client'
import fc from 'fast-check'
import t from 'tap'
import { askOfTouched, withoutTouched } from '../../src/tokens/touched.ts'
import { AUDIENCE, anIdentityProvider } from '../support/identity-provider.ts'
import { aService, made } from '../support/service.ts'

const s = await aService(t, { allow_loopback_issuers: true })
const idp = await anIdentityProvider(t, () => s.now)
const API = 'https://api.acme.example'
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'alice' } })
await s.anIssuer({ issuer: idp.issuer, audiences: [AUDIENCE] })
const seconds = () => Math.floor(s.now.getTime() / 1_000)
const APPROVE = { key: 'invoice:approve', acr: 'urn:mfa', max_age: 300 }
const put = async (...permissions: object[]) => made(await s.root.put('/permissions', { permissions }))

const payloadOf = (text: string) => JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString())
const exchanged = async (token: string, fields: Record<string, string> = {}): Promise<string> =>
  made(await s.exchange(token, { tenant_id, audience: s.issuer, ...fields })).access_token
const may = async (token: string): Promise<boolean> => {
  const question = { action: { name: 'approve' }, resource: { type: 'invoice', id: '1' } }
  const answer = await s
    .as(token)
    .post('/access/v1/evaluation', { subject: { type: 'user', id: 'alice' }, ...question })
  return made(answer).decision
}

t.test('an exchange keeps what the provider told of the login, and makes nothing fresher', async (t) => {
  await put(APPROVE)
  const auth_time = seconds() - 200
  const first = await exchanged(idp.token({ acr: 'urn:mfa', auth_time }))
  t.match(payloadOf(first), { acr: 'urn:mfa', auth_time, login_at: undefined })
  t.equal(await may(first), true)
  s.advance(90)
  const second = await exchanged(first)
  t.match(payloadOf(second), { acr: 'urn:mfa', auth_time })
  t.equal(await may(second), true)
  const basic = `Basic ${Buffer.from(`${(await s.root.get('/api-keys')).body.data[0].id}:${s.root_api_key}`).toString('base64')}`
  const told = await s.stranger.form('/oauth/introspect', { token: second }, { authorization: basic })
  t.match(told.body, { active: true, acr: 'urn:mfa', auth_time, ask: ['invoice:approve'] })
  s.advance(11)
  t.equal(await may(second), false)
  t.equal(await may(await exchanged(second)), false)
})

t.test('where the provider tells no time there is none, however young the token is', async (t) => {
  await put(APPROVE)
  const first = await exchanged(idp.token({ acr: 'urn:mfa' }))
  t.match(payloadOf(first), { acr: 'urn:mfa', auth_time: undefined, login_at: seconds() })
  t.equal(await may(first), false)
  const began = seconds()
  s.advance(10)
  const second = await exchanged(first)
  t.match(payloadOf(second), { auth_time: undefined, login_at: began }, 'the session goes on from its beginning')
  t.equal(await may(second), false)
  for (const acr of [1, '', ['urn:mfa'], 'x'.repeat(201)])
    t.notOk('acr' in payloadOf(await exchanged(idp.token({ acr, auth_time: seconds() }))))
})

t.test('a key vouches for a login; one that is yet to come is refused', async (t) => {
  await put(APPROVE)
  const issue = (login: object) => s.root.post('/tokens', { tenant_id, user_id: 'alice', ...login })
  t.equal(await may(made(await issue({ acr: 'urn:mfa', auth_time: seconds() - 1 })).access_token), true)
  t.equal(await may(made(await issue({ acr: 'urn:mfa' })).access_token), false)
  const early = made(await issue({ acr: 'urn:mfa', auth_time: seconds() + 60 })).access_token
  t.equal(payloadOf(early).auth_time, seconds(), 'clocks differ')
  const refused = { status: 400, body: { code: 'request.invalid', errors: [{ pointer: '/auth_time' }] } }
  t.match(await issue({ auth_time: seconds() + 61 }), refused)
  for (const auth_time of ['1', 1.5, 0, null]) t.match(await issue({ auth_time }), refused)
  t.equal((await issue({ acr: 'a "b' })).status, 400)
})

t.test('whoever acts for the user has not logged in like the user', async (t) => {
  const key = await s.anApiKey({ permissions: ['tenantry.token:issue', 'tenantry.token:delegate'] })
  const actor_token = idp.token({ sub: 'susan', acr: 'urn:mfa', auth_time: seconds() })
  const subject = idp.token({ acr: 'urn:mfa', auth_time: seconds() })
  const actor_token_type = 'urn:ietf:params:oauth:token-type:jwt'
  const basic = `Basic ${Buffer.from(`${key.id}:${key.secret}`).toString('base64')}`
  const fields = { tenant_id, audience: API, actor_token, actor_token_type }
  const claims = payloadOf(made(await s.exchange(subject, fields, { authorization: basic })).access_token)
  t.match(claims, { sub: 'alice', act: { sub: 'susan' }, acr: undefined, auth_time: undefined })
})

t.test('a demand that is new or stricter makes older tokens stale; one that is weaker or gone does not', async (t) => {
  const token = () => s.aToken(tenant_id, 'alice', { acr: 'urn:mfa', auth_time: seconds() })
  const isStale = async (old: string): Promise<boolean> =>
    (await s.as(old).get(`/tenants/${tenant_id}`)).body.code === 'token.stale'
  await put({ key: 'invoice:approve' })
  const steps: [object, boolean][] = [
    [{ max_age: 300 }, true],
    [{ max_age: 299 }, true],
    [{ max_age: 400 }, false],
    [{ max_age: 400, acr: 'urn:mfa' }, true],
    [{ max_age: 400, acr: 'urn:key' }, true],
    [{ acr: 'urn:key' }, false],
    [{}, false],
  ]
  for (const [demand, expected] of steps) {
    const before = await token()
    await put({ key: 'invoice:approve', ...demand })
    t.equal(await isStale(before), expected, JSON.stringify(demand))
  }
  const before = await token()
  t.ok(holds(payloadOf(before).grants, 'invoice:pay'))
  await put({ key: 'invoice:approve' }, { key: 'invoice:pay', acr: 'urn:mfa' })
  t.equal(await isStale(before), true, 'wildcards reached it before the catalogue knew of it')
})

t.test('tokens, the signed role catalogue and the verifier read the same grants', async (t) => {
  await put(APPROVE, { key: 'invoice:read' })
  const token = await s.aToken(tenant_id, 'alice', { audience: API })
  const { grants, permissions, ask, roles } = payloadOf(token)
  t.same([permissions, ask, roles], [['invoice:read'], ['invoice:approve'], ['owner']])
  const { roles: published } = payloadOf((await s.as(token).get('/roles/catalogue')).text)
  const { key, ...owner } = published.find((role: { key: string }) => role.key === 'owner')
  t.equal(grantsDigest([owner]), grantsDigest(grants))
  const long = await s.aRole({
    tenant_id,
    permissions: [
      'invoice:*',
      ...Array.from({ length: 150 }, (_, i) => `a-long-resource-of-which-there-are-many:do-${i}`),
    ],
  })
  const { user_id } = await s.aMembership(tenant_id, { roles: [long.key] })
  const slim = await s.aToken(tenant_id, user_id, { audience: API })
  t.ok('grants_digest' in payloadOf(slim))
  const verifier = createVerifier({
    ...{ issuer: s.issuer, audience: API, clock: () => s.now },
    fetch: async (url, init) => {
      const { pathname } = new URL(String(url))
      const bearer = new Headers(init?.headers).get('authorization')?.slice(7)
      const { status, text } = await s.as(bearer).get(pathname)
      return new Response(text, { status })
    },
  })
  const principal = await verifier.verify(slim)
  t.same([principal.answerTo('invoice:approve'), principal.answerTo('invoice:read')], ['ask', 'yes'])
  t.equal((await s.as(await s.aToken(tenant_id, user_id)).get(`/memberships?tenant_id=${tenant_id}`)).status, 403)
})

const KEYS = ['invoice:read', 'invoice:approve', 'order:read', 'order:approve']
const PATTERNS = ['*', '*:read', '*:approve', 'invoice:*', 'order:*', ...KEYS]
const patterns = fc.uniqueArray(fc.constantFrom(...PATTERNS), { maxLength: 4 })
const grant = fc.record({ permissions: patterns, excludes: patterns })
const isTouched = (key: string, touched: string[]): boolean => holds([{ permissions: touched, excludes: [] }], key)

t.test('what is touched is carried by no grant and asked for if it was held; the rest is as it was', async () => {
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 3 }), patterns, (grants: Grant[], touched) => {
      const carried = grants.map((each) => withoutTouched(each, touched))
      const ask = askOfTouched(grants, touched)
      return KEYS.every((key) => {
        const was = holds(grants, key)
        if (!isTouched(key, touched)) return holds(carried, key) === was
        return !holds(carried, key) && (!was || isTouched(key, ask))
      })
    }),
    { numRuns: 2_000 },
  )
})

t.test('doing it twice changes nothing', async () => {
  fc.assert(
    fc.property(grant, patterns, (each, touched) => {
      const once = withoutTouched(each, touched)
      return withoutTouched(once, touched) === once
    }),
  )
})

t.test('however much of a catalogue demands a login, a token narrowed to something else is short', async (t) => {
  const demanding = Array.from({ length: 400 }, (_, number) => ({ key: `document:action_${number}`, max_age: 60 }))
  await put(...demanding)
  const login = idp.token()
  const [narrowed] = payloadOf(await exchanged(login, { scope: 'invoice:*' })).grants
  t.same(narrowed, { permissions: ['invoice:*'], excludes: [] })
  const [some] = payloadOf(await exchanged(login, { scope: 'document:action_7 document:read' })).grants
  t.same(some, { permissions: ['document:action_7', 'document:read'], excludes: ['document:action_7'] })
})
