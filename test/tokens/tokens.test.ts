// Tokens: what they say, for whom they are issued, and that anybody can verify them with what is published.
import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { createVerifier, decide, factsOf, type TokenClaims } from '@tenantry/client'
import t from 'tap'
import { aService } from '../support/service.ts'

const AUDIENCE = 'https://invoices.example'
const s = await aService(t, { now: new Date('2026-03-01T09:30:00.250Z'), audiences: [AUDIENCE, 'urn:orders'] })

const { id: tenant_id, slug } = await s.aTenant({ slug: 'acme', owner: { user_id: 'user_olga' } })
const vera = await s.aMembership(tenant_id, { user_id: 'user_vera', roles: ['viewer', 'admin'] })

const decode = (part: string | undefined): Record<string, unknown> =>
  JSON.parse(Buffer.from(part ?? '', 'base64url').toString())
const headerOf = (token: string) => decode(token.split('.')[0])
const claimsOf = (token: string) => decode(token.split('.')[1])
const issue = (body = {}) => s.root.post('/tokens', { tenant_id, user_id: 'user_vera', ...body })

/** What a downstream service has: the published keys, over its own fetch. */
const fetchFromService: typeof fetch = async (input) => {
  const { pathname } = new URL(input instanceof Request ? input.url : input)
  const { status, text, headers } = await s.stranger.get(pathname)
  return new Response(text, { status, headers: { 'content-type': String(headers['content-type']) } })
}
const verifierFor = (audience: string) =>
  createVerifier({ issuer: s.issuer, audience, clock: () => s.now, fetch: fetchFromService })

t.test('a token says who, where, with which rights, until when, and as of which revisions', async (t) => {
  const answer = await issue({ audience: AUDIENCE })
  t.equal(answer.status, 200)
  t.equal(answer.headers['cache-control'], 'no-store')
  const { access_token, ...rest } = answer.body
  t.same(rest, { token_type: 'Bearer', expires_in: 300 })
  const { keys } = (await s.stranger.get('/.well-known/jwks.json')).body
  t.same(headerOf(access_token), { alg: 'ES256', typ: 'at+jwt', kid: keys[0].kid })
  const iat = Math.floor(s.now.getTime() / 1000)
  const root_id = (await s.root.get('/api-keys')).body.data[0].id
  const [platform] = await s.test_database.superuser(
    `select revision::int as revision from tenantry.histories where id = '00000000-0000-0000-0000-000000000000'`,
  )
  const { jti, ...claims } = claimsOf(access_token)
  t.match(jti, /^[0-9a-f-]{36}$/)
  t.same(claims, {
    iss: s.issuer,
    sub: 'user_vera',
    aud: AUDIENCE,
    exp: iat + 300,
    iat,
    client_id: root_id,
    tenant_id,
    tenant_slug: slug,
    membership_id: vera.id,
    roles: ['admin', 'viewer'],
    permissions: [],
    grants: [
      {
        permissions: ['*', 'tenantry.*'],
        excludes: ['billing:*', 'tenantry.tenant:delete', 'tenantry.ownership:transfer'],
      },
      { permissions: ['*:read', 'tenantry.tenant:read'], excludes: ['billing:*'] },
    ],
    rev: { [tenant_id]: await s.revisionOf(tenant_id), platform: platform?.revision },
  })
  t.not(claimsOf((await issue()).body.access_token).jti, jti, 'every token has an id of its own')
  t.ok(access_token.length < 4_096)
})

t.test('without an audience a token is for this service itself', async (t) => {
  const { access_token } = (await issue()).body
  t.equal(claimsOf(access_token).aud, s.issuer)
  t.equal((await s.as(access_token).get('/memberships')).status, 200)
})

t.test('client_id is the key that asked', async (t) => {
  const key = await s.anApiKey({ tenant_id, permissions: ['tenantry.token:issue'] })
  const { body } = await s.as(key.secret).post('/tokens', { user_id: 'user_vera' })
  t.equal(claimsOf(body.access_token).client_id, key.id)
  t.equal(claimsOf(body.access_token).tenant_id, tenant_id, 'and the tenant is the key’s own')
})

t.test('a token lasts from a second to an hour, and the time is that of the clock', async (t) => {
  for (const ttl_seconds of [1, 3_600]) {
    const { body } = await issue({ ttl_seconds })
    t.equal(body.expires_in, ttl_seconds)
    const { exp, iat } = claimsOf(body.access_token)
    t.equal(Number(exp) - Number(iat), ttl_seconds)
  }
  for (const ttl_seconds of [0, -1, 3_601, 1.5, '300', null]) {
    t.match(
      (await issue({ ttl_seconds })).body,
      { code: 'request.invalid', errors: [{ pointer: '/ttl_seconds' }] },
      String(ttl_seconds),
    )
  }
  const { access_token } = (await issue({ ttl_seconds: 10 })).body
  s.advance(9)
  t.equal((await s.as(access_token).get('/memberships')).status, 200)
  s.advance(1)
  t.match(await s.as(access_token).get('/memberships'), { status: 401, body: { code: 'token.invalid' } })
})

