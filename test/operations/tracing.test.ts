// Traces, as a collector gets them from the process: of which trace, what they say, and what they never say.
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import t from 'tap'
import { prepareDirectory } from '../support/databases.ts'
import { addressOf, aFolder, serve, stop } from './processes.ts'

interface Span {
  name: string
  traceId: string
  spanId: string
  parentSpanId?: string
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[]
  status: { code?: number; message?: string }
}

const ROOT_KEY = 'a-root-key-of-at-least-32-characters'
const TRACE = 'af7651916cd43dd8448eb211c80319c0'
const CALLER = 'b7ad6b7169203331'

/** An OTLP receiver: what was posted to it, with the resource it is about. */
const aCollector = async () => {
  const spans: Span[] = []
  const posted: string[] = []
  const server = http.createServer(async (request, response) => {
    const text = Buffer.concat(await request.toArray()).toString()
    posted.push(text)
    if (request.url === '/v1/traces')
      for (const { scopeSpans } of JSON.parse(text).resourceSpans)
        for (const scope of scopeSpans) spans.push(...scope.spans)
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { spans, posted, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const valueIn = ({ attributes }: Span, name: string): unknown => {
  const { stringValue, intValue } = attributes.find(({ key }) => key === name)?.value ?? {}
  return stringValue ?? (intValue === undefined ? undefined : Number(intValue))
}

const collector = await aCollector()
const data_dir = path.join(aFolder(t), 'data')
await prepareDirectory(data_dir)
const service = serve(t, {
  TENANTRY_DATA_DIR: data_dir,
  TENANTRY_ROOT_API_KEY: ROOT_KEY,
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
})
const lines: { msg: string; trace_id?: string; operation_id?: string }[] = []
service.child.stdout?.on('data', (chunk) => {
  for (const line of String(chunk).split('\n').filter(Boolean)) lines.push(JSON.parse(line))
})
const address = await addressOf(service)
const ask = (url: string, init: RequestInit = {}) =>
  fetch(`${address}${url}`, {
    ...init,
    headers: {
      ...{ authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' },
      traceparent: `00-${TRACE}-${CALLER}-01`,
    },
  })

t.test('a process that traces answers like any other, and ends when it is told to', async (t) => {
  t.equal((await ask('/tenants?q=mia%40example.com')).status, 200)
  t.equal((await ask('/tenants', { method: 'POST', body: '{"name":"Mia"}' })).status, 201)
  t.equal((await ask('/tenants/mia%40example.com', { method: 'DELETE' })).status, 400)
  t.equal((await ask('/readyz')).status, 200)
  t.equal((await fetch(`${address}/tenants`)).status, 401)
  t.same(await stop(service), { code: 0, signal: null, stderr: '' }, 'it sends what is left, and ends')
})

const ofOperation = (name: string): Span[] =>
  collector.spans.filter((span) => valueIn(span, 'tenantry.operation') === name)

t.test('a request is a span of its caller’s trace, with a span for each visit to the database', async (t) => {
  const [span] = ofOperation('createTenant')
  t.match(span, { traceId: TRACE, parentSpanId: CALLER })
  t.equal(span && valueIn(span, 'http.route'), '/tenants')
  t.equal(span && valueIn(span, 'http.response.status_code'), 201)
  const inside = new Set([span?.spanId])
  const children = collector.spans.filter((each) => {
    const isInside = inside.has(each.parentSpanId)
    if (isInside) inside.add(each.spanId)
    return isInside
  })
  t.ok(
    collector.spans.some(({ name, traceId }) => name === 'database transaction' && traceId === TRACE),
    `${children.length} spans inside`,
  )
})

t.test('without a caller’s trace a request begins one, and the log names it', async (t) => {
  const span = ofOperation('listTenants').find((each) => valueIn(each, 'http.response.status_code') === 401)
  t.match(span?.traceId, /^(?!af7651916c)[0-9a-f]{32}$/)
  const logged = lines.filter(({ trace_id }) => trace_id === span?.traceId)
  t.match(logged, [{ msg: 'request', operation_id: 'listTenants' }])
  t.equal(lines.filter(({ trace_id }) => trace_id === TRACE).length, 4, 'as it names that of a caller')
})

t.test('probes leave no trace, and a refusal is no error', async (t) => {
  t.same(ofOperation('getReadiness'), [])
  t.same([...new Set(collector.spans.map(({ status }) => JSON.stringify(status)))], ['{"code":0}'])
})

t.test('no trace holds a credential, a query string, or what was in a path', async (t) => {
  const all = collector.posted.join('')
  t.match(all, /"service.name"/)
  for (const secret of [ROOT_KEY, 'example.com', 'q=']) t.notMatch(all, secret)
})
