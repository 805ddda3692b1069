import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { currentTenant, findContext, getContext } from '../src/context.ts'
import { getPrincipal, requirePermission, requireRole, requireTenant, tenantry } from '../src/fastify.ts'
import { createVerifier } from '../src/index.ts'
import { FeedServer } from './support/feed-server.ts'
import { ManualTime, until } from './support/manual-time.ts'
import { AUDIENCE, aKey, aToken, ISSUER, NOW, NOW_SECONDS, OTHER_TENANT_ID, TENANT_ID } from './support/tokens.ts'
import { type Ask, bodyInHalves, keepsTenantsApart, letIn, options as sharedOptions } from './support/two-tenants.ts'

const key = aKey()
const options = {
  issuer: ISSUER,
  audience: AUDIENCE,
  clock: () => NOW,
  keys: (kid: string) => (kid === key.kid ? key.jwk : undefined),
}

async function anApp(t: Test): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(tenantry, options)
  app.get('/me', async (request) => ({ user_id: request.tenant?.user_id, roles: getPrincipal(request).roles }))
  app.get('/livez', { config: { public: true } }, async (request) => ({ tenant: request.tenant }))
  app.get('/public/me', { config: { public: true } }, async (request) => getPrincipal(request).user_id)
  app.get('/public/admin', { config: { public: true }, onRequest: requireRole('admin') }, async () => 'ok')
  app.post('/echo', { schema: { body: { type: 'object', required: ['a'] } } }, async (request) => request.body)
  app.get(
    '/tenants/:tenant_id/invoices',
    { onRequest: [requireTenant(), requirePermission('invoice:read')] },
    async () => 'ok',
  )
  app.get('/nowhere', { preHandler: requireTenant() }, async () => 'ok')
  app.get('/by-header', { preHandler: requireTenant((request) => request.headers['x-tenant-id']) }, async () => 'ok')
  app.get<{ Params: { id: string } }>(
    '/admin/:id',
    { onRequest: requireRole('admin') },
    async (request) => request.params.id,
  )
  app.get('/bills', { preHandler: [requirePermission('billing:read')] }, async () => 'ok')
  app.get('/inside', async (request) => getPrincipal(request).requirePermission('billing:read'))
  return app
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const good = bearer(aToken(key))

t.test('a good token opens the door, whatever the case of the scheme', async (t) => {
  const app = await anApp(t)
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'Bearer  ']) {
    const response = await app.inject({ url: '/me', headers: { authorization: `${scheme} ${aToken(key)}` } })
    t.equal(response.statusCode, 200)
    t.same(response.json(), { user_id: 'alice', roles: ['member'] })
  }
})

t.test('who sends no Bearer credential is asked for one, without an error', async (t) => {
  const app = await anApp(t)
  for (const headers of [{}, { authorization: 'Basic YTpi' }, { authorization: 'Bearerx y' }, { authorization: '' }]) {
    const response = await app.inject({ url: '/me', headers })
    t.equal(response.statusCode, 401)
    t.equal(response.headers['www-authenticate'], 'Bearer')
    t.match(response.headers['content-type'], /^application\/problem\+json/)
    t.match(response.json(), { status: 401, title: 'Unauthorized', code: 'invalid_token', reason: 'missing' })
  }
})

t.test('a bad token is refused with the reason, and never repeated', async (t) => {
  const app = await anApp(t)
  const expired = aToken(key, { payload: { exp: NOW_SECONDS } })
  for (const [token, reason] of [
    [expired, 'expired'],
    ['', 'malformed'],
    ['x y', 'malformed'],
    [`${expired}=`, 'malformed'],
  ] as const) {
    const response = await app.inject({ url: '/me', headers: bearer(token) })
    t.equal(response.statusCode, 401)
    t.equal(response.headers['www-authenticate'], 'Bearer error="invalid_token"')
    t.match(response.json(), { code: 'invalid_token', reason })
    if (token.length > 3) t.notOk(response.payload.includes(token.slice(-40)))
  }
})

t.test('a stranger gets 401 before a body is judged, a route is found, or a guard is asked', async (t) => {
  const app = await anApp(t)
  t.equal((await app.inject({ method: 'POST', url: '/echo', payload: {} })).statusCode, 401)
  t.equal((await app.inject({ method: 'POST', url: '/echo', payload: {}, headers: good })).statusCode, 400)
  t.equal((await app.inject('/no/such/route')).statusCode, 401)
  t.equal((await app.inject('/admin/1')).statusCode, 401)
})

t.test('public routes know nobody, and their guards let nobody in', async (t) => {
  const app = await anApp(t)
  t.same((await app.inject('/livez')).json(), { tenant: null })
  t.same((await app.inject({ url: '/livez', headers: good })).json(), { tenant: null })
  t.equal((await app.inject('/public/me')).statusCode, 401)
  const guarded = await app.inject('/public/admin')
  t.equal(guarded.statusCode, 401)
  t.equal(guarded.headers['www-authenticate'], 'Bearer')
})

