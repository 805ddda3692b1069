// Which web pages may read the answers.
import t from 'tap'
import { aService } from '../support/service.ts'

const PAGE = 'https://app.example.com'
const open = await aService(t, { cors_origins: [PAGE] })

t.test('a page of an origin that is named may ask with a credential, and read what it is told', async (t) => {
  const asked = {
    origin: PAGE,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization',
  }
  const preflight = await open.stranger.call('OPTIONS', '/memberships', undefined, asked)
  t.match(preflight, { status: 204, headers: { 'access-control-allow-origin': PAGE, vary: /Origin/ } })
  t.match(preflight.headers['access-control-allow-headers'], /Authorization.*Tenantry-Min-Revision/)
  t.match(preflight.headers['access-control-allow-methods'], /POST/)
  const { status, headers } = await open.stranger.get('/me', { origin: PAGE })
  t.equal(status, 401)
  t.equal(headers['access-control-allow-origin'], PAGE, 'a refusal is readable too')
  t.match(headers['access-control-expose-headers'], /RateLimit, .*WWW-Authenticate/)
  t.equal(headers['access-control-allow-credentials'], undefined, 'there are no cookies')
})

t.test('a page of another origin may not', async (t) => {
  const { headers } = await open.root.get('/tenants', { origin: 'https://evil.example' })
  t.not(headers['access-control-allow-origin'], 'https://evil.example')
  t.not(headers['access-control-allow-origin'], '*')
})

t.test('without the setting no page may, and OPTIONS is a method like any other', async (t) => {
  const closed = await aService(t, { replica_of: open })
  const asked = { origin: PAGE, 'access-control-request-method': 'GET' }
  const answer = await closed.stranger.call('OPTIONS', '/tenants', undefined, asked)
  t.equal(answer.status, 405)
  t.equal(answer.headers['access-control-allow-origin'], undefined)
})

t.test('a page that asks for checks is told the same, though others are answered before', async (t) => {
  const { id: tenant_id } = await open.aTenant({ owner: { user_id: 'vera' } })
  const caller = await open.overHttp((await open.anApiKey({ tenant_id })).secret)
  const question = {
    ...{ subject: { type: 'user', id: 'vera' }, action: { name: 'read' } },
    resource: { type: 'invoice', id: '1' },
  }
  for (let asked = 0; asked < 3; asked++) {
    const answer = await caller.post('/access/v1/evaluation', question, { origin: PAGE })
    t.match(answer, { status: 200, body: { decision: true }, headers: { 'access-control-allow-origin': PAGE } })
  }
})
