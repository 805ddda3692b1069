// The mount itself, on contracts of a few lines: what stops the start, and how requests are validated.
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { Problem } from '../../src/errors.ts'
import { mountContract, operationsOf } from '../../src/http/contract.ts'
import type { AnyHandler } from '../../src/http/handlers.ts'
import { acceptEmptyJson } from '../../src/http/json.ts'
import { installProblems } from '../../src/http/problems.ts'

type Json = { [key: string]: unknown }

const answers = (schema: Json): Json => ({ 200: { description: 'fine', content: { 'application/json': { schema } } } })
const OPEN = { type: 'object', additionalProperties: true }
const problem = { description: 'not so', content: { 'application/problem+json': { schema: PROBLEM() } } }

function PROBLEM(): Json {
  return {
    type: 'object',
    additionalProperties: false,
    properties: { code: { type: 'string' }, status: { type: 'integer' } },
  }
}

/** A contract of these paths, with one known scheme. */
const aContract = (paths: Json): Json => ({
  openapi: '3.1.0',
  paths,
  security: [{ bearer: [] }],
  components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } }, schemas: { Problem: PROBLEM() } },
})

const aSecured = (more: Json = {}): Json => ({
  operationId: 'doThing',
  'x-permission': 'tenantry.thing:do',
  'x-scope': 'tenant',
  responses: { ...answers(OPEN), default: problem },
  ...more,
})

/** What came in, as the handler saw it. */
const echo: AnyHandler = async ({ path, query, body }) => ({ status: 200, body: { path, query, body } })

interface Seen {
  order: string[]
}

const mounted = async (
  paths: Json,
  handlers: Record<string, AnyHandler> = { doThing: echo },
): Promise<{ app: FastifyInstance; seen: Seen }> => {
  const app = Fastify()
  const seen: Seen = { order: [] }
  acceptEmptyJson(app)
  installProblems(app, 'http://tenantry.test')
  mountContract(app, operationsOf(aContract(paths)), handlers, {
    authenticate: async (request) => {
      seen.order.push('authenticate')
      if (!request.headers.authorization) throw new Problem('credential.missing')
    },
    identify: async () => void seen.order.push('identify'),
    authorize: async (_, operation) => void seen.order.push(`authorize ${operation.permission} ${operation.scope}`),
  })
  await app.ready()
  return { app, seen }
}

const authorization = 'Bearer x'

t.test('a contract that cannot be mounted safely stops the start', async (t) => {
  const cases: [string, Json, RegExp][] = [
    ['a secured operation without x-permission', aSecured({ 'x-permission': undefined }), /x-permission/],
    ['an operation without x-scope', aSecured({ 'x-scope': undefined }), /x-scope/],
    ['an unknown x-scope', aSecured({ 'x-scope': 'everyone' }), /x-scope/],
    ['an unknown security scheme', aSecured({ security: [{ cookie: [] }] }), /cookie/],
    ['an unknown scheme beside a known one', aSecured({ security: [{ bearer: [] }, { cookie: [] }] }), /cookie/],
    ['an open operation that is not declared public', aSecured({ security: [] }), /go together/],
    ['a public operation that is not open', aSecured({ 'x-scope': 'public' }), /go together/],
    ['no operationId', aSecured({ operationId: undefined }), /operationId/],
    [
      'a body that is neither JSON nor a form',
      aSecured({ requestBody: { content: { 'application/xml': { schema: OPEN } } } }),
      /no JSON and no form/,
    ],
  ]
  for (const [name, operation, message] of cases) {
    t.throws(() => operationsOf(aContract({ '/things': { post: operation } })), { message }, name)
  }
  t.throws(
    () => operationsOf(aContract({ '/things': { post: aSecured() }, '/other': { post: aSecured() } })),
    { message: /doThing: the operationId is used twice/ },
    'one operationId for two operations',
  )
  const kebab = { parameters: [{ name: 'thing-id', in: 'path', required: true, schema: { type: 'string' } }] }
  t.throws(
    () => operationsOf(aContract({ '/things/{thing-id}': { ...kebab, get: aSecured() } })),
    { message: /thing-id is not snake_case/ },
    'a path parameter that Fastify would never match',
  )
})