t.test('the tenant of the route, or of wherever one looks, must be that of the token', async (t) => {
  const app = await anApp(t)
  const get = (url: string, headers = {}) => app.inject({ url, headers: { ...good, ...headers } })
  t.equal((await get(`/tenants/${TENANT_ID}/invoices`)).statusCode, 200)
  const other = await get(`/tenants/${OTHER_TENANT_ID}/invoices`)
  t.equal(other.statusCode, 403)
  t.match(other.json(), { status: 403, title: 'Forbidden', code: 'tenant_mismatch', reason: null })
  t.equal(other.headers['www-authenticate'], 'Bearer error="insufficient_scope"')
  t.equal((await get('/nowhere')).statusCode, 403)
  t.equal((await get('/by-header')).statusCode, 403)
  t.equal((await get('/by-header', { 'x-tenant-id': TENANT_ID })).statusCode, 200)
})

t.test('roles and permissions guard routes, as onRequest and as preHandler', async (t) => {
  const app = await anApp(t)
  const role = await app.inject({ url: '/admin/1', headers: good })
  t.match(role.json(), { status: 403, code: 'role_missing', detail: /"admin"/ })
  const permission = await app.inject({ url: '/bills', headers: good })
  t.match(permission.json(), { status: 403, code: 'permission_missing', detail: /"billing:read"/ })
  const asking = aToken(key, { payload: { ask: ['billing:*'] } })
  const undecided = await app.inject({ url: '/bills', headers: bearer(asking) })
  t.match(undecided.json(), { status: 403, code: 'permission_undecided', detail: /"billing:read"/ })
  const owner = aToken(key, { payload: { roles: ['owner'], grants: [{ permissions: ['*'], excludes: [] }] } })
  t.equal((await app.inject({ url: '/admin/1', headers: bearer(owner) })).payload, '1')
  t.equal((await app.inject({ url: '/bills', headers: bearer(owner) })).payload, 'ok')
})

t.test('what a handler throws has its status as well', async (t) => {
  const app = await anApp(t)
  t.equal((await app.inject({ url: '/inside', headers: good })).statusCode, 403)
})

t.test('keys that cannot be had are our trouble: 503, come back later', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const fetch = () => Promise.reject(new Error('away'))
  await app.register(tenantry, { verifier: createVerifier({ issuer: ISSUER, audience: AUDIENCE, fetch }) })
  app.get('/me', async () => 'ok')
  const response = await app.inject({ url: '/me', headers: good })
  t.equal(response.statusCode, 503)
  t.equal(response.headers['retry-after'], '5')
  t.notOk(response.headers['www-authenticate'])
  t.match(response.json(), { code: 'jwks_unavailable' })
})

t.test('a stale token is refused in a way that tells clients to get a fresh one', async (t) => {
  const server = await new FeedServer(key).start(t)
  const expires_at = new Date(NOW.getTime() + 3_660_000).toISOString()
  server.entries = [{ history: TENANT_ID, target: 'role:member', rev: 58, expires_at }]
  const app = Fastify()
  t.teardown(() => app.close())
  const { clock, timer } = new ManualTime()
  await app.register(tenantry, { issuer: server.url, audience: AUDIENCE, clock, revocations: { api_key: 'k', timer } })
  app.get('/me', async () => 'ok')
  const get = (rev: number) => {
    const token = aToken(key, { payload: { iss: server.url, rev: { [TENANT_ID]: rev } } })
    return app.inject({ url: '/me', headers: bearer(token) })
  }
  const response = await get(57)
  t.equal(response.statusCode, 401)
  t.equal(response.headers['www-authenticate'], 'Bearer error="invalid_token", error_description="stale"')
  t.match(response.json(), { status: 401, title: 'Unauthorized', code: 'stale_token', reason: null, detail: /role/ })
  t.equal((await get(58)).statusCode, 200)
  await until(() => server.streams.size === 1)
  await app.close()
  await until(() => server.streams.size === 0)
})

