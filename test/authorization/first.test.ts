// Checks that are answered before the framework are answered as it would answer them: the same request is sent through a socket
// and to the framework alone, and everything about the answers is compared. What is not plain goes on to it whole.
import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { aService, type Options, type TestService } from '../support/service.ts'

const PATH = '/access/v1/evaluation'

type Json = { [key: string]: unknown }

/** How many requests the framework has been asked to handle in this process. */
const handled = { count: 0 }
subscribe('tracing:fastify.request.handler:start', () => void handled.count++)

const serve = async (t: Test, options: Options = {}) => {
  const s = await aService(t, options)
  await s.service.app.fastify.listen({ host: '127.0.0.1', port: 0 })
  const { port } = s.service.app.fastify.server.address() as AddressInfo
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 })
  t.teardown(() => agent.destroy())
  /** Each of `pieces` is sent when nothing more is done with the one before. */
  const send = async (headers: Record<string, string>, pieces: readonly string[], method = 'POST', path = PATH) => {
    const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent })
    const { server } = s.service.app.fastify
    for (const piece of pieces.slice(0, -1)) {
      request.write(piece)
      await once(server, 'request')
      await turn()
    }
    request.end(pieces.at(-1))
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const text = Buffer.concat(await response.toArray()).toString()
    return { status: response.statusCode ?? 0, headers: response.headers, text }
  }
  const plain = (secret: string, body: string): Record<string, string> => ({
    authorization: `Bearer ${secret}`,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  })
  const ask = (secret: string, question: unknown, more: Record<string, string> = {}) => {
    const body = JSON.stringify(question)
    return send({ ...plain(secret, body), ...more }, [body])
  }
  return { s, port, send, plain, ask }
}

/** What differs from answer to answer, and what belongs to the connection. */
const OF_THIS_ANSWER = ['date', 'connection', 'keep-alive', 'x-request-id', 'transfer-encoding']

const comparable = ({ status, headers, text }: { status: number; headers: object; text: string }) => {
  const kept = Object.entries(headers).filter(([name]) => !OF_THIS_ANSWER.includes(name))
  const body: unknown = text.startsWith('{') ? JSON.parse(text) : text
  const same = typeof body === 'object' ? { ...body, request_id: undefined, instance: undefined } : body
  return { status, headers: Object.fromEntries(kept.map(([name, value]) => [name, String(value)])), body: same }
}

const question = (more: Json = {}): Json => ({
  subject: { type: 'user', id: 'vera' },
  action: { name: 'read' },
  resource: { type: 'invoice', id: '1' },
  ...more,
})

/** Until what is asked about is in memory, which begins when changes are followed. */
const untilFirst = async (s: TestService, ask: () => Promise<unknown>): Promise<void> => {
  const waited = (): number => {
    const { misses, bypassed } = s.service.app.memory.stats()
    return handled.count + misses + bypassed
  }
  const before = waited()
  await ask()
  if (waited() !== before) await untilFirst(s, ask)
}

/** Everything that a tenant can be asked about. */
const furnish = async (s: TestService) => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'olga' } })
  await s.aMembership(tenant_id, { user_id: 'vera' })
  const resource = { type: 'invoice', id: '7' }
  const held = await s.aMembership(tenant_id, { user_id: 'gerd', roles: ['viewer'] })
  await s.aGrant(tenant_id, { membership_id: held.id, role: 'admin', resource })
  const suspended = await s.aMembership(tenant_id, { user_id: 'sven' })
  await s.root.post(`/memberships/${suspended.id}/suspend`)
  const other = await s.aTenant({ owner: { user_id: 'vera' } })
  await s.aPolicy({
    tenant_id: other.id,
    text: 'forbid (principal, action == Action::"invoice:write", resource) when { context.amount > 10 };',
  })
  const closed = await s.aTenant({ owner: { user_id: 'vera' } })
  await s.root.post(`/tenants/${closed.id}/suspend`)
  const { secret } = await s.anApiKey({ tenant_id })
  const of_closed = (await s.anApiKey({ tenant_id: closed.id })).secret
  const of_platform = (await s.anApiKey({ permissions: ['tenantry.*'] })).secret
  const powerless = (await s.anApiKey({ tenant_id, permissions: ['invoice:read'] })).secret
  const { access_token } = (await s.root.post('/tokens', { tenant_id, user_id: 'vera', audience: s.issuer })).body
  return {
    ...{ tenant_id, other: other.id, closed: closed.id, access_token },
    secrets: { secret, of_platform, root: s.root_api_key, of_closed, powerless },
  }
}