t.test('references that lead nowhere, elsewhere or in a circle stop the start', async (t) => {
  const answering = (schema: Json): Json => aContract({ '/things': { get: aSecured({ responses: answers(schema) }) } })
  t.throws(() => operationsOf(answering({ $ref: '#/components/schemas/Nothing' })), /points at nothing/)
  t.throws(() => operationsOf(answering({ $ref: 'other.yaml#/Thing' })), /only local references/)
  const circular = answering({ $ref: '#/components/schemas/Loop' })
  Object.assign((circular.components as { schemas: Json }).schemas, { Loop: { $ref: '#/components/schemas/Loop' } })
  t.throws(() => operationsOf(circular), /cycle/)
})

t.test('operations and handlers that do not pair up stop the start', async (t) => {
  const paths = { '/things': { get: aSecured() } }
  await t.rejects(mounted(paths, {}), /doThing: the operation has no handler/)
  await t.rejects(mounted(paths, { doThing: echo, doOther: echo }), /doOther: the handler has no operation/)
})

t.test('parameters of a path and of its operation both count; the operation’s own win', async (t) => {
  const { app } = await mounted({
    '/things/{thing_id}': {
      parameters: [
        { name: 'thing_id', in: 'path', required: true, schema: { type: 'string', pattern: '^t' } },
        { name: 'size', in: 'query', schema: { type: 'integer', maximum: 5 } },
        { name: 'color', in: 'query', schema: { type: 'string' } },
      ],
      get: aSecured({ parameters: [{ name: 'size', in: 'query', schema: { type: 'integer', maximum: 50 } }] }),
    },
  })
  const get = (url: string) => app.inject({ url, headers: { authorization } })
  t.same((await get('/things/t1?size=20&color=red')).json(), {
    path: { thing_id: 't1' },
    query: { size: 20, color: 'red' },
    body: {},
  })
  t.equal((await get('/things/x1')).statusCode, 400, 'the path’s own parameter is validated')
  t.equal((await get('/things/t1?size=51')).statusCode, 400, 'by the operation’s schema')
})

const withBody = (schema: Json, required = true): Json => ({
  '/things': { post: aSecured({ requestBody: { required, content: { 'application/json': { schema } } } }) },
})
const CLOSED = {
  type: 'object',
  additionalProperties: false,
  required: ['size'],
  properties: { size: { type: 'integer' } },
}

t.test('a body is required where the contract says so, and JSON is the only kind', async (t) => {
  const { app } = await mounted(withBody(CLOSED))
  const post = (payload?: string, type?: string) =>
    app.inject({
      method: 'POST',
      url: '/things',
      headers: { authorization, ...(type === undefined ? {} : { 'content-type': type }) },
      ...(payload === undefined ? {} : { payload }),
    })
  t.equal((await post()).statusCode, 400, 'no body at all')
  t.equal((await post('', 'application/json')).statusCode, 400, 'an empty one')
  t.equal((await post('null', 'application/json')).statusCode, 400)
  t.equal((await post('[]', 'application/json')).statusCode, 400)
  t.equal((await post('{"size":1}', 'text/plain')).statusCode, 415)
  t.equal((await post('{"size":1}', 'application/x-www-form-urlencoded')).statusCode, 415)
  t.equal((await post('{"size":1}')).statusCode, 415, 'a body without a type')
  t.equal((await post('{"size":1}', 'application/json')).statusCode, 200)
  t.equal((await post('{"size":1}', 'application/json; charset=utf-8')).statusCode, 200)
})

