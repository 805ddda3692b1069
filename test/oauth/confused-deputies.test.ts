// Ways in which somebody's word might count where it does not, or for longer: each was found by trying.
import t from 'tap'
import { AUDIENCE, anIdentityProvider, aPair, signedWith } from '../support/identity-provider.ts'
import { type Answer, aService, made } from '../support/service.ts'

const s = await aService(t, { allow_loopback_issuers: true })
const idp = await anIdentityProvider(t, () => s.now)
const API = 'https://api.acme.example'
made(await s.root.post('/issuers', { issuer: idp.issuer, audiences: [AUDIENCE] }))
const acme = await s.aTenant({ owner: { user_id: 'olga' } })
const globex = await s.aTenant({ owner: { user_id: 'gus' } })
await s.aMembership(acme.id, { user_id: 'alice' })
await s.aMembership(globex.id, { user_id: 'alice', roles: ['owner'] })
const ACME = { tenant_id: acme.id, audience: API }
const HERE = { audience: s.issuer }
const tokenOf = (answer: Answer): string => made(answer).access_token
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
const as = ({ secret }: { secret: string }) => ({ authorization: `Bearer ${secret}` })
const seconds = () => Math.floor(s.now.getTime() / 1_000)
const actor = (token: string, type = 'id_token') => ({
  actor_token: token,
  actor_token_type: `urn:ietf:params:oauth:token-type:${type}`,
})

t.test('a tenant’s key turns what its service was sent into nothing that counts elsewhere', async (t) => {
  const key = await s.anApiKey({ tenant_id: acme.id, permissions: ['tenantry.token:issue'] })
  const sent = tokenOf(await s.exchange(idp.token(), ACME))
  const own = tokenOf(await s.exchange(sent, { tenant_id: acme.id }, as(key)))
  t.notOk('issuer_id' in claimsOf(own), 'it is the key’s word now')
  t.match(await s.exchange(own, { tenant_id: globex.id }), { status: 400, body: { error: 'invalid_target' } })
  t.equal((await s.as(own).get('/me/memberships')).body.data.length, 1)
})

t.test('an issuer that is deleted while it is asked vouches for nobody', async (t) => {
  const slow = await anIdentityProvider(t, () => s.now)
  const { id } = made(
    await s.root.post('/issuers', { issuer: slow.issuer, audiences: ['slow'], shares_user_ids: true }),
  )
  const asked = new Promise<() => void>((resolve) => {
    slow.answers.set('/jwks', (_, response) => resolve(() => response.end(JSON.stringify(slow.jwks))))
  })
  const pending = s.exchange(slow.token({ aud: 'slow' }), ACME)
  const answer = await asked
  t.equal((await s.root.delete(`/issuers/${id}`)).status, 204)
  answer()
  t.match(await pending, { status: 400, body: { error: 'invalid_request' } })
})

t.test(
  'delegation: who acts is whoever showed to be there, where he is known, and no longer than his token',
  async (t) => {
    const desk = await s.anApiKey({ permissions: ['tenantry.token:delegate', 'tenantry.token:issue'] })
    const first = await s.exchange(
      idp.token(),
      { ...ACME, ...actor(idp.token({ sub: 'susan', exp: seconds() + 20 })) },
      as(desk),
    )
    t.equal(made(first).expires_in, 20)
    s.advance(10)
    t.equal(made(await s.exchange(tokenOf(first), ACME, as(desk))).expires_in, 10, 'an exchange does not prolong it')

    await s.aMembership(acme.id, { user_id: 'xavier' })
    const forXavier = tokenOf(
      await s.exchange(idp.token({ sub: 'xavier' }), { ...ACME, ...actor(idp.token({ sub: 'susan' })) }, as(desk)),
    )
    t.match(await s.exchange(idp.token(), { ...ACME, ...actor(forXavier, 'jwt') }, as(desk)), {
      ...{ status: 400, body: { error: 'invalid_request' } },
    })

    await s.aMembership(acme.id, { user_id: 'gus' })
    const issuing = await s.anApiKey({ tenant_id: acme.id, permissions: ['tenantry.token:issue'] })
    const vouched = tokenOf(await s.as(issuing.secret).post('/tokens', { tenant_id: acme.id, user_id: 'gus' }))
    const inGlobex = { tenant_id: globex.id, audience: API }
    t.match(await s.exchange(idp.token(), { ...inGlobex, ...actor(vouched, 'jwt') }, as(desk)), {
      ...{ status: 400, body: { error: 'invalid_request' } },
    })
  },
)

