// One line for each request, which says whose it was and tells nothing that is secret.
import t from 'tap'
import { aService } from '../support/service.ts'

type Line = Record<string, unknown>

const linesOf = (logged: Line[]): Line[] => logged.filter(({ msg }) => msg === 'request')

t.test('it tells who asked for what, how it was answered and in what time', async (t) => {
  const s = await aService(t)
  const { id: tenant_id } = await s.aTenant()
  const { caller, membership } = await s.aMember(tenant_id, 'owner')
  s.logged.length = 0
  await caller.get(`/memberships/${membership.id}?unknown=vera@acme.example`, { 'x-request-id': 'one' })
  await s.stranger.get('/no/SUCH/place?e=vera@acme.example', { 'x-request-id': 'two' })
  await s.root.post('/access/v1/evaluation', {}, { 'x-request-id': 'three' })
  const [first, second, third, ...more] = linesOf(s.logged)
  t.same(more, [])
  t.match(first, { level: 30, time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, duration_ms: Number })
  const own = { principal: `membership:${membership.id}`, principal_tenant_id: tenant_id }
  const where = { method: 'GET', path: `/memberships/${membership.id}`, operation_id: 'getMembership', status: 400 }
  t.match(first, { request_id: 'one', ...own, ...where })
  t.match(second, { request_id: 'two', method: 'GET', path: '/no/…/place', status: 404 })
  t.notOk(second && ('principal' in second || 'operation_id' in second))
  t.match(third, { request_id: 'three', method: 'POST', path: '/access/v1/evaluation', operation_id: 'evaluateAccess' })
  t.match(third?.principal, /^api_key:/)
  t.notOk(third && 'principal_tenant_id' in third)
  t.notMatch(JSON.stringify(s.logged), /acme\.example/)
})

t.test('what else is logged of a request says the same of it', async (t) => {
  const s = await aService(t)
  const { id: tenant_id } = await s.aTenant()
  const { caller, membership } = await s.aMember(tenant_id, 'owner')
  await s.service.database.close()
  await caller.get(`/memberships/${membership.id}`, { 'x-request-id': 'four' })
  t.match(
    s.logged.filter(({ request_id }) => request_id === 'four').map(({ level, msg }) => [level, msg]),
    [
      [Number, String],
      [30, 'request'],
    ],
  )
})

t.test('without it the rest is still logged', async (t) => {
  const s = await aService(t, { access_log: false })
  t.equal((await s.root.get('/tenants')).status, 200)
  await s.service.database.close()
  t.not((await s.root.get('/tenants')).status, 200)
  t.same(linesOf(s.logged), [])
  t.ok(s.logged.some(({ level, request_id }) => Number(level) > 30 && typeof request_id === 'string'))
})

t.test('of which trace a request is part is in all its lines, where the caller says so', async (t) => {
  const s = await aService(t)
  const [trace, other] = ['4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)]
  const traced = async (trace_id: string) => {
    s.logged.length = 0
    await s.root.get('/tenants', { traceparent: `00-${trace_id}-00f067aa0ba902b7-01` })
    return s.logged.map((line) => line.trace_id)
  }
  t.same(await traced(trace), [trace])
  t.same(await traced(other), [undefined], 'all zeros is none')
  await s.service.database.close()
  t.same(await traced(trace), [trace, trace])
})
