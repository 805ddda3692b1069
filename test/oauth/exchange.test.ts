// Token exchange, with a real identity provider on loopback: who logged in there gets a token for one tenant here; and every
// way in which somebody might get more than that.
import { createHmac } from 'node:crypto'
import { createVerifier, type Principal } from '@tenantry/client'
import t, { type Test } from 'tap'
import { AUDIENCE, anIdentityProvider, aPair, jwkOf, signedWith } from '../support/identity-provider.ts'
import { type Answer, aService, type Caller, made } from '../support/service.ts'

const s = await aService(t, { allow_loopback_issuers: true })
const idp = await anIdentityProvider(t, () => s.now)
const API = 'https://api.acme.example'
const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const JWT = 'urn:ietf:params:oauth:token-type:jwt'

type Form = Record<string, string>

const post = (path: string, form: Form, headers: Form = {}): Promise<Answer> =>
  s.stranger.post(path, new URLSearchParams(form).toString(), {
    'content-type': 'application/x-www-form-urlencoded',
    ...headers,
  })

const exchange = (subject_token: string, form: Form = {}, headers?: Form): Promise<Answer> =>
  post('/oauth/token', { grant_type: GRANT, subject_token, subject_token_type: JWT, audience: API, ...form }, headers)

const verify = (access_token: string): Promise<Principal> =>
  createVerifier({
    ...{ issuer: s.issuer, audience: API, clock: () => s.now },
    keys: async (kid) =>
      (await s.stranger.get('/.well-known/jwks.json')).body.keys.find((key: { kid: string }) => key.kid === kid),
  }).verify(access_token)

const trust = async (by: Caller, input: object = {}): Promise<{ id: string; user_id_prefix: string }> =>
  made(await by.post('/issuers', { issuer: idp.issuer, audiences: [AUDIENCE], shares_user_ids: true, ...input }))

const { id: issuer_id } = await trust(s.root)
const acme = await s.aTenant({ owner: { user_id: 'user_olga' } })
const globex = await s.aTenant({ owner: { user_id: 'user_gus' } })
const alice = await s.aMembership(acme.id, { user_id: 'alice', roles: ['admin'] })
await s.aMembership(globex.id, { user_id: 'alice', roles: ['viewer'] })
const TENANT = { tenant_id: acme.id }
const seconds = () => Math.floor(s.now.getTime() / 1_000)

const isRefused = async (t: Test, error: string, answer: Promise<Answer>, name: string): Promise<void> => {
  const { status, body, text } = await answer
  t.match({ status, body }, { status: 400, body: { error } }, `${name}: ${text}`)
}