t.test('a token never outlives the membership that it rests on', async (t) => {
  await s.aMembership(tenant_id, { user_id: 'user_temp', expires_at: s.instant(60.4) })
  const { body } = await s.root.post('/tokens', { tenant_id, user_id: 'user_temp', ttl_seconds: 3_600 })
  const end = s.now.getTime() + 60_400
  t.ok(Number(claimsOf(body.access_token).exp) * 1000 <= end)
  t.equal(claimsOf(body.access_token).exp, Math.floor(end / 1000))
  t.equal(body.expires_in, Number(claimsOf(body.access_token).exp) - Number(claimsOf(body.access_token).iat))
  t.equal((await s.root.post('/tokens', { tenant_id, user_id: 'user_temp', ttl_seconds: 5 })).body.expires_in, 5)
  s.advance(Math.floor(end / 1000) - s.now.getTime() / 1000)
  const within = await s.root.post('/tokens', { tenant_id, user_id: 'user_temp' })
  t.match(within, { status: 409, body: { code: 'membership.expired' } }, 'within its last second there is none')
})

t.test('only an active member of an active tenant gets a token', async (t) => {
  const ask = (user_id: string, of = tenant_id) => s.root.post('/tokens', { tenant_id: of, user_id })
  t.match(await ask('user_nobody'), { status: 404, body: { code: 'membership.not_found' } })
  t.match(await ask('user_vera', '0197a0c2-6f5e-7b3a-9d53-0f6f6a5f2c11'), {
    status: 404,
    body: { code: 'tenant.not_found' },
  })
  const { id } = await s.aMembership(tenant_id, { user_id: 'user_gone' })
  await s.root.post(`/memberships/${id}/suspend`)
  t.match(await ask('user_gone'), { status: 409, body: { code: 'membership.suspended' } })
  await s.aMembership(tenant_id, { user_id: 'user_over', expires_at: s.instant(1) })
  s.advance(1)
  t.match(await ask('user_over'), { status: 409, body: { code: 'membership.expired' } })
  const other = await s.aTenant({ owner: { user_id: 'user_vera' } })
  await s.root.post(`/tenants/${other.id}/suspend`)
  t.match(await ask('user_vera', other.id), { status: 409, body: { code: 'tenant.not_active' } })
  t.match(await s.root.post('/tokens', { user_id: 'user_vera' }), { status: 400, body: { code: 'tenant.required' } })
})

t.test('a user in two tenants has a token of each, and neither opens the other', async (t) => {
  const other = await s.aTenant({ owner: { user_id: 'user_vera' } })
  const [here, there] = [await s.aToken(tenant_id, 'user_vera'), await s.aToken(other.id, 'user_vera')]
  t.same([claimsOf(here).tenant_id, claimsOf(there).tenant_id], [tenant_id, other.id])
  t.same(claimsOf(there).roles, ['owner'])
  t.same(Object.keys(claimsOf(there).rev as object).sort(), [other.id, 'platform'].sort(), 'nothing of other tenants')
  t.equal((await s.as(there).get(`/tenants/${tenant_id}`)).status, 404)
  t.equal((await s.as(here).get(`/tenants/${other.id}`)).status, 404)
})

t.test('where audiences are set, tokens are for those and for the service itself', async (t) => {
  for (const audience of [s.issuer, AUDIENCE, 'urn:orders']) t.equal((await issue({ audience })).status, 200, audience)
  for (const audience of [
    'https://elsewhere.example',
    `${AUDIENCE}/`,
    AUDIENCE.toUpperCase(),
    'urn:orders,urn:other',
  ]) {
    const answer = await issue({ audience })
    t.match(answer, { status: 422, body: { code: 'audience.unknown', errors: [{ pointer: '/audience' }] } }, audience)
  }
  for (const audience of ['', 'a b', 'ä', 'x'.repeat(256), ['a']]) {
    t.equal((await issue({ audience })).status, 400, String(audience))
  }
})

