import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createTenantryClient, TenantryError, TenantryProblem, unwrap, unwrapDryRun } from '../src/index.ts'

const seen: IncomingMessage[] = []
const server = createServer((request, response) => {
  seen.push(request)
  const [status, type, body] = answers[`${request.method} ${request.url?.split('?')[0]}`] ?? [404, 'text/plain', 'lost']
  response.writeHead(status, { 'content-type': type, location: '/elsewhere' }).end(body)
})

const tenant_id = '01987c2e-7b1a-7000-8000-000000000001'
const problem = {
  type: 'https://tenantry.example.com/errors/membership.exists',
  title: 'Conflict',
  status: 409,
  code: 'membership.exists',
  detail: 'The user is a member already.',
  request_id: 'r1',
  errors: [],
}
const answers: Record<string, [status: number, type: string, body?: string]> = {
  'POST /tenants': [201, 'application/json', JSON.stringify({ id: tenant_id, name: 'Acme' })],
  'PATCH /roles/r1': [200, 'application/json', JSON.stringify({ dry_run: true, changes: [], truncated: false })],
  'GET /tenants': [200, 'application/json', JSON.stringify({ data: [], next_cursor: null })],
  'POST /memberships': [409, 'application/problem+json', JSON.stringify(problem)],
  'GET /roles': [302, 'text/plain', ''],
  'DELETE /memberships/m1': [204, 'application/json'],
  'POST /tokens': [400, 'application/json', JSON.stringify({ error: 'invalid_target' })],
}

await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo
t.teardown(() => server.close())

const tenantry = createTenantryClient({ base_url: `http://127.0.0.1:${port}`, api_key: 'tnt_secret' })

t.test('a call sends the credential and answers typed data', async (t) => {
  const tenant = await unwrap(tenantry.POST('/tenants', { body: { name: 'Acme' } }))
  const id: string = tenant.id
  t.equal(id, tenant_id)
  t.equal(seen.at(-1)?.headers.authorization, 'Bearer tnt_secret')
  const page = await unwrap(tenantry.GET('/tenants', { params: { query: { limit: 200 } } }))
  t.same(page, { data: [], next_cursor: null })
  t.equal(seen.at(-1)?.url, '/tenants?limit=200')
})

t.test('an answer without content is undefined', async (t) => {
  const nothing = tenantry.DELETE('/memberships/{membership_id}', { params: { path: { membership_id: 'm1' } } })
  t.equal(await unwrap(nothing), undefined)
})

t.test('what was done and what would be are not taken for each other', async (t) => {
  const params = { path: { role_id: 'r1' }, query: { dry_run: true } }
  const dry = () => tenantry.PATCH('/roles/{role_id}', { params, body: { permissions: ['invoice:read'] } })
  t.same((await unwrapDryRun(dry())).changes, [])
  await t.rejects(unwrap(dry()), TypeError)
  await t.rejects(unwrapDryRun(tenantry.GET('/tenants')), TypeError)
})

t.test('a problem is thrown with its code, and never the credential', async (t) => {
  const call = unwrap(tenantry.POST('/memberships', { body: { tenant_id, user_id: 'alice' } }))
  const error = await call.catch((error: unknown) => error)
  if (!(error instanceof TenantryProblem)) return t.fail('not a TenantryProblem')
  t.match(error, { status: 409, code: 'membership.exists', problem: { request_id: 'r1' } })
  t.notMatch(`${error.message}${error.stack}`, /secret/)
})

t.test('answers in other forms have a code as well', async (t) => {
  const oauth = unwrap(tenantry.POST('/tokens', { body: { tenant_id, user_id: 'alice' } }))
  await t.rejects(oauth, { status: 400, code: 'invalid_target', problem: null })
  await t.rejects(unwrap(tenantry.GET('/events')), { status: 404, code: 'http_404' })
})

t.test('a redirect is not followed', async (t) => {
  await t.rejects(unwrap(tenantry.GET('/roles')), TypeError)
})

t.test('a client without an address or a credential is not made', async (t) => {
  const configuration = { name: 'TenantryError', code: 'configuration' }
  t.throws(() => createTenantryClient({ base_url: 'tenantry', api_key: 'x' }), configuration)
  t.throws(() => createTenantryClient({ base_url: 'http://localhost', api_key: '' }), TenantryError)
})

t.test('a credential that no header can carry is refused before anything could quote it', async (t) => {
  const made = () => createTenantryClient({ base_url: 'http://localhost', api_key: 'tnt_sec\nret' })
  t.throws(made, { name: 'TenantryError', code: 'configuration', message: /^(?!.*sec)/s })
})
