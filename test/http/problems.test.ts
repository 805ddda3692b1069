// What goes wrong before any handler: every answer is a problem, with an id that finds it in the log; and the log, which
// tells what happened and holds nothing that is secret or personal.
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { CATALOGUE } from '../../src/errors.ts'
import { type Answer, aService } from '../support/service.ts'

const s = await aService(t)
const JSON_TYPE = { 'content-type': 'application/json' }

/** RFC 9457, as the contract has it. */
const isProblem = (
  t: Test,
  answer: Answer,
  status: number,
  code: keyof typeof CATALOGUE,
  name: string = code,
): void => {
  t.match(answer.headers['content-type'], /^application\/problem\+json/, name)
  t.match(
    answer,
    {
      status,
      body: {
        type: `${s.issuer}/errors/${code}`,
        title: CATALOGUE[code].title,
        status,
        code,
        request_id: answer.headers['x-request-id'],
      },
    },
    name,
  )
  t.same(Object.keys(answer.body), ['type', 'title', 'status', 'code', 'detail', 'request_id', 'errors'], name)
}

t.test('malformed JSON is a 400', async (t) => {
  for (const body of ['{', '{"name":', '"', '{"name":"x",}', "{'name':'x'}", '\u0000', 'NaN', '{"name":"x"}{']) {
    isProblem(t, await s.root.post('/tenants', body, JSON_TYPE), 400, 'request.invalid', body)
  }
})

t.test('a body that is not what the contract asks is a 400 that points at each fault', async (t) => {
  const answer = await s.root.post('/tenants', { slug: 'A', color: 'red', owner: { user_id: 7 }, 'a/b~c': 1 })
  isProblem(t, answer, 400, 'request.invalid')
  t.same(answer.body.errors.map(({ pointer }: { pointer: string }) => pointer).sort(), [
    '/a~1b~0c',
    '/color',
    '/name',
    '/owner/user_id',
    '/slug',
  ])
  const query = await s.root.get('/tenants?limit=many&color=red')
  t.same(query.body.errors.map(({ pointer }: { pointer: string }) => pointer).sort(), ['query/color', 'query/limit'])
  t.match((await s.root.get('/tenants/acme')).body.errors, [{ pointer: 'path/tenant_id' }])
  const headers = await s.root.patch(
    `/tenants/${(await s.aTenant()).id}`,
    { name: 'X' },
    { 'if-match': 'x'.repeat(501) },
  )
  t.match(headers.body.errors, [{ pointer: 'header/if-match' }])
})

t.test('a body above 64 KiB is a 413, and one just below is read', async (t) => {
  const body = (bytes: number): string => `{"name":"${'x'.repeat(bytes - 11)}"}`
  isProblem(t, await s.root.post('/tenants', body(65_537), JSON_TYPE), 413, 'body.too_large')
  isProblem(t, await s.root.post('/tenants', body(65_536), JSON_TYPE), 400, 'request.invalid', 'too long a name')
})

t.test('only JSON is read', async (t) => {
  const types = [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
    'nonsense',
  ]
  for (const type of types) {
    isProblem(
      t,
      await s.root.post('/tenants', '{"name":"X"}', { 'content-type': type }),
      415,
      'media_type.unsupported',
      type,
    )
  }
  t.equal(
    (await s.root.post('/tenants', '{"name":"X"}', { 'content-type': 'application/json; charset=utf-8' })).status,
    201,
  )
})

t.test('another method of an address is a 405 with Allow, for anybody', async (t) => {
  const answer = await s.stranger.call('PUT', '/tenants', '{', JSON_TYPE)
  isProblem(t, answer, 405, 'method.not_allowed')
  t.equal(answer.headers.allow, 'GET, POST, HEAD')
  t.equal((await s.root.get('/access/v1/evaluation')).headers.allow, 'POST')
  t.equal((await s.stranger.call('OPTIONS', '/livez')).status, 405)
})

t.test('what is nowhere is a 404, also under an address that exists', async (t) => {
  for (const url of ['/', '/nothing', '/Tenants', '//tenants', '/tenants/x/y/z', '/.env', '/docs/../../etc/passwd']) {
    isProblem(t, await s.root.get(url), 404, 'not_found', url)
  }
  isProblem(t, await s.root.get('/tenants/%zz'), 400, 'request.invalid', 'a URL that cannot be decoded')
})

