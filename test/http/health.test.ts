// Whether load balancers send requests here: not while the process stops, and not because a database blinks.
import t from 'tap'
import { type Answer, aService } from '../support/service.ts'

const checkIn = ({ body }: Answer, name: string): unknown =>
  body.checks.find((check: { name: string }) => check.name === name)

t.test('a database that blinks makes nothing not ready; one that stays away does', async (t) => {
  const s = await aService(t, { ready_grace_ms: 10_000 })
  const well = await s.stranger.get('/readyz')
  t.same(
    well.body.checks.map(({ ok, detail }: { ok: boolean; detail: unknown }) => [ok, detail]),
    Array(4).fill([true, null]),
  )
  await s.service.database.close()
  for (const seconds of [0, 9]) {
    s.advance(seconds)
    const answer = await s.stranger.get('/readyz')
    t.match(answer, { status: 200, body: { status: 'ok' } })
    t.match(checkIn(answer, 'database'), { ok: true, detail: /^The database has not answered since / })
  }
  s.advance(1)
  const answer = await s.stranger.get('/readyz')
  t.match(answer, { status: 503, body: { status: 'unavailable' }, headers: { 'retry-after': '2' } })
  t.match(checkIn(answer, 'database'), { ok: false })
  t.match(checkIn(answer, 'signing_keys'), { ok: true }, 'those are in memory')
  t.match((await s.root.get('/metrics')).text, /^tenantry_ready 0$/m)
  t.equal((await s.stranger.get('/livez')).status, 200)
})

t.test('a clock that is set back does not make a database that stays away look well', async (t) => {
  const s = await aService(t, { ready_grace_ms: 10_000 })
  await s.service.database.close()
  t.equal((await s.stranger.get('/readyz')).status, 200)
  s.advance(-86_400)
  t.equal((await s.stranger.get('/readyz')).status, 200)
  s.advance(10)
  t.equal((await s.stranger.get('/readyz')).status, 503)
})

t.test('without its database a service that never served a key set still does', async (t) => {
  const s = await aService(t)
  await s.service.database.close()
  const answer = await s.stranger.get('/.well-known/jwks.json')
  t.match(answer, { status: 200, body: { keys: [{ kty: 'EC' }] } })
  s.advance(3_000)
  t.equal((await s.stranger.get('/.well-known/jwks.json')).status, 200)
  s.advance(3_000)
  t.equal((await s.stranger.get('/.well-known/jwks.json')).status, 503, 'not for longer than verifiers may keep it')
})

t.test('a schema that does not fit makes not ready, for as long as it does not', async (t) => {
  const s = await aService(t)
  s.service.lifecycle.schema_fault = 'the database lacks migrations'
  const answer = await s.stranger.get('/readyz')
  t.equal(answer.status, 503)
  t.match(checkIn(answer, 'schema'), { ok: false, detail: 'the database lacks migrations' })
  s.service.lifecycle.schema_fault = undefined
  t.equal((await s.stranger.get('/readyz')).status, 200)
})

t.test('while it stops it answers, and each answer closes its connection', async (t) => {
  const s = await aService(t)
  t.not((await s.root.get('/tenants')).headers.connection, 'close')
  s.service.lifecycle.draining = true
  t.match(await s.root.get('/tenants'), { status: 200, headers: { connection: 'close' } })
  t.match(await s.stranger.get('/nothing'), { status: 404, headers: { connection: 'close' } })
  t.match(await s.stranger.get('/readyz'), { status: 503, headers: { connection: 'close' } })
})

t.test('idle connections outlive those of load balancers, and slow clients do not hold any', async (t) => {
  const { server } = (await aService(t)).service.app.fastify
  t.ok(server.keepAliveTimeout > 65_000)
  t.ok(server.headersTimeout > 0 && server.headersTimeout <= 15_000)
  t.ok(server.requestTimeout > 0 && server.requestTimeout <= 30_000)
})
