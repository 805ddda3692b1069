// How a caller gets its tokens and keeps them: a real token endpoint and a real service on loopback, time in the test's
// hands.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { createTokenSource, TenantryError, TenantryProblem, type TokenSourceOptions } from '../src/index.ts'
import { sendJson } from './support/feed-server.ts'
import { ManualTime, until } from './support/manual-time.ts'
import { AUDIENCE, encode, OTHER_TENANT_ID, TENANT_ID } from './support/tokens.ts'

const STALE = 'Bearer error="invalid_token", error_description="stale"'
const client = { client_id: 'key+1', client_secret: 'tnt_secret' }

type Call = { readonly authorization: string | undefined; readonly body: string }

class Scene {
  readonly time = new ManualTime()
  /** What the token endpoint was asked, and what the service. */
  readonly forms: Record<string, string | undefined>[] = []
  readonly calls: Call[] = []
  /** How the token endpoint answers; by default with tokens numbered from 1, for the tenant that was asked for. */
  answerToken = (form: Record<string, string>, response: ServerResponse): void => this.giveToken(form, response)
  /** The service takes all tokens but these for fresh. */
  readonly stale = new Set<string>()
  lifetime_seconds = 300
  url = ''
  #given = 0

  async start(t: Test): Promise<this> {
    const server = createServer((request, response) => void this.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return this
  }

  source(options: Partial<TokenSourceOptions> = client) {
    const { clock, timer } = this.time
    return createTokenSource({ issuer: this.url, audience: AUDIENCE, clock, timer, random: () => 1, ...options })
  }

  giveToken({ tenant_id = '' }: Record<string, string>, response: ServerResponse): void {
    this.#given++
    const access_token = `h.${encode(JSON.stringify({ tenant_id, number: this.#given }))}.s`
    sendJson(response, { access_token, token_type: 'Bearer', expires_in: this.lifetime_seconds })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { authorization } = request.headers
    const body = await text(request)
    if (request.url === '/oauth/token') {
      const form = Object.fromEntries(new URLSearchParams(body))
      this.forms.push({ ...form, authorization })
      return this.answerToken(form, response)
    }
    this.calls.push({ authorization, body })
    if (request.url === '/moved') response.writeHead(302, { location: `${this.url}/work` })
    else if (this.stale.has(numberOf(authorization))) response.writeHead(401, { 'www-authenticate': STALE })
    else if (request.url === '/denied') response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' })
    response.end('done')
  }
}

/** Which token it is. */
function numberOf(token = ''): string {
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
  return String((JSON.parse(payload) as { number: number }).number)
}

const mine = { tenant_id: TENANT_ID }

t.test('an API key gets a token of its own, as an OAuth client', async (t) => {
  const scene = await new Scene().start(t)
  const token = await scene.source({ ...client, scope: 'invoice:read' }).token(mine)
  t.equal(numberOf(token), '1')
  const authorization = `Basic ${Buffer.from('key%2B1:tnt_secret').toString('base64')}`
  t.same(scene.forms, [
    {
      grant_type: 'client_credentials',
      tenant_id: TENANT_ID,
      audience: AUDIENCE,
      scope: 'invoice:read',
      authorization,
    },
  ])
})

t.test("a user's token is exchanged, with or without a client", async (t) => {
  const scene = await new Scene().start(t)
  await scene.source({ subject_token: async () => 'idp-token' }).token(mine)
  await scene.source({ ...client, subject_token: () => 'idp-token', subject_token_type: 'urn:x' }).token(mine)
  const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const exchange = { grant_type, subject_token: 'idp-token', tenant_id: TENANT_ID, audience: AUDIENCE }
  const subject_token_type = 'urn:ietf:params:oauth:token-type:jwt'
  t.match(scene.forms[0], { ...exchange, subject_token_type, authorization: undefined })
  t.match(scene.forms[1], { ...exchange, subject_token_type: 'urn:x', authorization: /^Basic / })
})

t.test('a token is kept for its tenant, audience, scope and subject, and for no other', async (t) => {
  const scene = await new Scene().start(t)
  let user = 'alice'
  const source = scene.source({ subject_token: () => `token-of-${user}` })
  const wanted = [
    mine,
    { tenant_id: OTHER_TENANT_ID },
    { ...mine, audience: 'https://other.example.com' },
    { ...mine, scope: 'invoice:read' },
    { ...mine, audience: `${AUDIENCE}","` },
  ]
  const tokensOf = async () => {
    const tokens: string[] = []
    for (const each of wanted) tokens.push(numberOf(await source.token(each)))
    return tokens
  }
  t.same(await tokensOf(), ['1', '2', '3', '4', '5'])
  t.same(await tokensOf(), ['1', '2', '3', '4', '5'])
  user = 'bob'
  t.same(await tokensOf(), ['6', '7', '8', '9', '10'])
  user = 'alice'
  t.same(await tokensOf(), ['1', '2', '3', '4', '5'])
})

t.test('many tenants take no more memory than there are places, and the used ones stay', async (t) => {
  const scene = await new Scene().start(t)
  const source = scene.source()
  await source.token(mine)
  for (let i = 0; i < 999; i++) await source.token({ tenant_id: `tenant-${i}` })
  t.equal(numberOf(await source.token(mine)), '1')
  await source.token({ tenant_id: 'one more' })
  t.equal(numberOf(await source.token(mine)), '1')
  t.equal(numberOf(await source.token({ tenant_id: 'tenant-0' })), '1002', 'the one that was longest unused went')
})

t.test('many who want a token at once cause one request, and one that fails is not kept', async (t) => {
  const scene = await new Scene().start(t)
  const source = scene.source()
  scene.answerToken = (_form, response) => sendJson(response, {}, 503)
  const failed = await Promise.allSettled([source.token(mine), source.token(mine), source.token(mine)])
  t.ok(failed.every(({ status }) => status === 'rejected'))
  t.equal(scene.forms.length, 1)
  scene.answerToken = (form, response) => scene.giveToken(form, response)
  const tokens = await Promise.all([source.token(mine), source.token(mine)])
  t.same(tokens.map(numberOf), ['1', '1'])
  t.equal(scene.forms.length, 2)
})

t.test('towards its end a token is still given, while another is got', async (t) => {
  const scene = await new Scene().start(t)
  const source = scene.source()
  await source.token(mine)
  scene.time.advance(239)
  await source.token(mine)
  t.equal(scene.forms.length, 1)
  scene.time.advance(1)
  const tokens = await Promise.all([source.token(mine), source.token(mine)])
  t.same(tokens.map(numberOf), ['1', '1'])
  await until(async () => numberOf(await source.token(mine)) === '2')
  t.equal(scene.forms.length, 2)
})

t.test('a renewal that fails is tried again after a pause, and told only when the token has ended', async (t) => {
  const scene = await new Scene().start(t)
  const source = scene.source()
  await source.token(mine)
  scene.answerToken = (_form, response) => sendJson(response, {}, 500)
  scene.time.advance(250)
  t.equal(numberOf(await source.token(mine)), '1')
  await until(() => scene.forms.length === 2)
  scene.time.advance(1)
  await until(async () => {
    t.equal(numberOf(await source.token(mine)), '1')
    scene.time.advance(0.5)
    return scene.forms.length === 4
  })
  scene.time.advance(60)
  await t.rejects(source.token(mine), { code: 'token_unavailable', status: 503 })
})

t.test('the earlier it is renewed differs from one to the next', async (t) => {
  const scene = await new Scene().start(t)
  const source = scene.source({ ...client, random: () => 0 })
  await source.token(mine)
  scene.time.advance(269)
  await source.token(mine)
  t.equal(scene.forms.length, 1)
  scene.time.advance(1)
  await source.token(mine)
  await until(() => scene.forms.length === 2)
})

t.test('a token that was used up, or a clock that was set back, means a new one', async (t) => {
  const scene = await new Scene().start(t)
  const source = scene.source()
  await source.token(mine)
  scene.time.advance(295)
  t.equal(numberOf(await source.token(mine)), '2')
  scene.time.advance(-10)
  t.equal(numberOf(await source.token(mine)), '3')
})

t.test('fetch sends the token, over whatever the caller had', async (t) => {
  const scene = await new Scene().start(t)
  const headers = { authorization: 'Basic x', 'x-a': '1' }
  const response = await scene.source().fetch(`${scene.url}/work`, { ...mine, method: 'POST', body: 'work', headers })
  t.equal(await response.text(), 'done')
  t.equal(scene.calls.length, 1)
  t.match(scene.calls[0], { authorization: /^Bearer h\./, body: 'work' })
})

t.test(
  'a stale token is exchanged once, after a pause, by all who hold it, and the request sent once more',
  async (t) => {
    const scene = await new Scene().start(t)
    const source = scene.source()
    await source.token(mine)
    scene.stale.add('1')
    const init = { ...mine, method: 'POST', body: 'work' }
    const all = Promise.all([1, 2, 3].map(() => source.fetch(`${scene.url}/work`, init)))
    await until(() => scene.time.delays_ms.includes(250))
    t.equal(scene.forms.length, 1, 'not before the pause')
    scene.time.advance(0.25)
    const responses = await all
    t.same(
      responses.map(({ status }) => status),
      [200, 200, 200],
    )
    t.equal(scene.forms.length, 2)
    t.same(scene.calls.map(({ authorization, body }) => `${numberOf(authorization)} ${body}`).sort(), [
      ...['1 work', '1 work', '1 work', '2 work', '2 work', '2 work'],
    ])
    t.equal((await source.fetch(`${scene.url}/work`, init)).status, 200)
    t.equal(scene.forms.length, 2)
  },
)

t.test('one that is stale again is the answer, and what was refused otherwise is not asked again', async (t) => {
  const scene = await new Scene().start(t)
  const source = scene.source({ ...client, random: () => 0 })
  scene.stale.add('1').add('2')
  const response = await source.fetch(`${scene.url}/work`, mine)
  t.equal(response.status, 401)
  t.equal(response.headers.get('www-authenticate'), STALE)
  t.equal(scene.calls.length, 2)
  const denied = await source.fetch(`${scene.url}/denied`, { ...mine, scope: 'x:y' })
  t.equal(denied.status, 401)
  t.equal(scene.calls.length, 3)
})

t.test('a body that can be sent only once is sent once', async (t) => {
  const scene = await new Scene().start(t)
  const source = scene.source()
  scene.stale.add('1')
  const init = { ...mine, method: 'POST', body: new Blob(['work']).stream(), duplex: 'half' as const }
  t.equal((await source.fetch(`${scene.url}/work`, init)).status, 401)
  t.equal(scene.calls.length, 1)
})

t.test('a redirect is followed only where the caller wants that', async (t) => {
  const scene = await new Scene().start(t)
  const source = scene.source()
  await t.rejects(source.fetch(`${scene.url}/moved`, mine), TypeError)
  t.equal((await source.fetch(`${scene.url}/moved`, { ...mine, redirect: 'follow' })).status, 200)
})

t.test('what the token endpoint refuses is told with its reason, and never with a secret', async (t) => {
  const scene = await new Scene().start(t)
  const source = scene.source({ ...client, subject_token: () => 'very-secret' })
  scene.answerToken = (_form, response) => sendJson(response, { error: 'invalid_target', error_description: 'x' }, 400)
  const error = await source.token(mine).catch((error: unknown) => error)
  if (!(error instanceof TenantryError)) return t.fail('not a TenantryError')
  t.match(error, { code: 'token_refused', status: 502, message: /invalid_target/ })
  t.ok(error.cause instanceof TenantryProblem)
  t.match(error.cause, { code: 'invalid_target', status: 400 })
  t.notMatch(`${error.message}${error.stack}${JSON.stringify(error)}`, /secret/)
})

const nonsense: [title: string, answer: (response: ServerResponse, token: string) => void][] = [
  ['no JSON', (response) => response.end('token')],
  ['no token', (response) => sendJson(response, { token_type: 'Bearer', expires_in: 300 })],
  [
    'another kind of token',
    (response, access_token) => sendJson(response, { access_token, token_type: 'mac', expires_in: 1 }),
  ],
  ['no lifetime', (response, access_token) => sendJson(response, { access_token, token_type: 'Bearer' })],
  [
    'a lifetime of nothing',
    (response, access_token) => sendJson(response, { access_token, token_type: 'Bearer', expires_in: 0 }),
  ],
  ['too much', (response) => response.end('x'.repeat(70_000))],
  ['too much to do', (response) => sendJson(response, { error: 'slow_down' }, 429)],
  ['a redirect', (response) => response.writeHead(307, { location: '/oauth/token' }).end()],
  ['nothing', (response) => response.destroy()],
]

t.test('an answer that makes no sense is none, and a token of another tenant is not taken', async (t) => {
  const scene = await new Scene().start(t)
  const source = scene.source()
  const tokenFor = (tenant_id: string) => `h.${encode(JSON.stringify({ tenant_id }))}.s`
  for (const [title, answer] of nonsense) {
    scene.answerToken = (_form, response) => answer(response, tokenFor(TENANT_ID))
    await t.rejects(source.token(mine), { code: 'token_unavailable', status: 503 }, title)
  }
  for (const access_token of [tokenFor(OTHER_TENANT_ID), 'opaque', 'h..s', 'h.e30.s']) {
    scene.answerToken = (_form, response) => sendJson(response, { access_token, token_type: 'Bearer', expires_in: 300 })
    await t.rejects(source.token(mine), { code: 'token_unavailable', message: /another tenant/ }, access_token)
  }
})

t.test('who waits for a token endpoint that is silent waits 10 s', async (t) => {
  const scene = await new Scene().start(t)
  scene.answerToken = () => {}
  const asked = scene.source().token(mine)
  await until(() => scene.forms.length === 1)
  scene.time.advance(10)
  await t.rejects(asked, { code: 'token_unavailable' })
})

t.test('a source that is set up wrongly is not made, and gives no token for no tenant', async (t) => {
  const good = { issuer: 'https://tenantry.example.com', audience: AUDIENCE, ...client }
  const wrong: object[] = [
    { issuer: '' },
    { issuer: 'tenantry' },
    { audience: undefined },
    { client_id: undefined },
    { client_secret: undefined },
    { client_secret: 'with\nline' },
    { client_id: undefined, client_secret: undefined },
    { subject_token: 'a token' },
    { token_url: 'file:///etc/passwd' },
  ]
  for (const change of wrong) {
    t.throws(() => createTokenSource({ ...good, ...change }), { code: 'configuration' }, JSON.stringify(change))
  }
  await t.rejects(createTokenSource(good).token({ tenant_id: '' }), { code: 'configuration' })
})
