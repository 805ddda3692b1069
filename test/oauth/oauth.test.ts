// The OAuth endpoints as a client sees them: tokens for machines, narrowing, introspection, revocation, and every way in
// which a client can be wrong.
import { createVerifier, type Principal, type TenantryError } from '@tenantry/client'
import t, { type Test } from 'tap'
import { type Answer, aService, made } from '../support/service.ts'

const s = await aService(t)
const AUDIENCE = 'https://api.acme.example'

type Form = Record<string, string>
const basic = (id: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`,
})

const post = (path: string, form: Form | string, headers: Form = {}): Promise<Answer> =>
  s.stranger.post(path, typeof form === 'string' ? form : new URLSearchParams(form).toString(), {
    'content-type': 'application/x-www-form-urlencoded',
    ...headers,
  })

const token = (form: Form, headers?: Form): Promise<Answer> =>
  post('/oauth/token', { grant_type: 'client_credentials', audience: AUDIENCE, ...form }, headers)

const verify = (access_token: string): Promise<Principal> =>
  createVerifier({
    ...{ issuer: s.issuer, audience: AUDIENCE, clock: () => s.now },
    keys: async (kid) =>
      (await s.stranger.get('/.well-known/jwks.json')).body.keys.find((key: { kid: string }) => key.kid === kid),
  }).verify(access_token)

const acme = await s.aTenant({ owner: { user_id: 'user_olga' } })
const globex = await s.aTenant()
const key = await s.anApiKey({ tenant_id: acme.id, permissions: ['invoice:*', '*:read'], excludes: ['invoice:void'] })
const platform = await s.anApiKey({ permissions: ['*', 'tenantry.*'] })
const mine = basic(key.id, key.secret)

t.test('an API key gets a token of its own: by Basic, in the body, or as a Bearer key', async (t) => {
  const ways: [string, Form, Form][] = [
    ['Basic', {}, mine],
    ['the body', { client_id: key.id, client_secret: key.secret }, {}],
    ['a Bearer key', {}, { authorization: `Bearer ${key.secret}` }],
  ]
  for (const [name, form, headers] of ways) {
    const answer = await token(form, headers)
    t.match(answer, { status: 200, headers: { 'cache-control': 'no-store' }, body: { token_type: 'Bearer' } }, name)
    const principal = await verify(answer.body.access_token)
    t.match(principal, {
      ...{ tenant_id: acme.id, tenant_slug: acme.slug, client_id: key.id, user_id: null, membership_id: null },
      ...{ roles: [], permissions: [], grants: [{ permissions: ['invoice:*', '*:read'], excludes: ['invoice:void'] }] },
    })
    t.equal(principal.claims.sub, `api_key:${key.id}`)
    t.equal(principal.claims.exp - principal.claims.iat, answer.body.expires_in)
    t.ok(principal.holds('invoice:write') && !principal.holds('invoice:void'))
  }
})

t.test('a platform key names the tenant, in whichever way, and the names agree', async (t) => {
  const client = basic(platform.id, platform.secret)
  const resource = `${s.issuer}/tenants/${acme.id}`
  const ways: Form[] = [
    { tenant_id: acme.id },
    { tenant_slug: acme.slug },
    { scope: `tenant:${acme.slug}` },
    { resource },
    { tenant_id: acme.id, tenant_slug: acme.slug, scope: `tenant:${acme.slug} invoice:read`, resource },
  ]
  for (const form of ways) {
    const answer = await token(form, client)
    t.equal(answer.status, 200, `${JSON.stringify(form)}: ${answer.text}`)
    t.equal((await verify(answer.body.access_token)).tenant_id, acme.id)
  }
  const contradicting: Form[] = [
    { tenant_id: acme.id, resource: `${s.issuer}/tenants/${globex.id}` },
    { tenant_slug: acme.slug, scope: `tenant:${globex.slug}` },
    { scope: `tenant:${acme.slug} tenant:${globex.slug}` },
  ]
  for (const form of contradicting) {
    t.match(await token(form, client), { status: 400, body: { error: 'invalid_request' } }, JSON.stringify(form))
  }
})

t.test('a tenant that is not there, not active or not one’s own: one and the same answer', async (t) => {
  const asleep = await s.aTenant()
  await s.root.post(`/tenants/${asleep.id}/suspend`)
  const client = basic(platform.id, platform.secret)
  const tries: [string, () => Promise<Answer>][] = [
    ['none', () => token({}, client)],
    ['an unknown id', () => token({ tenant_id: '0197a0c2-6f5e-7b3a-9d53-0f6f6a5f2c11' }, client)],
    ['no id', () => token({ tenant_id: 'acme' }, client)],
    ['an unknown slug', () => token({ tenant_slug: 'nobody' }, client)],
    ['another issuer’s resource', () => token({ resource: `https://elsewhere.example/tenants/${acme.id}` }, client)],
    ['a suspended one', () => token({ tenant_id: asleep.id }, client)],
    ['somebody else’s', () => token({ tenant_id: globex.id }, mine)],
    ['somebody else’s slug', () => token({ tenant_slug: globex.slug }, mine)],
    ['an id and another’s slug', () => token({ tenant_id: acme.id, tenant_slug: globex.slug }, client)],
  ]
  const answers = new Set<string>()
  for (const [name, attempt] of tries) {
    const answer = await attempt()
    t.match(answer, { status: 400, body: { error: 'invalid_target' } }, name)
    answers.add(answer.text)
  }
  t.equal(answers.size, 1)
})

