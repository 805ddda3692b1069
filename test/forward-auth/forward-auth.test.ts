// What a gateway is answered, for every credential that a client can show it, and asked in the way of each gateway.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import t from 'tap'
import { parse } from 'yaml'
import { operation, responsesOf } from '../contract/contract.ts'
import { type Answer, aService, made } from '../support/service.ts'

const AUDIENCE = 'https://invoices.example'
const s = await aService(t)
const acme = await s.aTenant({ slug: 'acme' })
const globex = await s.aTenant({ slug: 'globex' })

const guide = readFileSync(new URL('../../docs/gateways.md', import.meta.url), 'utf8')
/** A configuration as the guide shows it. */
const shown = (gateway: string) =>
  parse(new RegExp(`^\`\`\`yaml ${gateway}\\n(.*?)^\`\`\``, 'ms').exec(guide)?.[1] ?? '')

type Query = Record<string, string>

const addressOf = (query: Query): string => `/forward-auth?${new URLSearchParams({ audience: AUDIENCE, ...query })}`
const ask = (credential: string | undefined, query: Query = {}, headers?: Record<string, string>): Promise<Answer> =>
  s.as(credential).get(addressOf(query), headers)

/** A new member's token for the audience, unless the test says otherwise. */
const aBearer = async (tenant_id = acme.id, role = 'member', more: object = {}) => {
  const membership = await s.aMembership(tenant_id, { roles: [role], ...more })
  return { membership, token: await s.aToken(tenant_id, membership.user_id, { audience: AUDIENCE }) }
}

const aMachine = async (tenant_id = acme.id, permissions = ['invoice:read']) => {
  const key = await s.anApiKey({ tenant_id, permissions })
  const form = new URLSearchParams({ grant_type: 'client_credentials', audience: AUDIENCE })
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const { access_token } = made(await s.as(key.secret).post('/oauth/token', String(form), headers))
  return { key, token: access_token as string }
}

const identityIn = ({ headers }: Answer) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('tenantry-')))

const refused = (status: number, code: string) => ({ status, body: { code, status } })

t.test('a member’s token goes through, and the answer says whose it is', async (t) => {
  const { membership, token } = await aBearer(acme.id, 'admin')
  const answer = await ask(token)
  t.match(answer, { status: 200, text: '', headers: { 'cache-control': 'no-store' } })
  t.same(identityIn(answer), {
    'tenantry-tenant-id': acme.id,
    'tenantry-tenant-slug': 'acme',
    'tenantry-user-id': membership.user_id,
    'tenantry-membership-id': membership.id,
    'tenantry-roles': 'admin',
    'tenantry-client-id': (await s.root.get('/api-keys')).body.data[0].id,
    'tenantry-actor': '',
  })
})

t.test('a machine’s token goes through; every header is there, empty where there is no user', async (t) => {
  const { key, token } = await aMachine()
  t.same(identityIn(await ask(token, { permission: 'invoice:read' })), {
    'tenantry-tenant-id': acme.id,
    'tenantry-tenant-slug': 'acme',
    'tenantry-user-id': '',
    'tenantry-membership-id': '',
    'tenantry-roles': '',
    'tenantry-client-id': key.id,
    'tenantry-actor': '',
  })
  t.match(await ask(token, { permission: 'invoice:write' }), refused(403, 'permission.missing'))
  t.match(await ask(token, { role: 'viewer' }), refused(403, 'role.missing'), 'machines have no roles')
})

t.test('a tenant’s API key goes through only where the gateway says so, a platform key nowhere', async (t) => {
  const { key } = await aMachine()
  t.match(await ask(key.secret), refused(401, 'credential.invalid'))
  t.match(await ask(key.secret, { api_keys: 'false' }), refused(401, 'credential.invalid'))
  const answer = await ask(key.secret, { api_keys: 'true', permission: 'invoice:read' })
  t.equal(answer.status, 200)
  t.match(identityIn(answer), { 'tenantry-tenant-id': acme.id, 'tenantry-user-id': '', 'tenantry-client-id': key.id })
  t.match(await ask(key.secret, { api_keys: 'true', permission: 'invoice:write' }), refused(403, 'permission.missing'))
  const platform = await s.anApiKey({ permissions: ['*'] })
  for (const secret of [platform.secret, s.root_api_key, `${key.secret.slice(0, -1)}~`]) {
    t.match(await ask(secret, { api_keys: 'true' }), refused(401, 'credential.invalid'))
  }
  await s.root.delete(`/api-keys/${key.id}`)
  t.match(await ask(key.secret, { api_keys: 'true' }), refused(401, 'credential.invalid'), 'a revoked one')
})

