// What callers ask about themselves, with whatever shows who they are: a login elsewhere, a token of ours, a key.
import t from 'tap'
import { AUDIENCE, anIdentityProvider, aPair, signedWith } from '../support/identity-provider.ts'
import { type Answer, aService, type Caller, made } from '../support/service.ts'

const s = await aService(t, { allow_loopback_issuers: true })
const idp = await anIdentityProvider(t, () => s.now)
const trust = async (by: Caller, input: object = {}): Promise<{ id: string; user_id_prefix: string }> =>
  made(await by.post('/issuers', { issuer: idp.issuer, audiences: [AUDIENCE], shares_user_ids: true, ...input }))

const shared = await trust(s.root)
const acme = await s.aTenant({ owner: { user_id: 'user_olga' } })
const globex = await s.aTenant({ owner: { user_id: 'user_gus' } })
const inAcme = await s.aMembership(acme.id, { user_id: 'alice', roles: ['admin', 'member'] })
const inGlobex = await s.aMembership(globex.id, { user_id: 'alice', roles: ['viewer'], expires_at: s.instant(3_600) })
await s.aMembership(acme.id, { user_id: 'bob' })
const seconds = () => Math.floor(s.now.getTime() / 1_000)
const login = (claims = {}): Caller => s.as(idp.token(claims))
const tenantsOf = ({ body }: Answer): string[] => body.data.map(({ tenant_id }: { tenant_id: string }) => tenant_id)

t.test('whoever logged in elsewhere sees which tenants there are for them, before any is chosen', async (t) => {
  const { status, body, headers } = await login().get('/me/memberships')
  t.equal(status, 200)
  t.equal(headers['cache-control'], 'no-store')
  t.match(body, {
    data: [
      {
        ...{ membership_id: inAcme.id, user_id: 'alice', tenant_id: acme.id, tenant_slug: acme.slug },
        ...{ tenant_name: acme.name, tenant_status: 'active', roles: ['admin', 'member'], status: 'active' },
      },
      { membership_id: inGlobex.id, tenant_id: globex.id, roles: ['viewer'], expires_at: inGlobex.expires_at },
    ],
    next_cursor: null,
  })
  t.same((await login({ sub: 'nobody' }).get('/me/memberships')).body.data, [])
  t.same(tenantsOf(await login().get(`/me/memberships?tenant_id=${globex.id}`)), [globex.id])
})

t.test('the list comes in pages', async (t) => {
  const first = await login().get('/me/memberships?limit=1')
  const second = await login().get(`/me/memberships?limit=1&cursor=${first.body.next_cursor}`)
  t.same([...tenantsOf(first), ...tenantsOf(second)], [acme.id, globex.id])
  t.equal(second.body.next_cursor, null)
})

t.test('what has changed since shows: a suspension, an end, a removal, a sign-out', async (t) => {
  const { id } = await s.aTenant()
  const eve = await s.aMembership(id, { user_id: 'eve', expires_at: s.instant(60) })
  const eves = login({ sub: 'eve' })
  const status = async () => (await eves.get('/me/memberships')).body.data[0]?.status
  t.equal(await status(), 'active')
  made(await s.root.post(`/memberships/${eve.id}/suspend`))
  t.equal(await status(), 'suspended')
  made(await s.root.post(`/memberships/${eve.id}/reactivate`))
  s.advance(60)
  t.equal(await status(), 'expired')
  made(await s.root.post(`/tenants/${id}/suspend`))
  t.equal((await eves.get('/me/memberships')).body.data[0].tenant_status, 'suspended')
  made(await s.root.post(`/memberships/${eve.id}/sign-out`))
  t.same((await eves.get('/me/memberships')).body.data, [], 'an old login')
  s.advance(1)
  t.same(tenantsOf(await login({ sub: 'eve' }).get('/me/memberships')), [id], 'a new one')
  await s.root.delete(`/memberships/${eve.id}`)
  t.same((await login({ sub: 'eve' }).get('/me/memberships')).body.data, [])
})

const exchanged = async (form: Record<string, string> = {}): Promise<Caller> => {
  const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', tenant_id: acme.id }
  const subject = { subject_token: idp.token(), subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }
  const body = new URLSearchParams({ ...grant, ...subject, ...form }).toString()
  const { access_token } = made(
    await s.stranger.post('/oauth/token', body, { 'content-type': 'application/x-www-form-urlencoded' }),
  )
  return s.as(access_token)
}

t.test('a token of ours that goes back to a login shows the same; any other, its own tenant only', async (t) => {
  const mine = await exchanged()
  t.same(tenantsOf(await mine.get('/me/memberships')), [acme.id, globex.id])
  t.match((await mine.get('/me')).body, { type: 'user', id: 'alice', tenant_id: null, issuer_id: shared.id })
  const narrowed = await exchanged({ scope: 'invoice:read' })
  t.same(tenantsOf(await narrowed.get('/me/memberships')), [acme.id])
  t.match((await narrowed.get('/me')).body, { id: 'alice', tenant_id: acme.id, issuer_id: shared.id })
  const vouched = s.as(await s.aToken(acme.id, 'alice'))
  t.same(tenantsOf(await vouched.get('/me/memberships')), [acme.id], 'a key’s word counts in its tenant')
  t.match((await vouched.get('/me')).body, { tenant_id: acme.id, issuer_id: null })
  const elsewhere = s.as(await s.aToken(acme.id, 'alice', { audience: 'https://invoices.example' }))
  t.match(
    await elsewhere.get('/me/memberships'),
    { status: 401, body: { code: 'token.invalid' } },
    'for another service',
  )
})