t.test('a body that is not required may be absent, but not wrong', async (t) => {
  const { app } = await mounted(withBody({ ...CLOSED, required: [] }, false))
  const post = (headers: Record<string, string>, payload?: string) =>
    app.inject({
      method: 'POST',
      url: '/things',
      headers: { authorization, ...headers },
      ...(payload ? { payload } : {}),
    })
  const json = { 'content-type': 'application/json' }
  t.same((await post({})).json().body, {})
  t.same((await post(json)).json().body, {}, 'clients send the type without a body')
  t.equal((await post(json, '{"other":1}')).statusCode, 400)
  t.equal((await post(json, 'null')).statusCode, 400)
  t.equal((await post({ 'content-type': 'text/plain' }, 'size')).statusCode, 415)
})

t.test('bodies are taken as they are: nothing is coerced, nothing stripped', async (t) => {
  const { app } = await mounted(withBody(CLOSED))
  const post = (payload: Json) => app.inject({ method: 'POST', url: '/things', headers: { authorization }, payload })
  t.equal((await post({ size: '1' })).statusCode, 400)
  t.equal((await post({ size: true })).statusCode, 400)
  const refused = await post({ size: 1, color: 'red' })
  t.equal(refused.statusCode, 400, 'an unknown field of a closed object')
  t.same((await post({ size: 1 })).json().body, { size: 1 })
})

t.test('an open object keeps what the contract does not know', async (t) => {
  const { app } = await mounted(withBody({ ...CLOSED, additionalProperties: true }))
  const payload = { size: 1, color: 'red' }
  const answer = await app.inject({ method: 'POST', url: '/things', headers: { authorization }, payload })
  t.same(answer.json().body, payload)
})

t.test('query strings are text, so numbers in them are coerced; unknown and repeated ones are refused', async (t) => {
  const parameters = [
    { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, default: 50 } },
    { name: 'tags', in: 'query', schema: { type: 'array', items: { type: 'string' } } },
  ]
  const { app } = await mounted({ '/things': { get: aSecured({ parameters }) } })
  const get = (query: string) => app.inject({ url: `/things${query}`, headers: { authorization } })
  t.same((await get('?limit=3')).json().query, { limit: 3 })
  t.same((await get('')).json().query, { limit: 50 })
  t.same((await get('?tags=a')).json().query, { limit: 50, tags: ['a'] })
  t.same((await get('?tags=a&tags=b')).json().query, { limit: 50, tags: ['a', 'b'] })
  for (const query of [
    '?limit=three',
    '?limit=',
    '?limit=1.5',
    '?limit=0',
    '?limit=1&limit=2',
    '?other=1',
    '?limit[]=1',
  ]) {
    t.equal((await get(query)).statusCode, 400, query)
  }
})

t.test(
  'a stranger gets 401 before anything of the request is read; validation comes before authorization',
  async (t) => {
    const { app, seen } = await mounted(withBody(CLOSED))
    const stranger = await app.inject({
      method: 'POST',
      url: '/things',
      headers: { 'content-type': 'text/plain' },
      payload: '{',
    })
    t.equal(stranger.statusCode, 401)
    await app.inject({ method: 'POST', url: '/things', headers: { authorization }, payload: { size: 'x' } })
    await app.inject({ method: 'POST', url: '/things', headers: { authorization }, payload: { size: 1 } })
    t.same(seen.order, ['authenticate', 'authenticate', 'authenticate', 'authorize tenantry.thing:do tenant'])
  },
)

t.test('a public operation asks nobody', async (t) => {
  const { app, seen } = await mounted({
    '/things': { get: aSecured({ security: [], 'x-scope': 'public', 'x-permission': undefined }) },
  })
  t.equal((await app.inject({ url: '/things?utm=1' })).statusCode, 200)
  t.same(seen.order, [])
})