t.test('the published keys are public and no more, named by their thumbprint, and may be cached', async (t) => {
  const { status, headers, body } = await s.stranger.get('/.well-known/jwks.json')
  t.equal(status, 200)
  t.equal(headers['cache-control'], 'public, max-age=300')
  for (const key of body.keys) {
    t.same(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    const { crv, kty, x, y } = key
    t.equal(key.kid, createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url'), 'RFC 7638')
    t.match(key, { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' })
    t.doesNotThrow(() => createPublicKey({ key, format: 'jwk' }))
  }
})

t.test('the private key lies sealed in the database', async (t) => {
  const [row] = await s.test_database.superuser(
    `select sealed_private_key as sealed, to_jsonb(k)::text as row from tenantry.signing_keys k`,
  )
  const sealed = Buffer.from(row?.sealed as Uint8Array)
  t.notOk(
    sealed.includes(Buffer.from('06082a8648ce3d030107', 'hex')),
    'the name of the curve, which every such key holds',
  )
  t.notMatch(row?.row, /"d"/)
})

t.test('discovery documents tell the issuer and its keys, the same in both places', async (t) => {
  const [oauth, openid] = [
    await s.stranger.get('/.well-known/oauth-authorization-server'),
    await s.stranger.get('/.well-known/openid-configuration'),
  ]
  t.same(oauth.body, openid.body)
  t.match(oauth.body, { issuer: s.issuer, jwks_uri: `${s.issuer}/.well-known/jwks.json`, response_types_supported: [] })
  t.same(oauth.body.id_token_signing_alg_values_supported, ['ES256'])
  t.equal((await s.stranger.get(new URL(oauth.body.jwks_uri).pathname)).status, 200)
})

t.test('whoever is turned away is told where to learn how tokens are had (RFC 9728)', async (t) => {
  const resource_metadata = `${s.issuer}/.well-known/oauth-protected-resource`
  const tries: [string | undefined, string][] = [
    [undefined, ''],
    ['nonsense', ', error="invalid_token"'],
    ['eyJ.x.x', ', error="invalid_token"'],
  ]
  for (const [credential, error] of tries) {
    const { status, headers } = await s.as(credential).get('/memberships')
    t.equal(status, 401)
    t.equal(headers['www-authenticate'], `Bearer realm="tenantry", resource_metadata="${resource_metadata}"${error}`)
  }
  const basic = await s.stranger.get('/memberships', { authorization: 'Basic eDp5' })
  t.notMatch(basic.headers['www-authenticate'], /error/, 'RFC 6750 §3.1: no error for another scheme')
  const { status, headers, body } = await s.stranger.get(new URL(resource_metadata).pathname)
  t.equal(status, 200)
  t.equal(headers['cache-control'], 'public, max-age=300')
  t.match(body, { resource: s.issuer, authorization_servers: [s.issuer], bearer_methods_supported: ['header'] })
})

t.test('a service that knows only the issuer verifies a token offline, and decides as the service does', async (t) => {
  const { access_token } = (await issue({ audience: AUDIENCE })).body
  const principal = await verifierFor(AUDIENCE).verify(access_token)
  t.match(principal, { user_id: 'user_vera', tenant_id, membership_id: vera.id, roles: ['admin', 'viewer'] })
  for (const [type, name] of [
    ['invoice', 'delete'],
    ['billing', 'read'],
    ['tenantry.membership', 'manage'],
    ['tenantry.token', 'issue'],
    ['invoice', '*'],
  ] as const) {
    const permission = `${type}:${name}`
    const online = await s.root.post('/access/v1/evaluation', {
      ...{ subject: { type: 'user', id: 'user_vera' }, action: { name }, resource: { type, id: 'x' } },
      context: { tenant_id, explain: true },
    })
    const offline = decide(factsOf(principal.claims), { tenant_id, permission }, s.now)
    t.same({ decision: online.body.decision, reason: online.body.context.reason }, offline, permission)
    t.equal(principal.holds(permission), offline.decision)
  }
  await t.rejects(verifierFor('https://orders.example').verify(access_token), {
    code: 'invalid_token',
    reason: 'audience',
  })
  s.advance(300)
  await t.rejects(verifierFor(AUDIENCE).verify(access_token), { code: 'invalid_token', reason: 'expired' })
})

t.test('the service takes no token that was not signed by itself just so', async (t) => {
  const { access_token } = (await issue()).body
  const [header = '', payload = '', signature = ''] = access_token.split('.')
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signed = (head: object, claims: object): string => {
    const text = `${encode(head)}.${encode(claims)}`
    return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
  const head = headerOf(access_token)
  const claims = claimsOf(access_token) as TokenClaims & Record<string, unknown>
  const forged: Record<string, string> = {
    'without a signature': `${header}.${payload}.`,
    'unsigned by its own word': `${encode({ alg: 'none', typ: 'at+jwt' })}.${payload}.`,
    'with another payload': `${header}.${encode({ ...claims, sub: 'user_olga' })}.${signature}`,
    'signed by somebody else': signed(head, claims),
    'signed by somebody else, with a key of its own': signed({ ...head, jwk: {}, kid: 'mine' }, claims),
    'with an address to fetch keys from': signed({ ...head, jku: 'http://127.0.0.1/keys' }, claims),
    'of another type': signed({ ...head, typ: 'JWT' }, claims),
    'with a changed signature': `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
    'with a padded signature': `${access_token}=`,
    'with four parts': `${access_token}.x`,
  }
  for (const [name, token] of Object.entries(forged)) {
    t.match(await s.as(token).get('/memberships'), { status: 401, body: { code: 'token.invalid' } }, name)
  }
  t.equal((await s.as(access_token).get('/memberships')).status, 200)
})
