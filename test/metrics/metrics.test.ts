// What operators see: every number that docs/operations.md promises, with labels that no caller can add to.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { metricsServer } from '../../src/metrics/handlers.ts'
import { aService } from '../support/service.ts'

const s = await aService(t)

/** The value of a series, 0 where there is none yet. */
const metric = async (series: string): Promise<number> => {
  const { status, text } = await s.root.get('/metrics')
  t.equal(status, 200)
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1) ?? 0)
}

/** By how much the series grows by this. */
const growth = async (series: string, work: () => Promise<unknown>): Promise<number> => {
  const before = await metric(series)
  await work()
  return (await metric(series)) - before
}

const check = (tenant_id: string, user_id: string) =>
  s.root.post('/access/v1/evaluation', {
    subject: { type: 'user', id: user_id },
    action: { name: 'read' },
    resource: { type: 'invoice', id: '1' },
    context: { tenant_id },
  })

t.test('requests are measured by operation and status', async (t) => {
  const series = (operation: string, status: number) =>
    `tenantry_http_request_duration_seconds_count{operation="${operation}",status="${status}"}`
  t.equal(await growth(series('listTenants', 200), () => s.root.get('/tenants')), 1)
  t.equal(await growth(series('listTenants', 401), () => s.stranger.get('/tenants')), 1)
  t.equal(await growth(series('none', 404), () => s.root.get('/no/such/place')), 1)
})

t.test('decisions are counted by outcome and reason, each of a batch too', async (t) => {
  const { id } = await s.aTenant()
  const { user_id } = await s.aMembership(id)
  const allowed = 'tenantry_decisions_total{decision="allow",reason="role_grants"}'
  t.equal(await growth(allowed, () => check(id, user_id)), 1)
  t.equal(await growth('tenantry_decisions_total{decision="deny",reason="not_a_member"}', () => check(id, 'nobody')), 1)
  const batch = {
    ...{ subject: { type: 'user', id: user_id }, action: { name: 'read' }, context: { tenant_id: id } },
    evaluations: [{ resource: { type: 'invoice', id: '1' } }, { resource: { type: 'invoice', id: '2' } }],
  }
  t.equal(await growth(allowed, () => s.root.post('/access/v1/evaluations', batch)), 2)
})

t.test('however many there are between two looks, each is measured and counted', async (t) => {
  const { id } = await s.aTenant()
  const { user_id } = await s.aMembership(id)
  const many = () => Promise.all(Array.from({ length: 300 }, () => check(id, user_id)))
  const durations = 'tenantry_http_request_duration_seconds_count{operation="evaluateAccess",status="200"}'
  t.equal(await growth(durations, many), 300)
  t.equal(await growth('tenantry_decisions_total{decision="allow",reason="role_grants"}', many), 300)
})

t.test('tokens are counted by grant', async (t) => {
  const { id } = await s.aTenant()
  const { user_id } = await s.aMembership(id)
  const { secret, id: client_id } = await s.anApiKey({ tenant_id: id, permissions: ['invoice:read'] })
  t.equal(await growth('tenantry_tokens_issued_total{grant="api"}', () => s.aToken(id, user_id)), 1)
  const form = { grant_type: 'client_credentials', client_id, client_secret: secret, audience: 'https://a.example' }
  const ask = () => s.stranger.form('/oauth/token', form)
  t.equal(await growth('tenantry_tokens_issued_total{grant="client_credentials"}', ask), 1)
})

t.test('revocations are counted when they are committed, and not when they are only tried', async (t) => {
  const { id } = await s.aTenant()
  const membership = await s.aMembership(id)
  const series = 'tenantry_revocations_total{target="membership"}'
  t.equal(await growth(series, () => s.root.delete(`/memberships/${membership.id}?dry_run=true`)), 0)
  t.equal(await growth(series, () => s.root.delete(`/memberships/${membership.id}`)), 1)
})

t.test('what is in memory, and how it does, can be seen', async (t) => {
  const { id } = await s.aTenant()
  const { user_id } = await s.aMembership(id)
  t.equal(await growth('tenantry_facts_misses_total', () => check(id, user_id)), 1)
  t.equal(await growth('tenantry_facts_hits_total', () => check(id, user_id)), 1)
  t.equal(await metric('tenantry_staleness_bound_seconds'), 0.5)
  t.ok(await metric('tenantry_facts_entries'))
  t.equal(await metric('tenantry_db_pool_connections{state="limit"}'), s.service.database.pool().limit)
})

t.test('no label holds anything that a caller chose', async (t) => {
  const { id } = await s.aTenant({ slug: 'made-up-slug' })
  await check(id, 'user_made_up')
  await s.root.get('/made/up/path')
  await s.root.post(
    '/access/v1/evaluation',
    { made_up: 'made_up' },
    { 'x-request-id': 'made_up', 'user-agent': 'made_up' },
  )
  const { text } = await s.root.get('/metrics')
  t.notMatch(text, /made.up/)
  t.notMatch(text, id)
})

t.test('a port of their own serves the metrics without a credential, and nothing else', async (t) => {
  const server = metricsServer(s.service.app.metrics).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const answer = await fetch(`${origin}/metrics`)
  t.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  t.match(await answer.text(), /^tenantry_build_info\{version="\d.*node="v/m)
  t.equal((await fetch(`${origin}/tenants`)).status, 404)
  t.equal((await fetch(`${origin}/metrics`, { method: 'POST' })).status, 404)
})

t.test('every metric of ours is in the documentation, and every one that it names exists', async (t) => {
  const { text } = await s.root.get('/metrics')
  const there = new Set([...text.matchAll(/^# TYPE (tenantry_\w+)/gm)].map(([, name]) => name))
  const documentation = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const [, table = ''] = /^## Metrics$(.*?)^## /ms.exec(documentation) ?? []
  const told = new Set([...table.matchAll(/^\| `(tenantry_\w+)/gm)].map(([, name]) => name))
  t.same([...told].sort(), [...there].sort())
})
