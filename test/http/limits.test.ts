// What protects the service from its callers: limits for credentials, for those who try bad ones, and for all of them together.
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { makeSecret } from '../../src/api-keys/secrets.ts'
import { aService, type TestService } from '../support/service.ts'

const countOf = async (s: TestService, series: string): Promise<number> => {
  const { text } = await s.root.get('/metrics')
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(series))
      ?.split(' ')[1] ?? 0,
  )
}

t.test('a tenant’s credential that asks too much waits for the window to end; others do not', async (t) => {
  const s = await aService(t, { rate_limit: 1 }) // ten in ten seconds
  const { id: tenant_id } = await s.aTenant()
  const busy = s.as((await s.anApiKey({ tenant_id })).secret)
  const other = s.as((await s.anApiKey({ tenant_id })).secret)
  const first = await busy.get('/memberships')
  t.match(first, {
    status: 200,
    headers: { 'ratelimit-policy': '"credential";q=10;w=10', ratelimit: '"credential";r=9;t=10' },
  })
  s.advance(4)
  for (let left = 8; left >= 0; left--)
    t.equal((await busy.get('/memberships')).headers.ratelimit, `"credential";r=${left};t=6`)
  const refused = await busy.get('/memberships')
  t.match(refused, {
    status: 429,
    body: { code: 'rate.limited' },
    headers: { 'retry-after': '6', ratelimit: '"credential";r=0;t=6' },
  })
  t.equal((await other.get('/memberships')).status, 200, 'each credential has its own')
  const { caller } = await s.aMember(tenant_id)
  t.equal((await caller.get(`/tenants/${tenant_id}`)).status, 200, 'so has each member')
  s.advance(6)
  for (let left = 9; left >= 0; left--) t.equal((await busy.get('/memberships')).status, 200)
  s.advance(-3_600)
  t.equal((await busy.get('/memberships')).status, 200, 'a clock that is set back keeps nobody waiting')
})

t.test('the platform’s credentials are not limited, and without a limit no header speaks of one', async (t) => {
  const s = await aService(t, { rate_limit: 1 })
  for (let asked = 0; asked < 12; asked++)
    t.match(await s.root.get('/tenants'), { status: 200, headers: { ratelimit: undefined } })
  const free = await aService(t)
  const { id: tenant_id } = await free.aTenant()
  const { secret } = await free.anApiKey({ tenant_id })
  t.match(await free.as(secret).get('/memberships'), { status: 200, headers: { ratelimit: undefined } })
})

/** Each way of showing an API key. */
const WAYS: Record<string, (s: TestService, secret: string) => Promise<{ status: number }>> = {
  Bearer: (s, secret) => s.as(secret).get('/tenants'),
  'a check': (s, secret) => s.as(secret).post('/access/v1/evaluation', {}),
  'Basic at the token endpoint': (s, secret) =>
    s.stranger.form(
      '/oauth/token',
      { grant_type: 'client_credentials' },
      {
        authorization: `Basic ${Buffer.from(`x:${secret}`).toString('base64')}`,
      },
    ),
  'the form of the token endpoint': (s, client_secret) =>
    s.stranger.form('/oauth/token', { grant_type: 'client_credentials', client_id: 'x', client_secret }),
  introspection: (s, client_secret) =>
    s.stranger.form('/oauth/introspect', { token: 't', client_id: 'x', client_secret }),
  'a gateway': (s, secret) => s.as(secret).get('/forward-auth?api_keys=true'),
  'who am I': (s, secret) => s.as(secret).get('/me'),
}

t.test('a flood of made-up keys costs the database nothing after the first few, however they are shown', async (t) => {
  const s = await aService(t, { bad_attempts: 3 })
  const { secret } = await s.anApiKey()
  let looked_up = 0
  const { call } = s.service.database
  s.service.database.call = (statement, ...rest) => {
    if (statement.name === 'find_api_key') looked_up++
    return call.apply(s.service.database, [statement, ...rest])
  }
  t.equal((await s.as(secret).get('/tenants')).status, 200)
  for (const [way, show] of Object.entries(WAYS)) {
    for (let tried = 0; tried < 3; tried++) t.equal((await show(s, makeSecret())).status, 401, way)
    looked_up = 0
    for (let tried = 0; tried < 20; tried++) t.equal((await show(s, makeSecret())).status, 429, way)
    t.equal(looked_up, 0, way)
    t.equal((await s.as(secret).get('/tenants')).status, 200, 'a key that was good here before still is')
    t.equal((await s.root.get('/tenants')).status, 200)
    s.advance(61) // for a minute
  }
})