t.test('who has logged in there gets a token for each tenant here, with what the tenant gives', async (t) => {
  const subject = idp.token({ auth_time: seconds() - 10 })
  const answer = await exchange(subject, { tenant_slug: acme.slug })
  t.match(answer, {
    ...{ status: 200, headers: { 'cache-control': 'no-store' } },
    body: { token_type: 'Bearer', issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
  })
  const principal = await verify(answer.body.access_token)
  t.match(principal, {
    ...{ user_id: 'alice', tenant_id: acme.id, membership_id: alice.id, roles: ['admin'], client_id: issuer_id },
    claims: { auth_time: seconds() - 10, issuer_id },
  })
  const other = await verify(made(await exchange(subject, { scope: `tenant:${globex.slug}` })).access_token)
  t.match(other, { tenant_id: globex.id, roles: ['viewer'] }, 'several tenants at once')
  const here = made(await exchange(subject, { ...TENANT, audience: s.issuer })).access_token
  t.equal((await s.as(here).get(`/tenants/${acme.id}`)).status, 200, 'also for Tenantry itself')
})

t.test('tenants that are none of the user’s all look alike', async (t) => {
  const gone = await s.aTenant()
  const was = await s.aMembership(gone.id, { user_id: 'alice' })
  await s.root.delete(`/memberships/${was.id}`)
  const asleep = await s.aTenant()
  await s.aMembership(asleep.id, { user_id: 'alice' })
  await s.root.post(`/tenants/${asleep.id}/suspend`)
  const stranger = await s.aTenant()
  const answers = new Set<string>()
  for (const form of [
    {},
    { tenant_id: '0197a0c2-6f5e-7b3a-9d53-0f6f6a5f2c11' },
    { tenant_slug: 'nobody' },
    { tenant_id: gone.id },
    { tenant_id: asleep.id },
    { tenant_slug: stranger.slug },
  ] as Form[]) {
    const answer = await exchange(idp.token(), form)
    t.match(answer, { status: 400, body: { error: 'invalid_target' } }, JSON.stringify(form))
    answers.add(answer.text)
  }
  t.equal(answers.size, 1)
  await isRefused(t, 'invalid_target', exchange(idp.token(), { ...TENANT, tenant_slug: globex.slug }), 'two tenants')
})

t.test('subject tokens that prove nothing are refused (RFC 8725, OpenID Connect Core §3.1.3.7)', async (t) => {
  const now = seconds()
  const stranger = aPair('key-1')
  const rsa = aPair('key-rsa', 'RS256')
  const claims = { iss: idp.issuer, aud: AUDIENCE, sub: 'alice', iat: now, exp: now + 300 }
  const [head = '', body = '', signature = ''] = idp.token().split('.')
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const pem = String(idp.key.publicKey.export({ format: 'pem', type: 'spki' }))
  const hs = `${encode({ alg: 'HS256', kid: 'key-1' })}.${encode(claims)}`
  const tries: [string, string][] = [
    ['nothing', 'x'],
    ['alg none', `${encode({ alg: 'none', kid: 'key-1' })}.${encode(claims)}.`],
    ['alg nOnE with a signature', `${encode({ alg: 'nOnE', kid: 'key-1' })}.${encode(claims)}.${signature}`],
    ['an HMAC with the public key', `${hs}.${createHmac('sha256', pem).update(hs).digest('base64url')}`],
    ['somebody else’s key under this kid', signedWith(stranger, claims)],
    ['a key that comes along', signedWith(stranger, claims, { jwk: jwkOf(stranger) })],
    ['an address that comes along', signedWith(stranger, claims, { jku: 'https://evil.example/jwks' })],
    ['an algorithm that is not the key’s', signedWith({ ...rsa, kid: 'key-1' }, claims)],
    ['no kid', signedWith(idp.key, claims, { kid: undefined })],
    ['an unknown kid', signedWith(idp.key, claims, { kid: 'key-2' })],
    ['a demanded extension', idp.token({}, { crit: ['exp'] })],
    ['a changed payload', `${head}.${encode({ ...claims, sub: 'user_olga' })}.${signature}`],
    ['a padded signature', `${head}.${body}.${signature}=`],
    ['a signature with a space', `${head}.${body}.${signature} `],
    ['no signature', `${head}.${body}.`],
    ['another kind: a logout token', idp.token({}, { typ: 'logout+jwt' })],
    ['another kind: a security event', idp.token({}, { typ: 'secevent+jwt' })],
    [
      'a member twice',
      `${head}.${Buffer.from(`{"sub":"bob",${JSON.stringify(claims).slice(1)}`).toString('base64url')}.${signature}`,
    ],
    ['another audience', idp.token({ aud: 'other-application' })],
    ['no audience', idp.token({ aud: undefined })],
    ['an empty audience', idp.token({ aud: [] })],
    ['several audiences, for whom it does not say', idp.token({ aud: [AUDIENCE, 'other-application'] })],
    ['issued to another party', idp.token({ aud: [AUDIENCE, 'other'], azp: 'other' })],
    ['azp of another party', idp.token({ azp: 'other' })],
    ['another issuer', idp.token({ iss: 'https://evil.example' })],
    ['a trailing slash', idp.token({ iss: `${idp.issuer}/` })],
    ['over', idp.token({ exp: now })],
    ['without an end', idp.token({ exp: undefined })],
    ['an end that is no number', idp.token({ exp: String(now + 300) })],
    ['not yet', idp.token({ nbf: now + 120 })],
    ['from the future', idp.token({ iat: now + 120 })],
    ['no user', idp.token({ sub: undefined })],
    ['an empty user', idp.token({ sub: '' })],
    ['a user that is no text', idp.token({ sub: 42 })],
    ['a machine’s name', idp.token({ sub: 'api_key:x' })],
    ['a name of a tenant’s own issuer', idp.token({ sub: 'idp:0197a0c4-2b1c-7f0e-9a55-6d1f6a0c9b21:alice' })],
    ['a very long user', idp.token({ sub: 'x'.repeat(300) })],
  ]
  for (const [name, token] of tries) await isRefused(t, 'invalid_request', exchange(token, TENANT), name)
  await isRefused(t, 'invalid_request', exchange('x'.repeat(17_000), TENANT), 'a long token')
  t.equal((await exchange(idp.token({ aud: [AUDIENCE, 'other'], azp: AUDIENCE }), TENANT)).status, 200)
  t.equal((await exchange(idp.token({}, { typ: undefined }), TENANT)).status, 200)
})

t.test('the request itself is held to RFC 8693', async (t) => {
  const subject = idp.token()
  await isRefused(t, 'invalid_request', exchange('', TENANT), 'no subject token')
  await isRefused(t, 'invalid_request', exchange(subject, { ...TENANT, subject_token_type: 'jwt' }), 'its type')
  const refresh = 'urn:ietf:params:oauth:token-type:refresh_token'
  await isRefused(
    t,
    'invalid_request',
    exchange(subject, { ...TENANT, requested_token_type: refresh }),
    'what is asked',
  )
  await isRefused(t, 'invalid_request', exchange(subject, { ...TENANT, actor_token: subject }), 'an actor of no type')
  t.match(await s.stranger.post('/oauth/token', { grant_type: GRANT }), {
    ...{ status: 415, body: { error: 'invalid_request', error_description: /x-www-form-urlencoded/ } },
  })
  await isRefused(
    t,
    'invalid_request',
    exchange(subject, { ...TENANT, resource: `${s.issuer}/tenants/${globex.id}` }),
    'two',
  )
  const wrong = { authorization: `Bearer tnt_${'a'.repeat(49)}` }
  t.match(await exchange(subject, TENANT, wrong), { status: 401, body: { error: 'invalid_client' } })
})

t.test('a thousand unknown kids cost the provider next to nothing', async (t) => {
  const before = idp.asked.get('/jwks') ?? 0
  const stranger = aPair('x')
  const claims = { iss: idp.issuer, aud: AUDIENCE, sub: 'alice', iat: seconds(), exp: seconds() + 300 }
  await Promise.all(
    Array.from({ length: 1_000 }, (_, i) => exchange(signedWith({ ...stranger, kid: `kid-${i}` }, claims), TENANT)),
  )
  t.ok((idp.asked.get('/jwks') ?? 0) - before <= 2)
})

t.test('a tenant’s own issuer yields that tenant alone, and only users of its own', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_otto' } })
  const otto = s.as(await s.aToken(id, 'user_otto'))
  const own = await anIdentityProvider(t, () => s.now)
  const { user_id_prefix } = await trust(otto, { issuer: own.issuer })
  await isRefused(
    t,
    'invalid_target',
    exchange(own.token({ sub: 'user_otto' }), { tenant_id: id }),
    'the owner by name',
  )
  await isRefused(t, 'invalid_request', exchange(own.token({ sub: 'alice' }), TENANT), 'another tenant')
  await s.aMembership(id, { user_id: `${user_id_prefix}alice` })
  await s.aMembership(acme.id, { user_id: `${user_id_prefix}alice` })
  const { access_token } = made(await exchange(own.token(), { tenant_id: id, audience: s.issuer }))
  t.match(await s.as(access_token).get(`/tenants/${id}`), { status: 200 })
  await isRefused(t, 'invalid_request', exchange(own.token(), TENANT), 'a membership in another tenant is no way there')
  await isRefused(t, 'invalid_target', exchange(access_token, TENANT), 'nor a detour over a token of ours')
})

t.test('what was exchanged through an issuer is stale when the issuer is changed or gone', async (t) => {
  const other = await anIdentityProvider(t, () => s.now)
  const { id } = await trust(s.root, { issuer: other.issuer })
  const fresh = async (): Promise<Caller> =>
    s.as(made(await exchange(other.token(), { ...TENANT, audience: s.issuer })).access_token)
  const first = await fresh()
  t.equal((await first.get(`/tenants/${acme.id}`)).status, 200)
  made(await s.root.patch(`/issuers/${id}`, { algorithms: ['ES256'] }))
  t.match(await first.get(`/tenants/${acme.id}`), { status: 401, body: { code: 'token.stale' } })
  const second = await fresh()
  made(await s.root.patch(`/issuers/${id}`, { client_auth_required: true }))
  t.match(await exchange(other.token(), TENANT), { status: 401, body: { error: 'invalid_client' } })
  const key = await s.anApiKey({ permissions: ['invoice:read'] })
  const headers = { authorization: `Bearer ${key.secret}` }
  const vouched = await verify(made(await exchange(other.token(), TENANT, headers)).access_token)
  t.equal(vouched.client_id, key.id, 'an authenticated client may, and is named')
  await s.root.delete(`/issuers/${id}`)
  t.equal((await second.get(`/tenants/${acme.id}`)).status, 401)
  await isRefused(t, 'invalid_request', exchange(other.token(), TENANT, headers), 'not trusted any more')
})

t.test('an issuer that is away is said to be away', async (t) => {
  const away = await anIdentityProvider(t, () => s.now)
  await trust(s.root, { issuer: away.issuer })
  away.answers.set('/jwks', (_, response) => void response.writeHead(500).end())
  const subject = away.token()
  const refused = await exchange(subject, TENANT)
  t.match(refused, { status: 503, body: { error: 'temporarily_unavailable' }, headers: { 'retry-after': /^\d+$/ } })
  for (const secret of [away.issuer, 'ECONN', '500', ...subject.split('.')]) t.notOk(refused.text.includes(secret))
  t.notOk(JSON.stringify(s.logged).includes(subject), 'nor does the log')
  away.answers.clear()
  s.advance(1)
  t.equal((await exchange(subject, TENANT)).status, 200, 'when it is back, so is the exchange')
  const other = await anIdentityProvider(t, () => s.now)
  await trust(s.root, { issuer: other.issuer })
  other.answers.set('/.well-known/openid-configuration', (_, response) =>
    response.end(JSON.stringify({ issuer: `${other.issuer}/`, jwks_uri: `${other.issuer}/jwks` })),
  )
  await isRefused(t, 'invalid_request', exchange(other.token(), TENANT), 'the discovery document of another issuer')
  const huge = await anIdentityProvider(t, () => s.now)
  await trust(s.root, { issuer: huge.issuer })
  huge.answers.set('/jwks', (_, response) => void response.end(JSON.stringify({ keys: [], x: 'x'.repeat(1_000_000) })))
  t.equal((await exchange(huge.token(), TENANT)).status, 503)
})

const own = async (form: Form = {}): Promise<string> =>
  made(await exchange(idp.token(), { ...TENANT, ...form })).access_token

t.test('a token of ours switches tenant or audience, and keeps its login', async (t) => {
  const mine = made(
    await exchange(idp.token({ auth_time: seconds() - 60 }), { ...TENANT, audience: s.issuer }),
  ).access_token
  s.advance(30)
  const switched = await verify(made(await exchange(mine, { tenant_id: globex.id })).access_token)
  t.match(switched, { tenant_id: globex.id, roles: ['viewer'], claims: { auth_time: seconds() - 90, issuer_id } })
  t.match(await verify(made(await exchange(mine, TENANT)).access_token), { tenant_id: acme.id, roles: ['admin'] })
})

t.test('a service that was sent a user’s token gets no other with it', async (t) => {
  const sent = await own()
  await isRefused(t, 'invalid_request', exchange(sent, TENANT), 'replayed')
  await isRefused(t, 'invalid_request', exchange(sent, { ...TENANT, audience: s.issuer }), 'for a wider audience')
  const weak = await s.anApiKey({ tenant_id: acme.id, permissions: ['tenantry.revocation:read'] })
  const weakly = { authorization: `Bearer ${weak.secret}` }
  await isRefused(t, 'invalid_request', exchange(sent, TENANT, weakly), 'with a key that could not have it issued')
  const strong = await s.anApiKey({ tenant_id: acme.id, permissions: ['tenantry.token:issue'] })
  const strongly = { authorization: `Bearer ${strong.secret}` }
  t.equal((await exchange(sent, TENANT, strongly)).status, 200, 'one that could, may')
  await isRefused(t, 'invalid_target', exchange(sent, { tenant_id: globex.id }, strongly), 'but in its tenant only')
})

t.test('what a tenant’s key vouches for is good in that tenant alone, and as long as it said', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_mallory' } })
  await s.aMembership(id, { user_id: 'user_gus' })
  const key = await s.anApiKey({ tenant_id: id, permissions: ['tenantry.token:issue'] })
  const vouched = made(await s.as(key.secret).post('/tokens', { tenant_id: id, user_id: 'user_gus', ttl_seconds: 60 }))
  const { access_token } = vouched
  const bearer = { authorization: `Bearer ${key.secret}` }
  for (const headers of [undefined, bearer]) {
    await isRefused(t, 'invalid_target', exchange(access_token, { tenant_id: globex.id }, headers), 'elsewhere')
  }
  t.same((await s.as(access_token).get('/me/memberships')).body.data.length, 1, 'nor does it tell where else they are')
  s.advance(20)
  const again = made(await exchange(access_token, { tenant_id: id, audience: s.issuer }))
  t.equal(again.expires_in, 40, 'an exchange does not prolong it')
  const platform = await s.anApiKey({ permissions: ['tenantry.token:issue'] })
  const mightily = { authorization: `Bearer ${platform.secret}` }
  t.equal(
    (await exchange(access_token, { tenant_id: globex.id }, mightily)).status,
    200,
    'a key of the platform vouches',
  )
})