const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) })

t.test('whatever is asked, the answer is the one that the framework gives', async (t) => {
  const { s, send, plain } = await serve(t)
  const { tenant_id, other, closed, secrets, access_token } = await furnish(s)
  const in_tenants = [undefined, tenant_id, other, closed, '00000000-0000-4000-8000-000000000000', 'acme', 7]
  const questions: Json[] = [
    ...['vera', 'olga', 'gerd', 'sven', 'nobody'].map((id) => question({ subject: { type: 'user', id } })),
    ...['write', 'delete', 'a:b', '*', ''].map((name) => question({ action: { name } })),
    question({
      subject: { type: 'user', id: 'gerd' },
      resource: { type: 'invoice', id: '7' },
      action: { name: 'write' },
    }),
    question({ subject: { type: 'robot', id: 'r2' } }),
    question({ action: { name: 'write' }, context: { amount: 11 } }),
    question({ action: { name: 'write' }, context: { amount: 1e300 } }),
    question({ resource: { type: 'invoice', id: '1', properties: { tenant_id: other } } }),
    question({ context: { min_revision: `${tenant_id}:1` } }),
    question({ context: { min_revision: 'nonsense' } }),
    question({ context: { more: deep(28) } }),
    question({ context: { more: deep(40) } }),
    question({ subject: { type: 'user' } }),
    question({ subject: { type: 'user', id: 7 } }),
    question({ subject: { type: 'user', id: 'x'.repeat(300) } }),
    question({ subject: { type: 'user', id: 'Zoë 🦊' } }),
    question({ subject: { type: 'user', id: 'a"b\\c\u0000' } }),
    question({ unknown: true }),
    {},
  ]
  const inTenant = (each: Json, id: unknown, explain?: boolean): Json => {
    const context = {
      ...(each.context as Json),
      ...(id !== undefined && { tenant_id: id }),
      ...(explain && { explain }),
    }
    return Object.keys(context).length === 0 ? each : { ...each, context }
  }
  const asked = [
    ...questions.flatMap((each) => [inTenant(each, tenant_id, true), inTenant(each, other), each]),
    ...in_tenants.flatMap((id) => [inTenant(question(), id), inTenant(question(), id, true)]),
  ]
  const before = handled.count
  const bodies = [
    ...asked.map((each) => JSON.stringify(each)),
    ...['', '{', 'null', '[]', '"text"', '7', '\ufeff{}', '{"subject":1e999}'],
    JSON.stringify(question()).replace('"subject"', '"__proto__":{"a":1},"subject"'),
    JSON.stringify(question()).replace('"subject"', '"constructor":{"prototype":{}},"subject"'),
    JSON.stringify(question({ context: { tenant_id } })).replace('vera', '\\u0076era'),
    JSON.stringify(question({ context: { tenant_id, amount: 'AMOUNT' } })).replace('"AMOUNT"', '1e999'),
  ]
  const compare = async (name: string, credential: string, body: string): Promise<void> => {
    const headers = plain(credential, body)
    const first = await send(headers, [body])
    const inject = { method: 'POST', url: PATH, headers, payload: body } as const
    const { statusCode: status, headers: theirs, body: text } = await s.service.app.fastify.inject(inject)
    t.same(comparable(first), comparable({ status, headers: theirs, text }), `${name}: ${body.slice(0, 150)}`)
  }
  const all = Object.entries({ ...secrets, token: access_token, bad: 'tnt_nonsense' }).flatMap(([name, credential]) =>
    bodies
      .filter((_, index) => ['secret', 'root'].includes(name) || index % 4 === 0)
      .map((body) => [name, credential, body] as const),
  )
  await Promise.all(all.map((each) => compare(...each)))
  const compared = all.length
  const by_framework = handled.count - before - compared
  t.ok(by_framework < compared * 0.5, `most are answered first: ${compared - by_framework} of ${compared}`)
})