t.test('a value in the path is judged by its schema however long it is, and only for those who may ask', async (t) => {
  const url = `/tenants/${'a'.repeat(500)}`
  isProblem(t, await s.root.get(url), 400, 'request.invalid')
  isProblem(t, await s.stranger.get(url), 401, 'credential.missing')
})

t.test('attempts on the prototype are refused, wherever they stand', async (t) => {
  const { id } = await s.aTenant()
  for (const body of [
    '{"name":"X","__proto__":{"admin":true}}',
    '{"name":"X","settings":{"__proto__":{"admin":true}}}',
    '{"name":"X","metadata":{"a":[{"constructor":{"prototype":{"admin":true}}}]}}',
    '{"name":"X","\\u005f_proto__":{"admin":true}}',
  ]) {
    isProblem(t, await s.root.post('/tenants', body, JSON_TYPE), 400, 'request.invalid', body)
    isProblem(t, await s.root.patch(`/tenants/${id}`, body, JSON_TYPE), 400, 'request.invalid', body)
  }
  t.equal((await s.root.get('/tenants?__proto__=x')).status, 400)
  t.equal((await s.root.get('/tenants?constructor=x')).status, 400)
  t.equal(Object.hasOwn(Object.prototype, 'admin'), false)
})

t.test('text that PostgreSQL cannot store is refused in bodies, keys and queries', async (t) => {
  const tenant_id = (await s.aTenant()).id
  const bodies: [string, string][] = [
    ['/metadata/a', '{"name":"X","metadata":{"a":"\\u0000"}}'],
    ['/metadata/a/1/b', '{"name":"X","metadata":{"a":[1,{"b":"x\\u0000y"}]}}'],
    ['/metadata', '{"name":"X","metadata":{"a\\u0000":1}}'],
    ['/metadata/a', '{"name":"X","metadata":{"a":"\\ud800"}}'],
    ['/metadata/a', '{"name":"X","metadata":{"a":"\\udc00\\ud800"}}'],
    ['/metadata', '{"name":"X","metadata":{"\\udfff":1}}'],
    ['/metadata/a', '{"name":"X","metadata":{"a":1e400}}'],
  ]
  for (const [pointer, body] of bodies) {
    const answer = await s.root.post('/tenants', body, JSON_TYPE)
    isProblem(t, answer, 400, 'request.invalid', body)
    t.match(answer.body.errors, [{ pointer }], body)
  }
  for (const url of [
    '/tenants?q=%00',
    `/memberships?tenant_id=${tenant_id}&user_id=a%00b`,
    '/memberships?user_id=%00',
  ]) {
    isProblem(t, await s.root.get(url), 400, 'request.invalid', url)
  }
  const whole = await s.root.post('/tenants', '{"name":"X","metadata":{"a":"\\ud83d\\ude00"}}', JSON_TYPE)
  t.same(whole.body.metadata, { a: '😀' }, 'a whole pair is text like any other')
})

t.test('JSON is 32 levels deep at most', async (t) => {
  // The body is the first level and `metadata` the second.
  const nested = (levels: number): string =>
    `{"name":"X","metadata":${'{"a":'.repeat(levels - 2)}{}${'}'.repeat(levels - 2)}}`
  t.equal((await s.root.post('/tenants', nested(32), JSON_TYPE)).status, 201)
  isProblem(t, await s.root.post('/tenants', nested(33), JSON_TYPE), 400, 'request.invalid')
  isProblem(t, await s.root.post('/tenants', nested(5_000), JSON_TYPE), 400, 'request.invalid')
  const lists = `{"name":"X","metadata":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`
  isProblem(t, await s.root.post('/tenants', lists, JSON_TYPE), 400, 'request.invalid')
})

t.test('a free-form object has 16 KiB at most', async (t) => {
  const body = (bytes: number) => ({ name: 'X', metadata: { a: 'ä'.repeat((bytes - 8) / 2) } })
  t.equal((await s.root.post('/tenants', body(16_384))).status, 201)
  const answer = await s.root.post('/tenants', body(16_386))
  isProblem(t, answer, 400, 'request.invalid')
  t.match(answer.body.errors, [{ pointer: '/metadata' }])
})

