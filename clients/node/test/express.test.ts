// The adapter for (request, response, next): with Express, with Connect, and with nothing.

import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import connect from 'connect'
import express, { type ErrorRequestHandler } from 'express'
import t, { type Test } from 'tap'
import { currentTenant, findContext } from '../src/context.ts'
import {
  answerRefusals,
  getPrincipal,
  requirePermission,
  requireRole,
  requireTenant,
  tenantry,
} from '../src/express.ts'
import { createVerifier } from '../src/index.ts'
import { OTHER_TENANT_ID, TENANT_ID } from './support/tokens.ts'
import {
  type Ask,
  aStaleVerifier,
  bearer,
  bodyInHalves,
  keepsTenantsApart,
  letIn,
  options,
  owesRefusals,
} from './support/two-tenants.ts'

async function serve(t: Test, listener: RequestListener): Promise<Ask> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return async (path, headers = {}, body) => {
    const half = { method: 'POST', duplex: 'half' as const, headers: { ...json, ...headers } }
    const init = body === undefined ? { headers } : { ...half, body: bodyInHalves(headers['x-request'] ?? '') }
    const response = await fetch(`http://127.0.0.1:${port}${path}`, init)
    return { status: response.status, headers: response.headers, body: await response.text() }
  }
}

const json = { 'content-type': 'application/json' }

function anApp() {
  const app = express()
  app.get('/livez', (request, response) => void response.json({ tenant: request.tenant ?? null }))
  app.get('/public/admin', requireRole('admin'), (_request, response) => void response.send('ok'))
  app.use(tenantry(options))
  app.get('/me', (request, response) => void response.send(getPrincipal(request).user_id))
  app.get('/tenants/:tenant_id/invoices', requireTenant(), requirePermission('invoice:read'), (_request, response) => {
    response.send('ok')
  })
  app.get(
    '/by-header',
    requireTenant((request) => request.headers['x-tenant-id']),
    (_request, response) => {
      response.send('ok')
    },
  )
  app.get('/admin', requireRole('admin'), (_request, response) => void response.send('ok'))
  app.get('/throws', (request, response) => {
    getPrincipal(request).requirePermission('billing:read')
    response.send('ok')
  })
  return app
}

/** What a handler sees at each step of its work. */
async function seenTenants(): Promise<string[]> {
  const seen = [currentTenant()]
  await new Promise((resolve) => setImmediate(resolve))
  seen.push(currentTenant())
  await new Promise<void>((resolve) => setTimeout(() => resolve(void seen.push(currentTenant())), 1))
  return [...seen, currentTenant()]
}

t.test('Express: refusals, and what is let through', async (t) => {
  await owesRefusals(t, await serve(t, anApp().use(answerRefusals)))
})

t.test('Express: what is mounted before is public, and guards there let nobody in', async (t) => {
  const ask = await serve(t, anApp())
  t.match(await ask('/livez', bearer()), { status: 200, body: '{"tenant":null}' })
  t.equal((await ask('/public/admin', bearer())).status, 401)
})

t.test('Express: the tenant may be looked for elsewhere', async (t) => {
  const ask = await serve(t, anApp())
  t.equal((await ask('/by-header', { ...bearer(), 'x-tenant-id': TENANT_ID })).status, 200)
  t.equal((await ask('/by-header', { ...bearer(), 'x-tenant-id': OTHER_TENANT_ID })).status, 403)
  t.equal((await ask('/by-header', bearer())).status, 403)
})

t.test('Express: something else called `tenant` on the request is nobody', async (t) => {
  const app = express()
  app.use((request, _response, next) => {
    Object.assign(request, { tenant: { tenant_id: TENANT_ID, requireRole() {} } })
    next()
  })
  app.get('/guarded', requireRole('admin'), (_request, response) => void response.send('ok'))
  app.use(tenantry(options))
  app.get('/me', (request, response) => void response.send(getPrincipal(request).user_id))
  const ask = await serve(t, app)
  t.equal((await ask('/guarded')).status, 401)
  t.match(await ask('/me', bearer()), { status: 200, body: 'alice' })
})

t.test('Express: the context lasts through parsing, promises and timers, and never mixes tenants', async (t) => {
  const app = express()
  app.use(tenantry(options))
  app.use((request, _response, next) => {
    letIn(request.headers['x-request'])
    next()
  })
  app.use(express.json())
  app.post('/seen', async (_request, response) => void response.json(await seenTenants()))
  await keepsTenantsApart(t, await serve(t, app), '/seen')
  t.equal(findContext(), undefined)
})

t.test('the context lasts where the body is read by hand, in events of the socket', async (t) => {
  const authenticate = tenantry(options)
  const ask = await serve(t, (request, response) => {
    authenticate(request, response, () => {
      const seen: string[] = []
      request.on('data', () => seen.push(currentTenant()))
      request.on('end', () => void seenTenants().then((more) => response.end(JSON.stringify([...seen, ...more]))))
      letIn(request.headers['x-request'])
    })
  })
  await keepsTenantsApart(t, ask, '/')
})

t.test('Connect: the same middleware guards and refuses', async (t) => {
  const app = connect()
  app.use(tenantry(options))
  app.use('/admin', requireRole('admin'))
  app.use((_request, response) => response.end(currentTenant()))
  app.use(answerRefusals)
  const ask = await serve(t, app)
  t.match(await ask('/', bearer()), { status: 200, body: TENANT_ID })
  t.equal((await ask('/admin', bearer())).status, 403)
  t.equal((await ask('/')).status, 401)
})

t.test(
  'each route may have its own policy; where two meet, both are asked and the context is entered once',
  async (t) => {
    const { verifier, headers } = await aStaleVerifier(t)
    const lenient = tenantry({ verifier, when_stale: { accept_up_to_seconds: 120 } })
    const app = express()
    app.get('/money', tenantry({ verifier }), (_request, response) => void response.send('ok'))
    app.get('/help', lenient, (_request, response) => void response.send('ok'))
    app.get('/twice', lenient, lenient, (_request, response) => void response.send(currentTenant()))
    app.get('/stricter', lenient, tenantry({ verifier }), (_request, response) => void response.send('ok'))
    const ask = await serve(t, app)
    const refused = await ask('/money', headers)
    t.equal(refused.status, 503)
    t.equal(refused.headers.get('retry-after'), '5')
    t.equal(refused.headers.get('www-authenticate'), null)
    t.match(JSON.parse(refused.body), { code: 'revocations_unavailable' })
    t.equal((await ask('/help', headers)).status, 200)
    t.match(await ask('/twice', headers), { status: 200, body: TENANT_ID })
    t.equal((await ask('/stricter', headers)).status, 503)
    const typo = Object.assign({ verifier }, { when_stale: 'fail-closed' as 'fail_closed' })
    t.throws(() => tenantry(typo), { code: 'configuration' })
  },
)

t.test('an error that is not ours goes to the application', async (t) => {
  const keys = () => Promise.reject(new RangeError('database away'))
  const handle: ErrorRequestHandler = (error, _request, response, _next) => {
    response.status(500).send(`handled ${error instanceof RangeError}`)
  }
  const app = express()
  app.use(tenantry({ verifier: createVerifier({ ...options, keys }) }))
  app.use(answerRefusals, handle)
  t.match(await (await serve(t, app))('/', bearer()), { status: 500, body: 'handled true' })
})
