// The adapter for Hono, with Hono.

import { Hono } from 'hono'
import t from 'tap'
import { currentTenant, findContext } from '../src/context.ts'
import { getPrincipal, refusalResponse, requirePermission, requireRole, requireTenant, tenantry } from '../src/hono.ts'
import { TENANT_ID } from './support/tokens.ts'
import { type Ask, aStaleVerifier, bearer, keepsTenantsApart, options, owesRefusals } from './support/two-tenants.ts'

const app = new Hono()
app.get('/livez', (c) => c.json({ tenant: c.get('tenant') ?? null }))
app.get('/public/admin', requireRole('admin'), (c) => c.text('ok'))
app.use(tenantry(options))
app.get('/me', (c) => c.text(c.get('tenant')?.user_id ?? ''))
app.get('/tenants/:tenant_id/invoices', requireTenant(), requirePermission('invoice:read'), (c) => c.text('ok'))
app.get(
  '/by-header',
  requireTenant((c) => c.req.header('x-tenant-id')),
  (c) => c.text('ok'),
)
app.get('/admin', requireRole('admin'), (c) => c.text('ok'))
app.get('/throws', (c) => {
  getPrincipal(c).requirePermission('billing:read')
  return c.text('ok')
})
app.get('/breaks', () => {
  throw new RangeError('ours')
})
app.post('/seen', async (c) => {
  const seen = [currentTenant()]
  await c.req.json()
  seen.push(currentTenant())
  await new Promise((resolve) => setTimeout(resolve, 1))
  return c.json([...seen, currentTenant()])
})
app.onError((error, c) => refusalResponse(error) ?? c.text(error.name, 500))

const askOf =
  (app: Hono): Ask =>
  async (path, headers = {}, body) => {
    const response = await app.request(path, body === undefined ? { headers } : { method: 'POST', headers, body })
    return { status: response.status, headers: response.headers, body: await response.text() }
  }
const ask = askOf(app)

t.test('refusals, and what is let through', async (t) => {
  await owesRefusals(t, ask)
})

t.test('what is routed before is public, and guards there let nobody in', async (t) => {
  t.match(await ask('/livez', bearer()), { status: 200, body: '{"tenant":null}' })
  t.equal((await ask('/public/admin', bearer())).status, 401)
})

t.test('the tenant may be looked for elsewhere', async (t) => {
  t.equal((await ask('/by-header', { ...bearer(), 'x-tenant-id': TENANT_ID })).status, 200)
  t.equal((await ask('/by-header', bearer())).status, 403)
})

t.test("an error that is not ours goes to the application's handler", async (t) => {
  t.match(await ask('/breaks', bearer()), { status: 500, body: 'RangeError' })
})

t.test('the context lasts through reading, promises and timers, and never mixes tenants', async (t) => {
  await keepsTenantsApart(t, ask, '/seen')
  t.equal(findContext(), undefined)
})

t.test('each route may have its own policy; where two meet, both are asked', async (t) => {
  const { verifier, headers } = await aStaleVerifier(t)
  const lenient = tenantry({ verifier, when_stale: { accept_up_to_seconds: 120 } })
  const ask = askOf(
    new Hono()
      .get('/help', lenient, lenient, (c) => c.text(currentTenant()))
      .get('/money', lenient, tenantry({ verifier }), (c) => c.text('ok')),
  )
  t.match(await ask('/help', headers), { status: 200, body: TENANT_ID })
  const refused = await ask('/money', headers)
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('retry-after'), '5')
})
