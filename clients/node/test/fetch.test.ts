// The adapter for (Request) => Response, called directly: there is nothing between.

import t from 'tap'
import { currentTenant, findContext } from '../src/context.ts'
import { getPrincipal, requirePermission, requireRole, requireTenant, tenantry } from '../src/fetch.ts'
import { TENANT_ID } from './support/tokens.ts'
import { type Ask, aStaleVerifier, bearer, keepsTenantsApart, options, owesRefusals } from './support/two-tenants.ts'

const protect = tenantry(options)

type Route = { params: { tenant_id: string } }
const listInvoices = protect(async (_request: Request, _route: Route) => new Response('ok'), {
  guards: [requireTenant((_request, { params }: Route) => params.tenant_id), requirePermission('invoice:read')],
})
const routes: Record<string, (request: Request) => Promise<Response>> = {
  '/me': protect((request) => new Response(getPrincipal(request).user_id)),
  '/admin': protect(() => new Response('ok'), { guards: [requireRole('admin')] }),
  '/throws': protect(async (request) => {
    getPrincipal(request).requirePermission('billing:read')
    return new Response('ok')
  }),
  '/seen': protect(async (request) => {
    const seen = [currentTenant()]
    await request.json()
    seen.push(currentTenant())
    await new Promise((resolve) => setTimeout(resolve, 1))
    return Response.json([...seen, currentTenant()])
  }),
}

const ask: Ask = async (path, headers = {}, body) => {
  const init = body === undefined ? { headers } : { method: 'POST', headers, body }
  const request = new Request(`http://127.0.0.1${path}`, init)
  const tenant_id = /^\/tenants\/(.+)\/invoices$/.exec(path)?.[1]
  const response = tenant_id ? listInvoices(request, { params: { tenant_id } }) : routes[path]?.(request)
  const { status, headers: answered } = (await response) ?? new Response()
  return { status, headers: answered, body: (await (await response)?.text()) ?? '' }
}

t.test('refusals, and what is let through', async (t) => {
  await owesRefusals(t, ask)
})

t.test('the context lasts through reading, promises and timers, and never mixes tenants', async (t) => {
  await keepsTenantsApart(t, ask, '/seen')
  t.equal(findContext(), undefined)
})

t.test('a request that was not authenticated has no principal', async (t) => {
  t.throws(() => getPrincipal(new Request('http://127.0.0.1/', { headers: bearer() })), {
    message: /Bearer token is required/,
  })
})

t.test('each handler may have its own policy', async (t) => {
  const { verifier, headers } = await aStaleVerifier(t)
  const protect = tenantry({ verifier, when_stale: { accept_up_to_seconds: 120 } })
  const handler = () => new Response(currentTenant())
  const request = () => new Request('http://127.0.0.1/', { headers })
  const answer = await protect(handler)(request())
  t.equal(await answer.text(), TENANT_ID)
  const refused = await protect(handler, { when_stale: 'fail_closed' })(request())
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('retry-after'), '5')
  t.throws(() => protect(handler, { when_stale: 'fail-closed' as 'fail_closed' }), { code: 'configuration' })
})

t.test('an error that is not ours is not swallowed, and neither is a mistake in the application', async (t) => {
  const request = () => new Request('http://127.0.0.1/', { headers: bearer() })
  await t.rejects(
    protect(() => {
      throw new RangeError('ours')
    })(request()),
    RangeError,
  )
  await t.rejects(tenantry({ ...options, keys: () => ({ kty: 'oct' }) })(() => new Response())(request()), {
    code: 'configuration',
  })
})