t.test('an id is a UUID in lower case, and nothing that PostgreSQL or a format checker would also take', async (t) => {
  const { id } = await s.aTenant()
  for (const odd of [id.toUpperCase(), `urn:uuid:${id}`, `{${id}}`, id.replaceAll('-', ''), `${id}%20`, `${id}%00`]) {
    t.equal((await s.root.get(`/tenants/${odd}`)).status, 400, odd)
    t.equal((await s.root.post('/memberships', { tenant_id: odd, user_id: 'x' })).status, 400, odd)
    t.equal((await s.root.get(`/memberships?tenant_id=${odd}`)).status, 400, odd)
  }
})

t.test(
  'the request id is taken when it can be, else made, and is in the answer, the problem and the log',
  async (t) => {
    const given = await s.stranger.get('/tenants', { 'x-request-id': 'abc-123_X.y:z+/=' })
    t.equal(given.headers['x-request-id'], 'abc-123_X.y:z+/=')
    t.equal(given.body.request_id, 'abc-123_X.y:z+/=')
    t.ok(s.logged.some(({ request_id }) => request_id === 'abc-123_X.y:z+/='))
    const made = await s.root.get('/tenants')
    t.match(made.headers['x-request-id'], /^[0-9a-f-]{36}$/)
    t.not((await s.root.get('/tenants')).headers['x-request-id'], made.headers['x-request-id'])
    for (const hostile of ['a b', 'x'.repeat(129), '<script>', 'a"b', '%{jndi:ldap://x}', 'ü', '']) {
      const { headers } = await s.stranger.get('/livez', { 'x-request-id': hostile })
      t.match(headers['x-request-id'], /^[0-9a-f-]{36}$/, hostile)
      t.notOk(hostile !== '' && s.logged.some((line) => JSON.stringify(line).includes(hostile)), hostile)
    }
    for (const url of ['/nothing', '/tenants/%zz', '/livez', '/docs']) {
      t.equal((await s.stranger.get(url, { 'x-request-id': 'mine' })).headers['x-request-id'], 'mine', url)
    }
  },
)

t.test('a request that is none, or has too large headers, is answered with a problem over the wire too', async (t) => {
  await s.service.app.fastify.listen({ host: '127.0.0.1', port: 0 })
  const { port } = s.service.app.fastify.server.address() as { port: number }
  const say = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let heard = ''
      const socket = connect(port, '127.0.0.1', () => socket.write(text))
      socket.setEncoding('utf8')
      socket.on('data', (data) => {
        heard += data
      })
      socket.on('end', () => resolve(heard))
      socket.on('error', reject)
    })
  const tooLarge = await say(`GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`)
  const nonsense = await say('HELLO\r\n\r\n')
  for (const [answer, status, code] of [
    [tooLarge, '431 Request Header Fields Too Large', 'headers.too_large'],
    [nonsense, '400 Bad Request', 'request.invalid'],
  ] as const) {
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    t.ok(head.startsWith(`HTTP/1.1 ${status}\r\n`), head)
    t.match(head, 'Content-Type: application/problem+json')
    const problem = JSON.parse(body)
    t.match(problem, { code, type: `${s.issuer}/errors/${code}`, title: CATALOGUE[code].title })
    t.ok(head.includes(`X-Request-ID: ${problem.request_id}`))
  }
})

// The log

const logged = (): string => s.logged.map((line) => JSON.stringify(line)).join('\n')
const since = async (work: () => Promise<unknown>): Promise<typeof s.logged> => {
  const before = s.logged.length
  await work()
  return s.logged.slice(before)
}

t.test('a request is one line: who, what, how it went, and how long it took', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const { caller, membership } = await s.aMember(tenant_id, 'owner')
  const lines = await since(() => caller.get('/memberships?limit=1&email=vera@acme.example', { 'x-request-id': 'abc' }))
  t.equal(lines.length, 1)
  t.match(lines[0], {
    level: 30,
    request_id: 'abc',
    principal: `membership:${membership.id}`,
    principal_tenant_id: tenant_id,
    method: 'GET',
    path: '/memberships',
    operation_id: 'listMemberships',
    status: 200,
    duration_ms: Number,
  })
  t.match(await since(() => s.stranger.get('/nothing')), [{ path: '/nothing', status: 404 }])
})