t.test('scope narrows, and never widens', async (t) => {
  const narrowed = made(await token({ scope: 'invoice:read report:read' }, mine))
  t.equal(narrowed.scope, 'invoice:read report:read')
  const principal = await verify(narrowed.access_token)
  t.ok(principal.holds('invoice:read') && principal.holds('report:read'))
  t.notOk(principal.holds('invoice:write') || principal.holds('order:read'))
  const pattern = await verify(made(await token({ scope: 'invoice:*' }, mine)).access_token)
  t.ok(pattern.holds('invoice:write'))
  t.notOk(pattern.holds('invoice:void'), 'what is excluded stays so')
  t.notOk(pattern.holds('order:read'))
  const everything = await verify(made(await token({ scope: '*' }, mine)).access_token)
  t.notOk(everything.holds('order:write'), 'asking for more gives no more')
  for (const scope of [
    'order:write',
    'invoice:void',
    'tenantry.membership:manage',
    'openid',
    'Invoice:Read',
    '*:*',
    '%',
  ]) {
    t.match(await token({ scope }, mine), { status: 400, body: { error: 'invalid_scope' } }, scope)
  }
})

t.test('a client that does not authenticate gets nothing, and is told how', async (t) => {
  const other = await s.anApiKey({ tenant_id: acme.id })
  const gone = await s.anApiKey({ tenant_id: acme.id })
  await s.root.delete(`/api-keys/${gone.id}`)
  const brief = await s.anApiKey({ tenant_id: acme.id, expires_at: s.instant(1) })
  s.advance(1)
  const { token: member } = await s.aMember(acme.id)
  const tries: [string, Form, Form][] = [
    ['nothing', {}, {}],
    ['an id alone', { client_id: key.id }, {}],
    ['the wrong secret', {}, basic(key.id, other.secret)],
    ['the wrong id', {}, basic(other.id, key.secret)],
    ['another id in the body', { client_id: other.id }, mine],
    ['a secret that is none', {}, basic(key.id, 'x')],
    ['a revoked key', {}, basic(gone.id, gone.secret)],
    ['a key that is over', {}, basic(brief.id, brief.secret)],
    ['a token', {}, { authorization: `Bearer ${member}` }],
    ['Basic of nothing', {}, { authorization: 'Basic' }],
    ['Basic without a colon', {}, { authorization: `Basic ${Buffer.from('x').toString('base64')}` }],
    ['Basic with a broken escape', {}, { authorization: `Basic ${Buffer.from('%zz:%').toString('base64')}` }],
    ['another scheme', {}, { authorization: 'Digest x' }],
  ]
  for (const path of ['/oauth/token', '/oauth/introspect', '/oauth/revoke']) {
    for (const [name, form, headers] of tries) {
      const body = { grant_type: 'client_credentials', audience: AUDIENCE, token: 'x', ...form }
      const answer = await post(path, body, headers)
      t.match(answer, { status: 401, body: { error: 'invalid_client' } }, `${path}: ${name}: ${answer.text}`)
      t.match(answer.headers, { 'www-authenticate': /^Basic /, 'cache-control': 'no-store' })
    }
  }
  const twice = await token({ client_id: key.id, client_secret: key.secret }, mine)
  t.match(twice, { status: 400, body: { error: 'invalid_request' } }, 'in two ways at once')
})