t.test('no token outlives the key that asked for it', async (t) => {
  const key = await s.anApiKey({ permissions: ['tenantry.token:issue'], expires_at: s.instant(60) })
  const bearer = { authorization: `Bearer ${key.secret}` }
  const issued = made(await s.as(key.secret).post('/tokens', { ...TENANT, user_id: 'alice', ttl_seconds: 3_600 }))
  t.ok(issued.expires_in <= 60)
  t.ok(made(await exchange(idp.token(), TENANT, bearer)).expires_in <= 60)
})

t.test('a stranger learns nothing of a tenant: not whether it is there, nor whom it trusts', async (t) => {
  const { id, slug } = await s.aTenant({ owner: { user_id: 'user_otto' } })
  const own = await anIdentityProvider(t, () => s.now)
  await trust(s.as(await s.aToken(id, 'user_otto')), { issuer: own.issuer })
  const stranger = aPair('key-1')
  const forged = (iss: string) =>
    signedWith(stranger, { iss, aud: AUDIENCE, sub: 'x', iat: seconds(), exp: seconds() + 60 })
  const answers = await Promise.all(
    ['https://evil.example', own.issuer].flatMap((iss) =>
      [{ tenant_slug: slug }, { tenant_slug: 'nobody' }, { tenant_id: acme.id }, {}].map((form) =>
        exchange(forged(iss), form as Form),
      ),
    ),
  )
  t.equal(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1)
})