t.test('each route may say what becomes of tokens while revocations are unknown', async (t) => {
  const server = await new FeedServer(key).start(t)
  const time = new ManualTime()
  const { clock, timer } = time
  const verifier = createVerifier({
    issuer: server.url,
    audience: AUDIENCE,
    clock,
    revocations: { api_key: 'k', timer },
  })
  t.teardown(() => verifier.close())
  const app = Fastify()
  await app.register(tenantry, { verifier })
  app.get('/money', async () => 'ok')
  app.get('/help', { config: { tenantry: { when_stale: { accept_up_to_seconds: 120 } } } }, async () => 'ok')
  const statusOf = async (url: string) => {
    const headers = bearer(aToken(key, { payload: { iss: server.url } }))
    return (await app.inject({ url, headers })).statusCode
  }
  t.equal(await statusOf('/money'), 200)
  await until(() => server.streams.size === 1)
  await server.stop()
  time.advance(31)
  t.equal(await statusOf('/money'), 503)
  t.equal(await statusOf('/help'), 200)
  time.advance(90)
  t.equal(await statusOf('/help'), 503)
  await app.close()
  t.ok(time.delays_ms.length > 0, 'the verifier that was given goes on')
  const config = Object.assign({}, { tenantry: { when_stale: 'fail-closed' } })
  const other = Fastify()
  t.teardown(() => other.close())
  await other.register(tenantry, { verifier })
  t.throws(() => other.get('/typo', { config: config as object }, async () => 'ok'), { code: 'configuration' })
})

t.test('an error that is not ours goes to the error handler of the application', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const keys = () => Promise.reject(new RangeError('database away'))
  await app.register(tenantry, { ...options, keys })
  app.setErrorHandler((error, _request, reply) => reply.code(500).send({ handled: error instanceof RangeError }))
  app.get('/me', async () => 'ok')
  const response = await app.inject({ url: '/me', headers: good })
  t.equal(response.statusCode, 500)
  t.same(response.json(), { handled: true })
})

t.test('the plugin guards the instance that registers it and those below, and no sibling', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/open', async () => 'ok')
  await app.register(async (guarded) => {
    await guarded.register(tenantry, options)
    guarded.register(async (nested) => nested.get('/nested', async () => 'ok'))
  })
  t.equal((await app.inject('/open')).statusCode, 200)
  t.equal((await app.inject('/nested')).statusCode, 401)
  t.equal((await app.inject({ url: '/nested', headers: good })).statusCode, 200)
})

t.test('each request has its own principal', async (t) => {
  const app = await anApp(t)
  const names = Array.from({ length: 40 }, (_, i) => `user-${i}`)
  const answers = await Promise.all(
    names.map((sub) => app.inject({ url: '/me', headers: bearer(aToken(key, { payload: { sub } })) })),
  )
  t.same(
    answers.map((answer) => answer.json().user_id),
    names,
  )
})

t.test('a wrong configuration stops the start', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => app.register(tenantry, { ...options, audience: '' }), { code: 'configuration' })
})

t.test('the context lasts from onRequest to onResponse, and never mixes tenants', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const seen = new WeakMap<object, string[]>()
  const see = (request: object) => seen.set(request, [...(seen.get(request) ?? []), currentTenant()])
  const afterwards: string[][] = []
  await app.register(tenantry, sharedOptions)
  app.addHook('onRequest', async (request) => {
    see(request)
    request.raw.once('end', () => see(request))
    letIn(request.headers['x-request'])
  })
  app.addHook('preParsing', async (request) => void see(request))
  app.addHook('preValidation', async (request) => void see(request))
  app.addHook('preHandler', (request, _reply, done) => {
    see(request)
    done()
  })
  app.addHook('onSend', async (request) => void see(request))
  app.addHook('onResponse', async (request) => void afterwards.push([...(seen.get(request) ?? []), currentTenant()]))
  app.post('/seen', async (request) => {
    see(request)
    await new Promise((resolve) => setImmediate(resolve))
    see(request)
    await new Promise<void>((resolve) => setTimeout(() => resolve(void see(request)), 1))
    return seen.get(see(request) && request)
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const ask: Ask = async (path, headers = {}) => {
    const response = await fetch(`${address}${path}`, {
      ...{ method: 'POST', headers: { ...headers, 'content-type': 'application/json' } },
      ...{ body: bodyInHalves(headers['x-request'] ?? ''), duplex: 'half' },
    })
    return { status: response.status, headers: response.headers, body: await response.text() }
  }
  await keepsTenantsApart(t, ask, '/seen')
  await until(() => afterwards.length === 40)
  t.ok(afterwards.every((tenants) => tenants.length === 11 && new Set(tenants).size === 1))
  t.equal(findContext(), undefined)
})

t.test('a body that cannot be parsed is answered in the context, and a public route has none', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.setErrorHandler((_error, _request, reply) => reply.code(400).send(getContext().tenant_id))
  await app.register(tenantry, options)
  app.post('/echo', async (request) => request.body)
  app.get('/public/context', { config: { public: true } }, async () => ({ context: findContext() ?? null }))
  const headers = { ...good, 'content-type': 'application/json' }
  const broken = await app.inject({ method: 'POST', url: '/echo', headers, payload: '{' })
  t.match(broken, { statusCode: 400, payload: TENANT_ID })
  t.same((await app.inject({ url: '/public/context', headers: good })).json(), { context: null })
})