t.test('a request without a good credential is 401 with a challenge', async (t) => {
  const { token } = await aBearer()
  const [header, payload] = token.split('.')
  const cases: [string, Record<string, string>, string, string][] = [
    ['none', {}, 'credential.missing', 'Bearer realm="tenantry"'],
    ['another scheme', { authorization: 'Basic eDp5' }, 'credential.missing', 'Bearer realm="tenantry"'],
    ['the scheme alone', { authorization: 'Bearer' }, 'credential.invalid', 'error="invalid_token"'],
    ['two tokens', { authorization: `Bearer ${token} ${token}` }, 'credential.invalid', 'error="invalid_token"'],
    ['nonsense', { authorization: 'Bearer nothing' }, 'credential.invalid', 'error="invalid_token"'],
    ['a token that is none', { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' }, 'token.invalid', 'invalid_token'],
    [
      'a forged one',
      { authorization: `Bearer ${header}.${payload}.${'A'.repeat(86)}` },
      'token.invalid',
      'invalid_token',
    ],
    ['a huge one', { authorization: `Bearer eyJ${'a'.repeat(15_000)}` }, 'token.invalid', 'invalid_token'],
    ['a cookie', { cookie: `token=${token}` }, 'credential.missing', 'Bearer realm="tenantry"'],
  ]
  for (const [name, headers, code, challenge] of cases) {
    const answer = await ask(undefined, {}, headers)
    t.match(answer, refused(401, code), name)
    t.match(answer.headers['www-authenticate'], challenge, name)
    t.same(identityIn(answer), {}, name)
  }
})

t.test('a token must be for the audience; an absent audience is this service, never any', async (t) => {
  const { membership, token } = await aBearer()
  const forUs = await s.aToken(acme.id, membership.user_id)
  const withoutAudience = (credential: string) => s.as(credential).get('/forward-auth')
  t.equal((await ask(token)).status, 200)
  t.match(await ask(token, { audience: 'https://other.example' }), refused(401, 'token.invalid'))
  t.match(await ask(forUs), refused(401, 'token.invalid'))
  t.match(await withoutAudience(token), refused(401, 'token.invalid'))
  t.equal((await withoutAudience(forUs)).status, 200)
  t.match(await s.as(token).get('/forward-auth?audience='), refused(400, 'request.invalid'), 'an empty one')
})

t.test('a token is over with its time', async (t) => {
  const { token } = await aBearer()
  s.advance(299)
  t.equal((await ask(token)).status, 200)
  s.advance(1)
  t.match(await ask(token), refused(401, 'token.invalid'))
})

t.test('whatever narrows access works at the next request', async (t) => {
  const changes: [string, (membership_id: string) => Promise<Answer>][] = [
    ['a demotion', (id) => s.root.patch(`/memberships/${id}`, { roles: ['viewer'] })],
    ['a suspended membership', (id) => s.root.post(`/memberships/${id}/suspend`)],
    ['a sign-out', (id) => s.root.post(`/memberships/${id}/sign-out`)],
    ['a removal', (id) => s.root.delete(`/memberships/${id}`)],
  ]
  for (const [name, change] of changes) {
    const { membership, token } = await aBearer()
    t.equal((await ask(token)).status, 200)
    await change(membership.id)
    const answer = await ask(token)
    t.match(answer, refused(401, 'token.stale'), name)
    t.match(answer.headers['www-authenticate'], 'invalid_token', name)
  }
  const { membership, token } = await aBearer()
  await s.root.post('/oauth/revoke', `token=${token}`, { 'content-type': 'application/x-www-form-urlencoded' })
  t.match(await ask(token), refused(401, 'token.stale'), 'the token alone')
  const again = await s.aToken(acme.id, membership.user_id, { audience: AUDIENCE })
  t.equal((await ask(again)).status, 200, 'and another of the same member is good')
  const machine = await aMachine()
  await s.root.delete(`/api-keys/${machine.key.id}`)
  t.match(await ask(machine.token), refused(401, 'token.stale'), 'the key behind a machine’s token')
})

t.test('a membership that ends, ends its token', async (t) => {
  const { token } = await aBearer(acme.id, 'member', { expires_at: s.instant(100) })
  s.advance(100)
  t.match(await ask(token), { status: 401 })
})

t.test('in a suspended tenant every credential is 403, and good again when it is reactivated', async (t) => {
  const tenant = await s.aTenant()
  const { key, token: machine } = await aMachine(tenant.id)
  const { token } = await aBearer(tenant.id)
  const credentials = [token, machine, key.secret]
  await s.root.post(`/tenants/${tenant.id}/suspend`)
  for (const credential of credentials) {
    t.match(await ask(credential, { api_keys: 'true' }), refused(403, 'tenant.suspended'))
  }
  await s.root.post(`/tenants/${tenant.id}/reactivate`)
  t.equal((await ask(key.secret, { api_keys: 'true' })).status, 200)
  t.match(await ask(token), refused(401, 'token.stale'), 'tokens from before stay over, as everywhere')
  await s.root.delete(`/tenants/${tenant.id}`)
  t.match(await ask(key.secret, { api_keys: 'true' }), refused(403, 'tenant.suspended'), 'on its way out')
})

t.test(
  'another tenant than the gateway lets through is 403, and whether there is such a one does not show',
  async (t) => {
    const { token } = await aBearer()
    t.equal((await ask(token, { tenant_id: acme.id, tenant_slug: 'acme' })).status, 200)
    const nobody = '0197a0c2-6f5e-7b3a-9d53-0f6f6a5f2c11'
    const answers = await Promise.all([
      ask(token, { tenant_id: globex.id }),
      ask(token, { tenant_id: nobody }),
      ask(token, { tenant_slug: 'globex' }),
      ask(token, { tenant_slug: 'no-such-tenant' }),
      ask(token, { tenant_id: acme.id, tenant_slug: 'globex' }),
    ])
    for (const answer of answers) t.match(answer, refused(403, 'tenant.mismatch'))
    t.equal(new Set(answers.map(({ body }) => JSON.stringify({ ...body, request_id: '' }))).size, 1)
  },
)

t.test('a permission and a role are asked of the bearer as they are now', async (t) => {
  const viewer = await aBearer(acme.id, 'viewer')
  t.equal((await ask(viewer.token, { permission: 'invoice:read', role: 'viewer' })).status, 200)
  t.match(await ask(viewer.token, { permission: 'invoice:write' }), refused(403, 'permission.missing'))
  t.match(await ask(viewer.token, { role: 'member' }), refused(403, 'role.missing'))
  t.equal((await ask((await aBearer(acme.id, 'owner')).token, { role: 'admin' })).status, 200, 'or a role above')
  await s.root.patch(`/memberships/${viewer.membership.id}`, { roles: ['viewer', 'admin'] })
  const promoted = await ask(viewer.token, { role: 'viewer' })
  t.match(promoted, { status: 200, headers: { 'tenantry-roles': 'viewer' } }, 'never more than the token says')
  t.match(await ask(viewer.token, { permission: 'invoice:write' }), refused(403, 'permission.missing'))
})

t.test('a narrowed token has the permissions that it was narrowed to, and no roles', async (t) => {
  const { token } = await aBearer(acme.id, 'owner')
  const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const form = new URLSearchParams({
    ...{ grant_type, subject_token: token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
    ...{ tenant_id: acme.id, audience: AUDIENCE, scope: 'invoice:read' },
  })
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const narrowed = made(await s.root.post('/oauth/token', String(form), headers)).access_token
  t.match(await ask(narrowed, { permission: 'invoice:read' }), { status: 200, headers: { 'tenantry-roles': '' } })
  t.match(await ask(narrowed, { permission: 'invoice:write' }), refused(403, 'permission.missing'))
  t.match(await ask(narrowed, { role: 'viewer' }), refused(403, 'role.missing'))
})

t.test('whatever a user id holds, a header holds it encoded', async (t) => {
  for (const user_id of ['auth0|5f', 'vera@acme.example', 'Věra, 100 %; "x"', '田中\u2028😀', `${'田'.repeat(255)}`]) {
    const { token } = await aBearer(acme.id, 'member', { user_id })
    const { status, headers } = await ask(token)
    t.equal(status, 200)
    t.match(headers['tenantry-user-id'], /^[\w.!~*'()%-]+$/)
    t.equal(decodeURIComponent(String(headers['tenantry-user-id'])), user_id)
  }
})

t.test('a question that the contract does not know is 400, and lets nobody through', async (t) => {
  const { token } = await aBearer()
  for (const query of [
    ...['tenant_id=acme', 'tenant_slug=-', 'permission=invoice', 'permission=*', 'permission=invoice:*', 'permission='],
    ...['role=', 'role=Admin', 'permission=invoice:read%0d%0aX:y', 'tenant_slug=acme%0d%0aTenantry-Roles:%20owner'],
    ...['api_keys=yes', 'unknown=1', `audience=${AUDIENCE}&audience=https://other.example`, 'role=viewer&role=owner'],
  ]) {
    const answer = await s
      .as(token)
      .get(`/forward-auth?${query.includes('audience') ? '' : `audience=${AUDIENCE}&`}${query}`)
    t.match(answer, refused(400, 'request.invalid'), query)
    t.same(identityIn(answer), {}, query)
  }
})

t.test('every method is answered alike, whatever body comes with it', async (t) => {
  const { token } = await aBearer()
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const) {
    const answer = await s.as(token).call(method, addressOf({}))
    t.match(answer, { status: 200, text: '', headers: { 'tenantry-tenant-id': acme.id } }, method)
    t.equal((await s.stranger.call(method, addressOf({}))).status, 401, method)
    t.equal((await s.as(token).call(method, addressOf({ permission: 'billing:write' }))).status, 403, method)
  }
  const bodies: [string | undefined, Record<string, string>][] = [
    ['{"', { 'content-type': 'application/json' }],
    ['x'.repeat(100_000), { 'content-type': 'multipart/form-data; boundary=x' }],
    ['hello', { 'content-type': 'nonsense' }],
    ['hello', {}],
    [undefined, { 'content-type': 'text/plain', 'content-length': '0' }],
  ]
  for (const [body, headers] of bodies) {
    t.equal((await s.as(token).call('POST', addressOf({}), body, headers)).status, 200, JSON.stringify(headers))
  }
})

t.test('a body that nobody reads does not spoil the connection for the next request', async (t) => {
  const { token } = await aBearer()
  const address = await s.service.app.fastify.listen({ host: '127.0.0.1', port: 0 })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ports = new Set<number | undefined>()
  for (const body of ['x'.repeat(1_000_000), '', 'x'.repeat(1_000_000), '']) {
    const headers = { authorization: `Bearer ${token}`, 'content-length': body.length }
    const request = http.request(address + addressOf({}), { agent, headers, method: 'POST' }).end(body)
    const [response] = await once(request, 'response')
    await response.resume().toArray()
    t.equal(response.statusCode, 200)
    ports.add(request.socket?.localPort)
  }
  t.equal(ports.size, 1)
})

t.test('what Traefik passes along of the original request decides nothing', async (t) => {
  const { address, authResponseHeaders: copied } = shown('traefik').http.middlewares.tenantry.forwardAuth
  const traefik = (credential: string | undefined, headers: Record<string, string>) =>
    s.as(credential).get(address.replace('http://127.0.0.1:3000', ''), headers)
  const { token } = await aBearer(acme.id, 'viewer')
  const original = {
    'x-forwarded-method': 'POST',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'app.example',
    'x-forwarded-uri': '/invoices?audience=https://other.example&permission=order:read',
    'x-forwarded-for': '203.0.113.7',
    'content-type': 'application/json',
    'content-length': '17',
    'tenantry-tenant-id': globex.id,
    'tenantry-roles': 'owner',
    'idempotency-key': 'k',
  }
  const answer = await traefik(token, original)
  t.match(answer, { status: 200, headers: { 'tenantry-tenant-id': acme.id, 'tenantry-roles': 'viewer' } })
  const { token: machine } = await aMachine(acme.id, ['order:read'])
  t.match(await traefik(machine, original), refused(403, 'permission.missing'))
  t.match(await traefik(undefined, original), refused(401, 'credential.missing'))
  const names = Object.keys(responsesOf(operation('authorizeRequest'))['200']?.headers ?? {})
  t.same(
    copied,
    names.filter((name) => name.startsWith('Tenantry-')),
    'all headers of the answer are copied',
  )
})

t.test('what Envoy appends to its path_prefix stays the value of original_uri, and adds no question', async (t) => {
  const prefix = shown('envoy').http_filters[0].typed_config.http_service.path_prefix
  const { token } = await aBearer()
  const forUs = (await s.aMember(acme.id)).token
  const { token: machine } = await aMachine(acme.id, ['order:read'])
  const envoy = (credential: string, original: string) =>
    s.as(credential).call('PATCH', `${prefix}${original}`, undefined, { 'content-length': '0' })
  for (const original of [
    ...['/', '/invoices/1?from=a&to=b', '/?audience=x&audience=y', `/?tenant_id=${globex.id}`, '/%zz?%&&=#?'],
    ...['/../../livez', '/?original_uri=/x&role=owner', `/${'a'.repeat(9_000)}`],
  ]) {
    t.equal((await envoy(token, original)).status, 200, original.slice(0, 40))
    t.match(await envoy(machine, original), refused(403, 'permission.missing'), original.slice(0, 40))
  }
  const ours = encodeURIComponent(s.issuer)
  t.match(await envoy(forUs, `/?audience=${ours}`), refused(401, 'token.invalid'), 'no audience of the client’s choice')
  const key = await s.anApiKey({ tenant_id: acme.id, permissions: ['*'] })
  t.match(await envoy(key.secret, '/?api_keys=true'), refused(401, 'credential.invalid'))
  t.equal((await s.as(forUs).get('/forward-auth?original_uri=/invoices?role=owner')).status, 200)
})

t.test('a prefix that forgets original_uri lets nobody through', async (t) => {
  const { token } = await s.aMember(acme.id)
  t.match(await s.as(token).get('/forward-auth/invoices'), refused(404, 'not_found'))
  t.match(await s.as(token).get('/forward-auth?role=member/invoices'), refused(400, 'request.invalid'))
  t.match(await s.as(token).get('/forward-auth?role=member/invoices?role=member'), refused(400, 'request.invalid'))
})