t.test('what is not even a key costs nothing, and is not counted', async (t) => {
  const s = await aService(t, { bad_attempts: 1 })
  for (let tried = 0; tried < 5; tried++) t.equal((await s.as('nonsense').get('/tenants')).status, 401)
  const { secret } = await s.anApiKey()
  t.equal((await s.as(secret).get('/tenants')).status, 200)
})

t.test('a key that is revoked counts like one that never was', async (t) => {
  const s = await aService(t, { bad_attempts: 2 })
  const { id, secret } = await s.anApiKey()
  t.equal((await s.as(secret).get('/tenants')).status, 200)
  await s.root.delete(`/api-keys/${id}`)
  for (const status of [401, 401, 429]) t.equal((await s.as(secret).get('/tenants')).status, status)
  t.equal((await countOf(s, 'tenantry_refused_total{why="bad_attempts"}')) > 0, true)
  t.match(
    s.logged.find(({ msg }) => msg === 'too many bad credentials from one address'),
    { level: 40, count: 2 },
  )
})

t.test('addresses are told apart behind proxies that are trusted, and only there', async (t) => {
  const from = (address: string) => ({ 'x-forwarded-for': address })
  const trusting = await aService(t, { bad_attempts: 1, trusted_proxies: ['loopback'] })
  t.equal((await trusting.as(makeSecret()).get('/tenants', from('192.0.2.1'))).status, 401)
  t.equal((await trusting.as(makeSecret()).get('/tenants', from('192.0.2.1'))).status, 429)
  t.equal((await trusting.as(makeSecret()).get('/tenants', from('192.0.2.2'))).status, 401)
  const other = await aService(t, { bad_attempts: 1 })
  t.equal((await other.as(makeSecret()).get('/tenants', from('192.0.2.1'))).status, 401)
  t.equal((await other.as(makeSecret()).get('/tenants', from('192.0.2.2'))).status, 429)
})

/** Keeps the event loop from everybody, and the processor from nobody. */
const block = (duration_ms: number): unknown =>
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, duration_ms)

t.test('what a start takes is no pressure', async (t) => {
  const s = await aService(t, { max_event_loop_delay_ms: 10 })
  const { fastify } = s.service.app
  // Nobody has a turn for as long as it measures, and longer: next comes the measuring itself, and then the first request.
  block(3_100)
  const address = await fastify.listen({ host: '127.0.0.1', port: 0 })
  for (let asked = 0; asked < 3; asked++) t.equal((await fetch(`${address}/errors/internal`)).status, 200)
})

t.test('a process that cannot keep up refuses, but for probes and metrics, and recovers', async (t) => {
  const s = await aService(t, { max_event_loop_delay_ms: 100 })
  const { fastify } = s.service.app
  await fastify.listen({ host: '127.0.0.1', port: 0 })
  const { port } = fastify.server.address() as AddressInfo
  const ask = async (path: string): Promise<http.IncomingMessage> => {
    const request = http.get({ host: '127.0.0.1', port, path, agent: false })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    response.resume()
    return response
  }
  const until = async (status: number): Promise<http.IncomingMessage> => {
    const answer = await ask('/errors/internal')
    return answer.statusCode === status ? answer : until(status)
  }
  await until(200)
  block(1_000)
  t.equal((await ask('/errors/internal')).statusCode, 200, 'what blocks once is no overload')
  // Real load: nobody else gets a turn for longer than is allowed.
  const busy = setInterval(() => block(300), 1)
  t.teardown(() => clearInterval(busy))
  const refused = await until(503)
  t.ok(refused.headers['retry-after'])
  t.match(refused.headers['content-type'], /^application\/problem\+json/)
  t.equal((await ask('/livez')).statusCode, 200)
  t.match((await ask('/readyz')).headers['content-type'], /^application\/json/, 'it says what it finds')
  t.equal((await ask('/metrics')).statusCode, 401, 'it is asked for a credential as ever')
  clearInterval(busy)
  await until(200)
  t.ok((await countOf(s, 'tenantry_refused_total{why="overloaded"}')) > 0)
})