t.test('requests that are none are refused in OAuth’s own form', async (t) => {
  const form = 'application/x-www-form-urlencoded'
  const tries: [string, number, string, () => Promise<Answer>][] = [
    ['no grant type', 400, 'invalid_request', () => post('/oauth/token', { audience: AUDIENCE }, mine)],
    ['an empty one', 400, 'invalid_request', () => token({ grant_type: '' }, mine)],
    ['an unknown one', 400, 'unsupported_grant_type', () => token({ grant_type: 'password' }, mine)],
    ['a parameter twice', 400, 'invalid_request', () => post('/oauth/token', 'grant_type=a&grant_type=b', mine)],
    ['no audience', 400, 'invalid_target', () => token({ audience: '' }, mine)],
    ['Tenantry itself', 400, 'invalid_target', () => token({ audience: s.issuer }, mine)],
    ['JSON', 415, 'invalid_request', () => s.stranger.post('/oauth/token', { grant_type: 'x' }, mine)],
    ['no body', 400, 'invalid_request', () => s.stranger.post('/oauth/token', undefined, mine)],
    ['too large', 413, 'invalid_request', () => post('/oauth/token', `x=${'x'.repeat(70_000)}`, mine)],
    ['no token', 400, 'invalid_request', () => post('/oauth/introspect', {}, mine)],
    ['a long token', 400, 'invalid_request', () => post('/oauth/introspect', { token: 'x'.repeat(17_000) }, mine)],
    ['__proto__', 400, 'unsupported_grant_type', () => token({ grant_type: '__proto__', __proto__: 'x' }, mine)],
  ]
  for (const [name, status, error, attempt] of tries) {
    const answer = await attempt()
    t.match(answer, { status, body: { error } }, `${name}: ${answer.text}`)
    t.match(answer.body.error_description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
  }
  t.match(await s.root.post('/tenants', 'name=Form', { 'content-type': form }), { status: 415 }, 'and nowhere else')
  t.match(await s.stranger.get('/oauth/token'), { status: 405, headers: { allow: 'POST' } })
  t.equal((await token({ unknown: 'x', scope: '' }, mine)).status, 200, 'unknown and empty parameters are ignored')
})

const introspect = async (access_token: string, headers: Form = mine): Promise<Answer['body']> =>
  made(await post('/oauth/introspect', { token: access_token }, headers))

/** Everything that makes a token no good, and nobody learns why. */
const isDead = async (t: Test, access_token: string, name: string): Promise<void> => {
  t.same(await introspect(access_token), { active: false }, name)
}

t.test('introspection tells what is true at this moment', async (t) => {
  const { membership } = await s.aMember(acme.id, 'admin')
  const user = { tenant_id: acme.id, user_id: membership.user_id }
  const fresh = async (): Promise<string> =>
    made(await s.root.post('/tokens', { ...user, audience: AUDIENCE })).access_token
  const first = await fresh()
  t.match(await introspect(first), {
    ...{ active: true, token_type: 'Bearer', iss: s.issuer, sub: membership.user_id, aud: AUDIENCE },
    ...{ tenant_id: acme.id, membership_id: membership.id, roles: ['admin'] },
  })
  t.match(await introspect(first, basic(platform.id, platform.secret)), { active: true })
  const stranger = await s.anApiKey({ tenant_id: globex.id })
  t.same(await introspect(first, basic(stranger.id, stranger.secret)), { active: false }, 'of another tenant')
  t.match(await introspect(made(await token({}, mine)).access_token), { active: true, sub: `api_key:${key.id}` })

  for (const nothing of ['x', 'a.b.c', `${first}x`, `${first.slice(0, -3)}AAA`]) await isDead(t, nothing, nothing)
  await s.root.patch(`/memberships/${membership.id}`, { roles: ['viewer'] })
  await isDead(t, first, 'narrowed since')
  const second = await fresh()
  await s.root.post(`/memberships/${membership.id}/suspend`)
  await isDead(t, second, 'suspended')
  await s.root.post(`/memberships/${membership.id}/reactivate`)
  await isDead(t, second, 'and reactivated')
  const third = await fresh()
  s.advance(300)
  await isDead(t, third, 'over')
})

t.test('a token is revoked by its client, or by who manages members, and stays so', async (t) => {
  const issuing = await s.anApiKey({ tenant_id: acme.id, permissions: ['tenantry.token:issue'] })
  const managing = await s.anApiKey({ tenant_id: acme.id, permissions: ['tenantry.membership:manage'] })
  const { membership } = await s.aMember(acme.id)
  const fresh = async (): Promise<string> =>
    made(await s.as(issuing.secret).post('/tokens', { user_id: membership.user_id })).access_token
  const revoke = (access_token: string, headers: Form) => post('/oauth/revoke', { token: access_token }, headers)
  for (const by of [issuing, managing, platform]) {
    const [one, other] = [await fresh(), await fresh()]
    const answer = await revoke(one, basic(by.id, by.secret))
    t.equal(answer.status, 200, answer.text)
    t.same(await introspect(one), { active: false })
    t.match(await introspect(other), { active: true }, 'the others live on')
    t.match(await s.as(one).get(`/tenants/${acme.id}`), { status: 401, body: { code: 'token.stale' } })
    t.equal((await s.as(other).get(`/tenants/${acme.id}`)).status, 200)
    const revision = await s.revisionOf(acme.id)
    t.equal((await revoke(one, basic(by.id, by.secret))).status, 200)
    t.equal(await s.revisionOf(acme.id), revision, 'a second time nothing happens')
    const { body } = await s.root.get(`/events?tenant_id=${acme.id}&type=token.revoked&limit=200`)
    t.match(body.data.at(-1), { actor: { type: 'api_key', id: by.id }, data: { client_id: issuing.id } })
  }
  const kept = await fresh()
  const foreign = await s.anApiKey({ tenant_id: globex.id })
  t.match(await revoke(kept, mine), { status: 400, body: { error: 'unauthorized_client' } }, 'not by another client')
  t.equal(
    (await revoke(kept, basic(foreign.id, foreign.secret))).status,
    200,
    'nor by another tenant, who learns nothing',
  )
  t.equal((await revoke('nonsense', mine)).status, 200)
  t.match(await introspect(kept), { active: true })
})

t.test('machines’ tokens end with their key, at every verifier that follows', async (t) => {
  const brief = await s.anApiKey({ tenant_id: acme.id, permissions: ['invoice:read'], expires_at: s.instant(60) })
  const answer = made(await token({}, basic(brief.id, brief.secret)))
  t.ok(answer.expires_in <= 60, 'never later than the key')
  t.match(await introspect(answer.access_token), { active: true })
  await s.root.delete(`/api-keys/${brief.id}`)
  await isDead(t, answer.access_token, 'revoked')
  const refused = await s.as(made(await token({}, mine)).access_token).get(`/tenants/${acme.id}`)
  t.match(refused, { status: 401, body: { code: 'token.invalid' } }, 'on our own API the key is used, not its token')
})

t.test('whoever is signed out has no token left, and gets new ones', async (t) => {
  const { membership, caller, token: before } = await s.aMember(acme.id, 'viewer')
  const at = `/memberships/${membership.id}/sign-out`
  const { caller: peer } = await s.aMember(acme.id, 'viewer')
  t.match(await peer.post(at), { status: 403 }, 'not by just anybody')
  const { caller: admin } = await s.aMember(acme.id, 'admin')
  const olga = (await s.root.get(`/memberships?tenant_id=${acme.id}&user_id=user_olga`)).body.data[0]
  t.match(await admin.post(`/memberships/${olga.id}/sign-out`), { status: 403, body: { code: 'role.exceeds_own' } })
  const answer = await caller.post(at)
  t.match(answer, { status: 200, body: { signed_out_at: s.now.toISOString(), status: 'active', roles: ['viewer'] } })
  t.match(await s.as(before).get(`/tenants/${acme.id}`), { status: 401, body: { code: 'token.stale' } })
  await isDead(t, before, 'signed out')
  const after = await s.aToken(acme.id, membership.user_id)
  t.equal((await s.as(after).get(`/tenants/${acme.id}`)).status, 200)
  t.equal((await admin.post(at)).status, 200, 'by an admin')
  t.equal((await s.as(after).get(`/tenants/${acme.id}`)).status, 401)
})

t.test('a forged token is refused for what it is', async (t) => {
  const { access_token } = made(await token({}, mine))
  const [head = '', body = '', signature = ''] = access_token.split('.')
  const other = Buffer.from(
    JSON.stringify({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), tenant_id: globex.id }),
  )
  const forged = [head, other.toString('base64url'), signature].join('.')
  await isDead(t, forged, 'forged')
  const refused = await verify(forged).catch((error: TenantryError) => error.code)
  t.equal(refused, 'invalid_token')
})