t.test('a tenant’s own issuer shows that tenant alone, and users by the id they have here', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_otto' } })
  const own = await anIdentityProvider(t, () => s.now)
  const otto = s.as(await s.aToken(id, 'user_otto'))
  const { id: issuer_id, user_id_prefix } = await trust(otto, { issuer: own.issuer })
  const ann = s.as(own.token({ sub: 'ann', email: 'ann@acme.example', email_verified: true }))
  t.match((await ann.get('/me')).body, {
    ...{ type: 'user', id: `${user_id_prefix}ann`, tenant_id: id, issuer_id },
    ...{ email: 'ann@acme.example', email_verified: true, auth_time: new Date(seconds() * 1_000).toISOString() },
  })
  await s.aMembership(id, { user_id: `${user_id_prefix}ann` })
  await s.aMembership(acme.id, { user_id: `${user_id_prefix}ann` })
  t.same(tenantsOf(await ann.get('/me/memberships')), [id])
  t.same((await s.as(own.token({ sub: 'alice' })).get('/me/memberships')).body.data, [], 'nobody else’s user')
  t.match(await ann.get(`/me/memberships?tenant_id=${acme.id}`), { status: 401 })
})

t.test('an address that several tenants trust shows each what its own issuer says', async (t) => {
  const both = await anIdentityProvider(t, () => s.now)
  const tenants = await Promise.all(
    ['otto', 'ida'].map(async (name) => {
      const { id } = await s.aTenant({ owner: { user_id: name } })
      const { user_id_prefix } = await trust(s.as(await s.aToken(id, name)), { issuer: both.issuer })
      await s.aMembership(id, { user_id: `${user_id_prefix}ann` })
      return { id, user_id_prefix }
    }),
  )
  const ann = s.as(both.token({ sub: 'ann' }))
  t.same(tenantsOf(await ann.get('/me/memberships')).sort(), tenants.map(({ id }) => id).sort())
  t.match(await ann.get('/me'), { status: 400, body: { code: 'tenant.required' } })
  for (const { id, user_id_prefix } of tenants) {
    t.match((await ann.get(`/me?tenant_id=${id}`)).body, { id: `${user_id_prefix}ann`, tenant_id: id })
    t.same(tenantsOf(await ann.get(`/me/memberships?tenant_id=${id}`)), [id])
  }
})

t.test('e-mail claims are read where the issuer has them, and verified only where it says so', async (t) => {
  const other = await anIdentityProvider(t, () => s.now)
  await trust(s.root, { issuer: other.issuer, email_claim: 'mail', email_verified_claim: 'mail_ok' })
  const me = async (claims: object) => (await s.as(other.token({ sub: 'ann', ...claims })).get('/me')).body
  t.match(await me({ mail: 'a@b.example', mail_ok: 'true' }), { email: 'a@b.example', email_verified: true })
  t.match(await me({ mail: 'a@b.example', mail_ok: 'yes' }), { email: 'a@b.example', email_verified: false })
  t.match(await me({ mail: 'a@b.example' }), { email: 'a@b.example', email_verified: null })
  t.match(await me({ email: 'a@b.example', mail: 42 }), { email: null, email_verified: null })
})

t.test('a key is told which it is, and has no memberships', async (t) => {
  const key = await s.anApiKey({ tenant_id: acme.id })
  t.match((await s.as(key.secret).get('/me')).body, {
    type: 'api_key',
    id: key.id,
    tenant_id: acme.id,
    auth_time: null,
  })
  t.match((await s.root.get('/me')).body, { type: 'api_key', tenant_id: null })
  t.match(await s.root.get('/me/memberships'), { status: 403, body: { code: 'credential.not_a_user' } })
})

t.test('a token that nobody here vouches for is refused', async (t) => {
  const stranger = aPair('key-1')
  const claims = { iss: idp.issuer, aud: AUDIENCE, sub: 'alice', iat: seconds(), exp: seconds() + 300 }
  const closed = await anIdentityProvider(t, () => s.now)
  await trust(s.root, { issuer: closed.issuer, client_auth_required: true })
  for (const [name, token] of [
    ['another key', signedWith(stranger, claims)],
    ['another audience', idp.token({ aud: 'other-application' })],
    ['over', idp.token({ exp: seconds() })],
    ['another issuer', idp.token({ iss: 'https://evil.example' })],
    ['no issuer', idp.token({ iss: undefined })],
    ['an issuer that is for authenticated clients', closed.token()],
    ['a reserved name', idp.token({ sub: 'api_key:x' })],
    ['nothing', 'x'],
  ] as const) {
    const answer = await s.as(token).get('/me/memberships')
    t.equal(answer.status, 401, name)
    t.ok(answer.headers['www-authenticate'], name)
  }
  t.equal((await s.stranger.get('/me')).status, 401)
  const away = await anIdentityProvider(t, () => s.now)
  await trust(s.root, { issuer: away.issuer })
  away.answers.set('/jwks', (_, response) => void response.writeHead(500).end())
  t.match(await s.as(away.token()).get('/me'), { status: 503, body: { code: 'issuer.unavailable' } })
})