t.test('no secret, token, e-mail address, name, user id or query string is in the log', async (t) => {
  const { id: tenant_id } = await s.aTenant({
    name: 'Hush Industries',
    owner: { user_id: 'user_hush', email: 'hush@acme.example' },
  })
  const key = await s.anApiKey({
    tenant_id,
    name: 'hush key',
    permissions: ['*', 'tenantry.*', 'tenantry.token:issue'],
  })
  const caller = s.as(key.secret)
  const token = (await caller.post('/tokens', { user_id: 'user_hush' })).body.access_token
  await s.as(token).get('/memberships?email=hush@acme.example&user_id=user_hush')
  await s.as(token).get('/memberships?email=hush@acme.example&wrong=hush@acme.example')
  await s.as(`${token}x`).get('/tenants')
  await s.as(`${key.secret}x`).get('/tenants')
  await s.as(key.secret.slice(0, -1)).get('/tenants')
  await s.root.post('/tenants', { name: 'Hush Industries', slug: 'hush@acme.example' })
  await s.root.post('/memberships', `{"tenant_id":"${tenant_id}","email":"hush@acme.example"`, {
    'content-type': 'application/json',
  })
  await caller.post(
    '/memberships',
    { user_id: 'user_hush', email: 'hush@acme.example' },
    { 'idempotency-key': 'hush-idempotency' },
  )
  await caller.post('/tenants', { name: 'x' })
  for (const wrong of [
    key.secret,
    token,
    'hush@acme.example',
    s.root_api_key,
    encodeURIComponent('hush@acme.example'),
  ]) {
    await s.root.get(`/api-keys/${wrong}`)
    await s.root.delete(`/api-keys/${wrong}`)
    await s.root.get(`/${wrong}`)
    await s.root.get(`/tenants/%zz${wrong}`)
  }
  const secrets = [key.secret, key.secret.slice(4, 30), token, token.split('.')[2], s.root_api_key]
  const personal = [
    'hush@acme',
    'hush%40acme',
    'Hush Industries',
    'user_hush',
    'hush key',
    'email=',
    'hush-idempotency',
  ]
  for (const text of [...secrets, ...personal]) t.notOk(logged().includes(text ?? ''), text)
})

t.test(
  'an error of the database is logged by its code and constraint, without the values that caused it',
  async (t) => {
    const { id: tenant_id } = await s.aTenant()
    await s.test_database.superuser(
      `alter table tenantry.memberships add constraint provoked check (user_id <> 'user_broken')`,
    )
    const body = { tenant_id, user_id: 'user_broken', email: 'broken@acme.example', display_name: 'Broken Person' }
    const lines = await since(async () => {
      const answer = await s.root.post('/memberships', body)
      t.match(answer, { status: 500, body: { code: 'internal', errors: [] } })
      t.notMatch(answer.text, /provoked|broken|23514|select|insert/i, 'and the caller learns nothing of it')
    })
    t.match(lines, [
      { level: 50, code: 'internal', err: { code: '23514', constraint: 'provoked', stack: String } },
      { status: 500, operation_id: 'createMembership' },
    ])
    t.notMatch(JSON.stringify(lines), /user_broken|broken@acme|Broken Person/)
  },
)

t.test('an unknown error of the database is an internal one, and the next request is served', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  await s.test_database.superuser('alter table tenantry.membership_roles rename to hidden')
  const lines = await since(async () =>
    t.equal((await s.root.post('/memberships', { tenant_id, user_id: 'user_x' })).status, 500),
  )
  t.match(lines[0], { level: 50, err: { code: '42P01' } })
  await s.test_database.superuser('alter table tenantry.hidden rename to membership_roles')
  t.equal((await s.root.post('/memberships', { tenant_id, user_id: 'user_x' })).status, 201)
  t.equal(await s.revisionOf(tenant_id), 2, 'of the failed one nothing is left')
})