t.test('a tenant that trusts the shared issuer too shuts nobody out', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'alice' } })
  await trust(s.as(made(await exchange(idp.token(), { tenant_id: id, audience: s.issuer })).access_token), {
    audiences: [AUDIENCE, 'another'],
  })
  t.equal((await exchange(idp.token(), { tenant_id: id })).status, 200)
})

t.test('an access token is for an API, whichever client asked for it; an ID token is for its client', async (t) => {
  const access = { subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' }
  const others = { aud: [AUDIENCE, 'https://login.example/userinfo'], azp: 'client-1' }
  t.equal(
    (await exchange(idp.token(others, { typ: 'at+jwt' }), { ...TENANT, ...access })).status,
    200,
    'as Auth0 has it',
  )
  t.equal((await exchange(idp.token({ azp: 'client-1' }), { ...TENANT, ...access })).status, 200, 'as Keycloak has it')
  await isRefused(t, 'invalid_request', exchange(idp.token(others), TENANT), 'an ID token of another client')
  const disguised = idp.token({ ...others, nonce: 'n' })
  await isRefused(
    t,
    'invalid_request',
    exchange(disguised, { ...TENANT, ...access }),
    'one that is called an access token',
  )
})

t.test('an e-mail address is a user id only where it was verified', async (t) => {
  const other = await anIdentityProvider(t, () => s.now)
  await trust(s.root, { issuer: other.issuer, user_id_claim: 'email', user_id_prefix: 'mail|' })
  await s.aMembership(acme.id, { user_id: 'mail|a@b.example' })
  const email = 'a@b.example'
  t.equal((await exchange(other.token({ email, email_verified: true }), TENANT)).status, 200)
  for (const email_verified of [false, undefined, 'no']) {
    await isRefused(
      t,
      'invalid_request',
      exchange(other.token({ email, email_verified }), TENANT),
      String(email_verified),
    )
  }
})

t.test('chaining ends with the session', async (t) => {
  let token = await own({ audience: s.issuer })
  const login = seconds()
  let count = 0
  for (;;) {
    s.advance(240)
    const answer = await exchange(token, { ...TENANT, audience: s.issuer })
    if (answer.status !== 200) {
      t.match(answer, { status: 400, body: { error: 'invalid_request' } })
      break
    }
    token = answer.body.access_token
    t.ok(seconds() + answer.body.expires_in <= login + 86_400)
    count++
  }
  t.equal(count, 359, 'a day in steps of four minutes')
})

t.test('a narrowed token stays narrow, and where it is', async (t) => {
  const narrow = await own({ audience: s.issuer, scope: 'invoice:read tenantry.membership:read' })
  t.match(await s.as(narrow).get('/memberships'), { status: 200 })
  t.match(await s.as(narrow).post('/memberships', { user_id: 'x' }), { status: 403 })
  for (const [method, url, body] of [
    ['DELETE', `/memberships/${alice.id}`],
    ['POST', `/memberships/${alice.id}/sign-out`],
    [
      'POST',
      '/access/v1/evaluation',
      {
        ...{ subject: { type: 'user', id: 'alice' }, action: { name: 'write' } },
        resource: { type: 'invoice', id: '1' },
      },
    ],
  ] as const) {
    t.match(await s.as(narrow).call(method, url, body), { status: 403, body: { code: 'permission.missing' } }, url)
  }
  const again = await verify(made(await exchange(narrow, TENANT)).access_token)
  t.same(again.roles, [])
  t.equal(again.claims.scope, 'invoice:read tenantry.membership:read', 'also in words (RFC 9068 §2.2.3)')
  t.ok(again.holds('invoice:read') && !again.holds('invoice:write') && !again.holds('order:read'))
  await isRefused(t, 'invalid_scope', exchange(narrow, { ...TENANT, scope: 'order:read' }), 'not widened by scope')
  await isRefused(t, 'invalid_target', exchange(narrow, { tenant_id: globex.id }), 'not by another tenant')
  for (const scope of ['openid', 'billing:read', 'nonsense']) {
    await isRefused(t, 'invalid_scope', exchange(idp.token(), { ...TENANT, scope }), scope)
  }
})

t.test('after a sign-out nothing from before counts, here or there', async (t) => {
  const login = idp.token()
  const token = await own({ audience: s.issuer })
  s.advance(1)
  made(await s.root.post(`/memberships/${alice.id}/sign-out`))
  await isRefused(t, 'invalid_request', exchange(login, TENANT), 'the old login')
  await isRefused(t, 'invalid_request', exchange(token, TENANT), 'the old token')
  s.advance(1)
  const refreshed = idp.token({ auth_time: seconds() - 60 })
  await isRefused(t, 'invalid_request', exchange(refreshed, TENANT), 'a new token of the old login')
  t.equal((await exchange(login, { tenant_id: globex.id })).status, 200, 'another tenant is not concerned')
  t.equal((await exchange(idp.token(), TENANT)).status, 200, 'a new login counts')
})

t.test('machines’ tokens, stale ones and those of others are no subject', async (t) => {
  const key = await s.anApiKey({ tenant_id: acme.id, permissions: ['tenantry.token:issue'] })
  const bearer = { authorization: `Bearer ${key.secret}` }
  const machine = made(await post('/oauth/token', { grant_type: 'client_credentials', audience: API }, bearer))
  await isRefused(t, 'invalid_request', exchange(machine.access_token, TENANT, bearer), 'a machine')
  const vera = await s.aMembership(acme.id, { user_id: 'vera' })
  const token = await s.aToken(acme.id, 'vera')
  t.equal((await exchange(token, TENANT)).status, 200)
  await s.root.delete(`/memberships/${vera.id}`)
  await isRefused(t, 'invalid_request', exchange(token, TENANT), 'a stale one')
})

for (const alg of ['RS256', 'EdDSA'] as const) {
  t.test(`an issuer that signs with ${alg}`, async (t) => {
    const other = await anIdentityProvider(t, () => s.now, alg)
    const weak = { ...aPair('weak'), kid: 'weak' }
    other.jwks.keys.push({ kty: 'oct', k: 'c2VjcmV0', kid: 'oct', alg: 'HS256' }, jwkOf(weak))
    await trust(s.root, { issuer: other.issuer, algorithms: [alg], user_id_claim: 'uid' })
    t.equal((await exchange(other.token({ uid: 'alice' }), TENANT)).status, 200)
    const claims = { iss: other.issuer, aud: AUDIENCE, uid: 'alice', iat: seconds(), exp: seconds() + 60 }
    await isRefused(
      t,
      'invalid_request',
      exchange(signedWith(weak, claims), TENANT),
      'an algorithm that is not allowed',
    )
    await isRefused(t, 'invalid_request', exchange(other.token(), TENANT), 'no such claim')
  })
}