t.test('a plain check from memory never reaches the framework, and all others do, whole', async (t) => {
  const { s, port, send, plain, ask } = await serve(t)
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'vera' } })
  const { secret } = await s.anApiKey({ tenant_id })
  await untilFirst(s, () => ask(secret, question()))
  const by = async (work: () => Promise<unknown>): Promise<number> => {
    const before = handled.count
    await work()
    return handled.count - before
  }
  t.equal(await by(() => ask(secret, question())), 0)
  t.equal(await by(() => ask(secret, question({ context: { explain: true } }))), 0)
  t.equal(await by(() => ask(secret, question({ subject: { type: 'user', id: 'nobody' } }))), 0, 'read meanwhile')
  const body = JSON.stringify(question())
  const headers = plain(secret, body)
  const yes = { status: 200, text: '{"decision":true}' }
  const goesOn = async (name: string, ...sent: Parameters<typeof send>): Promise<void> => {
    const before = handled.count
    t.match(await send(...sent), yes, name)
    t.equal(handled.count - before, 1, `${name}: by the framework`)
  }
  await goesOn('in pieces', headers, [body.slice(0, 20), body.slice(20)])
  const { 'content-length': _, ...unmeasured } = headers
  await goesOn('chunked', { ...unmeasured, 'transfer-encoding': 'chunked' }, [body])
  await goesOn('with an escape', plain(secret, body.replace('vera', '\\u0076era')), [
    body.replace('vera', '\\u0076era'),
  ])
  await goesOn('another type of JSON', { ...headers, 'content-type': 'application/json;charset=UTF-8' }, [body])
  await goesOn('a demanded revision', { ...headers, 'tenantry-min-revision': `${tenant_id}:1` }, [body])
  await goesOn('the scheme in another case', { ...headers, authorization: `bearer ${secret}` }, [body])
  const large = JSON.stringify(question({ context: { text: 'x'.repeat(60_000) } }))
  t.match(await send(plain(secret, large), [large]), yes, 'as large as it may be')
  const larger = JSON.stringify(question({ context: { text: 'x'.repeat(70_000) } }))
  t.equal((await send(plain(secret, larger), [larger])).status, 413)
  t.equal((await send(headers, [body], 'PUT')).status, 405)
  t.equal((await send(headers, [body], 'POST', `${PATH}?a=1`)).status, 400)
  // Several in one packet, the second of which goes on: each is answered in its turn.
  const socket = net.connect(port, '127.0.0.1')
  const head = (more: string) => `POST ${PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${secret}\r\n${more}`
  const type = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`
  const one = (id: string, more = '') => `${head(`${type}X-Request-ID: ${id}\r\n${more}`)}\r\n${body}`
  socket.end(one('first') + one('second', `Tenantry-Min-Revision: ${tenant_id}:1\r\n`) + one('third'))
  const text = Buffer.concat(await socket.toArray()).toString()
  t.same(
    text.match(/x-request-id: \w+/gi)?.map((each) => each.split(' ')[1]),
    ['first', 'second', 'third'],
  )
  t.equal(text.match(/\{"decision":true\}/g)?.length, 3)
})

t.test('it is logged and measured like any other, once', async (t) => {
  const { s, ask } = await serve(t)
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'vera' } })
  const key = await s.anApiKey({ tenant_id })
  await untilFirst(s, () => ask(key.secret, question()))
  const countOf = async (name: string): Promise<number> => {
    const { text } = await s.root.get('/metrics')
    return Number(text.match(new RegExp(`^${name} (\\d+)$`, 'm'))?.[1] ?? 0)
  }
  const MEASURED = 'tenantry_http_request_duration_seconds_count\\{operation="evaluateAccess",status="200"\\}'
  const DECIDED = 'tenantry_decisions_total\\{decision="allow",reason="role_grants"\\}'
  const before = [await countOf(MEASURED), await countOf(DECIDED)]
  s.logged.length = 0
  const trace_id = '4bf92f3577b34da6a3ce929d0e0e4736'
  const answer = await ask(key.secret, question(), {
    ...{ 'x-request-id': 'mine', traceparent: `00-${trace_id}-00f067aa0ba902b7-01` },
  })
  t.equal(answer.headers['x-request-id'], 'mine')
  t.match(
    (await ask(key.secret, question(), { 'x-request-id': 'not "one"' })).headers['x-request-id'],
    /^[0-9a-f-]{36}$/,
  )
  const [line, , ...more] = s.logged.filter(({ msg }) => msg === 'request')
  t.same(more, [])
  t.same(Object.keys(line), [
    ...[
      'level',
      'time',
      'request_id',
      'trace_id',
      'principal',
      'principal_tenant_id',
      'method',
      'path',
      'operation_id',
    ],
    ...['status', 'duration_ms', 'msg'],
  ])
  t.match(line, {
    ...{ level: 30, request_id: 'mine', trace_id, principal: `api_key:${key.id}`, principal_tenant_id: tenant_id },
    ...{ method: 'POST', path: PATH, operation_id: 'evaluateAccess', status: 200, duration_ms: Number },
  })
  t.same(
    [await countOf(MEASURED), await countOf(DECIDED)],
    before.map((count) => count + 2),
  )
})

t.test('what ends a right ends it here too, at once', async (t) => {
  const { s, ask } = await serve(t)
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'olga' } })
  const membership = await s.aMembership(tenant_id, { user_id: 'vera' })
  const [key, ending] = [await s.anApiKey({ tenant_id }), await s.anApiKey({ tenant_id, expires_at: s.instant(60) })]
  for (const { secret } of [key, ending]) await untilFirst(s, () => ask(secret, question()))
  await s.root.post(`/memberships/${membership.id}/suspend`)
  t.match(await ask(key.secret, question()), { status: 200, text: '{"decision":false}' })
  await s.root.post(`/memberships/${membership.id}/reactivate`)
  t.match(await ask(key.secret, question()), { status: 200, text: '{"decision":true}' })
  s.advance(60)
  t.equal((await ask(ending.secret, question())).status, 401)
  await s.root.delete(`/api-keys/${key.id}`)
  t.equal((await ask(key.secret, question())).status, 401)
})

t.test('limits count the same, and what fails later is told by the framework', async (t) => {
  const { s, ask } = await serve(t, { rate_limit: 1, staleness_ms: 60_000 })
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'vera' } })
  const { secret } = await s.anApiKey({ tenant_id })
  await untilFirst(s, () => ask(s.root_api_key, question({ context: { tenant_id } })))
  const answers = []
  for (let asked = 0; asked < 12; asked++) answers.push(await ask(secret, question()))
  t.same(
    answers.map(({ status }) => status),
    [...Array(10).fill(200), 429, 429],
  )
  t.match(answers[9]?.headers, { ratelimit: '"credential";r=0;t=10', 'ratelimit-policy': '"credential";q=10;w=10' })
  t.match(answers[10]?.headers, { 'retry-after': '10', 'content-type': /problem/ })
  // What is in memory is answered when the database is away, and nothing else.
  const other = await s.anApiKey({ tenant_id })
  await untilFirst(s, () => ask(other.secret, question()))
  await s.service.database.close()
  t.equal((await ask(other.secret, question())).status, 200)
  const failed = await ask(other.secret, question({ subject: { type: 'user', id: 'nobody' } }))
  t.equal(failed.status, 503)
  t.match(failed.headers['content-type'], /problem/)
})

t.test('when the process is to stop, each answer closes its connection', async (t) => {
  const { s, ask } = await serve(t)
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'vera' } })
  const { secret } = await s.anApiKey({ tenant_id })
  await untilFirst(s, () => ask(secret, question()))
  t.equal((await ask(secret, question())).headers.connection, 'keep-alive')
  s.service.lifecycle.draining = true
  t.match(await ask(secret, question()), { status: 200, headers: { connection: 'close' } })
})

t.test('many at once, of many kinds, get each their own answer', async (t) => {
  const { s, ask } = await serve(t)
  const tenants = await Promise.all(
    Array.from({ length: 8 }, async (_, number) => {
      const { id } = await s.aTenant({ owner: { user_id: `owner_${number}` } })
      return { id, owner: `owner_${number}`, secret: (await s.anApiKey({ tenant_id: id })).secret }
    }),
  )
  const asked = tenants.flatMap(({ secret, owner }) =>
    tenants.flatMap((other) => [0, 1, 2].map(() => ({ secret, id: other.owner, is_own: owner === other.owner }))),
  )
  const answers = await Promise.all(
    asked.map(({ secret, id }) => ask(secret, question({ subject: { type: 'user', id } }))),
  )
  t.same(
    answers.map(({ text }) => text),
    asked.map(({ is_own }) => `{"decision":${is_own}}`),
  )
})