t.test('one tenant that trusts the shared issuer too takes nobody’s list of tenants away', async (t) => {
  const gus = s.as(tokenOf(await s.exchange(idp.token({ sub: 'gus' }), { tenant_id: globex.id, ...HERE })))
  const dead = { issuer: idp.issuer, audiences: [AUDIENCE], jwks_uri: 'http://127.0.0.1:9/jwks' }
  const { id } = made(await gus.post('/issuers', dead))
  t.equal((await s.as(idp.token()).get('/me')).status, 200)
  t.equal((await s.as(idp.token()).get('/me/memberships')).body.data.length, 2)
  await gus.delete(`/issuers/${id}`)
})

t.test('strangers do not learn whom a tenant trusts, from no endpoint', async (t) => {
  const own = await anIdentityProvider(t, () => s.now)
  const gus = s.as(tokenOf(await s.exchange(idp.token({ sub: 'gus' }), { tenant_id: globex.id, ...HERE })))
  made(await gus.post('/issuers', { issuer: own.issuer, audiences: ['x'] }))
  made(await gus.post('/issuers', { issuer: 'http://127.0.0.1:9', audiences: ['x'] }))
  const forged = (iss: string) =>
    signedWith(aPair('nobody'), { iss, aud: 'x', sub: 'a', iat: seconds(), exp: seconds() + 60 })
  const told = new Set<string>()
  for (const iss of [own.issuer, 'http://127.0.0.1:9', 'https://evil.example']) {
    for (const tenant of [globex.id, acme.id]) {
      const me = await s.as(forged(iss)).get(`/me?tenant_id=${tenant}`)
      const exchanged = await s.exchange(forged(iss), { tenant_id: tenant, audience: API })
      told.add(`${me.status} ${me.body.detail} ${exchanged.status} ${exchanged.text}`)
    }
  }
  t.equal(told.size, 1)
})

t.test('an issuer without a prefix does not speak for the users of one that has one', async (t) => {
  const partner = await anIdentityProvider(t, () => s.now)
  const { id } = made(
    await s.root.post('/issuers', { issuer: partner.issuer, audiences: ['p'], user_id_prefix: 'partner:' }),
  )
  await s.aMembership(acme.id, { user_id: 'partner:bob' })
  t.equal((await s.exchange(partner.token({ sub: 'bob', aud: 'p' }), ACME)).status, 200)
  t.match(await s.exchange(idp.token({ sub: 'partner:bob' }), ACME), {
    status: 400,
    body: { error: 'invalid_request' },
  })
  await s.root.delete(`/issuers/${id}`)
})

t.test('a token stays with the key that vouched for it, whoever exchanges it', async (t) => {
  const [one, other] = [
    await s.anApiKey({ permissions: ['tenantry.token:issue'] }),
    await s.anApiKey({ permissions: ['invoice:read'] }),
  ]
  const vouched = tokenOf(await s.as(one.secret).post('/tokens', { tenant_id: acme.id, user_id: 'alice' }))
  const passed = tokenOf(await s.exchange(vouched, { tenant_id: acme.id, ...HERE }, as(other)))
  t.equal((await s.as(passed).get('/me')).status, 200)
  await s.root.delete(`/api-keys/${one.id}`)
  t.equal((await s.as(passed).get('/me')).status, 401)
})

t.test('a key of one tenant is not named in another’s tokens', async (t) => {
  const key = await s.anApiKey({ tenant_id: acme.id, permissions: ['invoice:read'] })
  const inAcme = tokenOf(await s.exchange(idp.token(), { tenant_id: acme.id, ...HERE }, as(key)))
  t.equal(claimsOf(inAcme).client_id, key.id)
  const inGlobex = claimsOf(tokenOf(await s.exchange(inAcme, { tenant_id: globex.id, audience: API })))
  t.equal(inGlobex.client_id, inGlobex.issuer_id)
})

t.test('an issuer for authenticated clients stays that, through a token of ours too', async (t) => {
  const closed = await anIdentityProvider(t, () => s.now)
  const input = { issuer: closed.issuer, audiences: ['c'], client_auth_required: true, shares_user_ids: true }
  made(await s.root.post('/issuers', input))
  const key = await s.anApiKey({ permissions: ['invoice:read'] })
  const own = tokenOf(await s.exchange(closed.token({ aud: 'c' }), { tenant_id: acme.id, ...HERE }, as(key)))
  t.equal((await s.exchange(own, ACME, as(key))).status, 200)
  t.match(await s.exchange(own, ACME), { status: 400, body: { error: 'invalid_request' } })
})