t.test('other methods of an address are 405 and say which there are, whatever comes with them', async (t) => {
  const { app } = await mounted({ '/things': { get: aSecured() } })
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const) {
    const answer = await app.inject({ method, url: '/things', headers: { 'content-type': 'text/plain' }, payload: 'x' })
    t.match(answer, { statusCode: 405, headers: { allow: 'GET, HEAD' } }, method)
    t.equal(answer.json().code, 'method.not_allowed')
  }
})

t.test('an operation of any method answers every one alike, and reads no body', async (t) => {
  const { app } = await mounted({ '/things': { get: aSecured({ 'x-any-method': true }) } })
  const call = (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS', type: string) =>
    app.inject({ method, url: '/things', headers: { authorization, 'content-type': type }, payload: '{"' })
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const) {
    for (const type of ['application/json', 'text/plain', 'nonsense']) {
      const answer = await call(method, type)
      t.match(answer, { statusCode: 200 }, `${method} ${type}`)
      t.same(answer.json().body, {})
    }
  }
  t.equal((await app.inject({ method: 'HEAD', url: '/things', headers: { authorization } })).statusCode, 200)
})

t.test('an answer tells what the contract documents and not a field more', async (t) => {
  const schema = { type: 'object', additionalProperties: false, properties: { name: { type: 'string' } } }
  const paths = {
    '/things': {
      get: aSecured({ responses: { ...answers(schema), 404: problem, default: problem } }),
    },
  }
  const secretive: AnyHandler = async ({ query }) => {
    if (query === null) throw new Error()
    return { status: 200, body: { name: 'it', hash: 'secret' } }
  }
  const { app } = await mounted(paths, { doThing: secretive })
  t.same((await app.inject({ url: '/things', headers: { authorization } })).json(), { name: 'it' })
  const { app: failing } = await mounted(paths, {
    doThing: async () => {
      throw Object.assign(new Problem('tenant.not_found', { cause: new Error('secret cause') }), { hash: 'secret' })
    },
  })
  const refused = await failing.inject({ url: '/things', headers: { authorization } })
  t.match(refused.headers['content-type'], /^application\/problem\+json/)
  t.same(refused.json(), { code: 'tenant.not_found', status: 404 })
  const { app: broken } = await mounted(paths, {
    doThing: async () => {
      throw Object.assign(new Error('secret message'), { statusCode: 418 })
    },
  })
  const internal = await broken.inject({ url: '/things', headers: { authorization } })
  t.same(internal.json(), { code: 'internal', status: 500 })
  t.notMatch((await broken.inject({ url: '/things' })).payload, /secret/)
})

t.test('a handler that answers what is not in the contract is our fault, and shows nothing', async (t) => {
  const { app } = await mounted(
    { '/things': { get: aSecured() } },
    { doThing: async () => ({ status: 299, body: { secret: 1 } }) },
  )
  const answer = await app.inject({ url: '/things', headers: { authorization } })
  t.equal(answer.statusCode, 500)
  t.notMatch(answer.payload, /secret/)
})

t.test('a header that an operation does not declare means nothing to it', async (t) => {
  const declaring = aSecured({
    parameters: [{ name: 'Idempotency-Key', in: 'header', schema: { type: 'string', maxLength: 10 } }],
  })
  const other = aSecured({ operationId: 'doOther' })
  const show: AnyHandler = async ({ idempotency_key, if_match }) => ({
    status: 200,
    body: { idempotency_key, if_match },
  })
  const { app } = await mounted({ '/things': { post: declaring, put: other } }, { doThing: show, doOther: show })
  const headers = { authorization, 'idempotency-key': 'k', 'if-match': '"1"' }
  t.same((await app.inject({ method: 'POST', url: '/things', headers })).json(), { idempotency_key: 'k' })
  t.same((await app.inject({ method: 'PUT', url: '/things', headers })).json(), {})
  const long = { ...headers, 'idempotency-key': 'k'.repeat(11) }
  t.equal((await app.inject({ method: 'POST', url: '/things', headers: long })).statusCode, 400)
})
