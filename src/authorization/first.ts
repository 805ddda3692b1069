// Checks are answered before the framework is asked, where everything they need is at hand: what a check costs is then mostly
// Node.js's own HTTP. Nothing is decided here: credential, authorization, schema and evaluation are the functions that the
// framework's route uses. Whatever is not plain, or does not succeed, goes on to the framework as it came, and is answered or
// refused there (docs/decisions/0028-checks-before-the-framework.md).
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { components } from '@tenantry/client/contract'
import type { ApiKeys } from '../api-keys/authentication.ts'
import type { Scope } from '../database/scope.ts'
import type { Note } from '../http/answered.ts'
import type { Authorizable } from '../http/authorization.ts'
import type { Operation } from '../http/contract.ts'
import type { ApiKeyPrincipal } from '../http/principal.ts'
import type { RateHeaders, RateLimit } from '../http/rate-limit.ts'
import { requestIdOf } from '../http/request-id.ts'
import { requireStorable } from '../http/text.ts'
import { traceIdIn } from '../http/trace-context.ts'
import type { Traffic } from '../http/traffic.ts'
import type { Soon } from '../soon.ts'
import type { Evaluate } from './evaluation.ts'
import type { FindFaults } from './evaluations.ts'

type EvaluationRequest = components['schemas']['EvaluationRequest']
type EvaluationResponse = components['schemas']['EvaluationResponse']

interface Services {
  operation: Operation
  api_keys: Pick<ApiKeys, 'known'>
  authorize(request: Authorizable, operation: Operation): Soon<void>
  limit: RateLimit | undefined
  evaluate: Evaluate
  findFaults: FindFaults
  note: Note
  traffic: Pick<Traffic, 'watch'>
  /** Whether requests are turned away, or connections ended. */
  isBusy(): boolean
}

/** A request, and the way on to the framework. */
interface Arrived {
  request: IncomingMessage
  response: ServerResponse
  began_at: number
  goOn(): void
}

/** What will be answered, and how. */
interface Answer {
  principal: ApiKeyPrincipal
  bytes: Buffer
  headers: RateHeaders | undefined
  body: Soon<EvaluationResponse>
}

/**
 * Takes the place of the server's listeners, which get whatever is not answered here. What arrives in one turn of the event
 * loop is answered at its end, all together: by then the bodies are there too, unless they come in pieces; the code stays in
 * the caches of the processor; and whoever asks is woken once for many answers and not for each.
 */
export const answerChecksFirst = (server: Server, services: Services): void => {
  const listeners = server.listeners('request') as RequestListener[]
  const { url, method } = services.operation
  let waiting: Arrived[] = []
  const answerAll = (): void => {
    const all = waiting
    waiting = []
    for (const arrived of all) answer(services, arrived)
  }
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    const goOn = (): void => {
      for (const listener of listeners) listener(request, response)
    }
    if (request.url !== url || request.method !== method || services.isBusy()) return goOn()
    if (waiting.push({ request, response, began_at: performance.now(), goOn }) === 1) setImmediate(answerAll)
  })
}

const answer = (services: Services, arrived: Arrived): void => {
  const found = findAnswer(services, arrived)
  if (found === undefined) arrived.goOn()
  else if (found.body instanceof Promise) sendLater(services, arrived, found, found.body)
  else send(services, arrived, found, found.body)
}

/** The request is left as if it had not been read. */
const sendLater = (services: Services, arrived: Arrived, found: Answer, body: Promise<EvaluationResponse>): void => {
  arrived.request.unshift(found.bytes)
  services.traffic.watch(arrived.response)
  body.then((known) => send(services, arrived, found, known), arrived.goOn)
}

const findAnswer = (services: Services, { request }: Arrived): Answer | undefined => {
  const principal = callerOf(services, request)
  const bytes = principal && bytesOf(request)
  if (principal === undefined || bytes === undefined) return undefined
  const found = evaluated(services, request, principal, bytes)
  if (found === undefined) request.unshift(bytes)
  return found
}

/** For the framework are users' tokens, what pages ask, which must be told more, and the headers that the contract declares. */
const callerOf = ({ api_keys, operation }: Services, { headers }: IncomingMessage): ApiKeyPrincipal | undefined => {
  const { authorization, origin } = headers
  if (!isJson(headers['content-type']) || origin !== undefined) return undefined
  if (operation.headers.some((name) => headers[name] !== undefined)) return undefined
  if (authorization === undefined || !authorization.startsWith('Bearer ')) return undefined
  return api_keys.known(authorization.slice('Bearer '.length))
}

const isJson = (type: string | undefined): boolean =>
  type === 'application/json' || type === 'application/json; charset=utf-8'

/** The whole body, if it is there. */
const bytesOf = (request: IncomingMessage): Buffer | undefined =>
  request.readableLength === Number(request.headers['content-length']) ? (request.read() ?? undefined) : undefined

/** Undefined where it does not succeed: why is told by the framework. */
const evaluated = (
  { operation, findFaults, authorize, limit, evaluate }: Services,
  { headers }: IncomingMessage,
  principal: ApiKeyPrincipal,
  bytes: Buffer,
): Answer | undefined => {
  try {
    const body = plainJson(bytes)
    if (body === undefined || findFaults(body).length > 0) return undefined
    requireStorable(body)
    const scope = scopes.get(principal) ?? scopeOf(authorize, { principal, headers, body }, operation)
    if (scope === undefined) return undefined
    const rate = limit?.(principal)
    const asked = { principal, scope, body: body as EvaluationRequest, min_revision: undefined } // just validated
    return { principal, bytes, headers: rate, body: evaluate(asked) }
  } catch {
    return undefined
  }
}

/** What a key may ask here does not depend on what it asks: who is known to be authorized stays so for as long as it is known. */
const scopes = new WeakMap<ApiKeyPrincipal, Scope>()

const scopeOf = (
  authorize: Services['authorize'],
  asking: Pick<Authorizable, 'principal' | 'headers' | 'body'> & { principal: ApiKeyPrincipal },
  operation: Operation,
): Scope | undefined => {
  const request: Authorizable = { ...asking, params: {}, query: {}, scope: 'platform' }
  if (authorize(request, operation) instanceof Promise) return undefined
  scopes.set(asking.principal, request.scope)
  return request.scope
}

/** What the framework's parser looks at twice is left to it: escapes, and names that are not for objects of ours. */
const plainJson = (bytes: Buffer): unknown => {
  const text = bytes.toString()
  const is_plain = !text.includes('\\') && !text.includes('__proto__') && !text.includes('constructor')
  return is_plain ? JSON.parse(text) : undefined
}

const send = (
  { operation, note }: Services,
  { request, response, began_at }: Arrived,
  { principal, headers: rate }: Answer,
  body: EvaluationResponse,
): void => {
  const { headers, method = '', url = '' } = request
  const request_id = requestIdOf(headers)
  const text = JSON.stringify(body)
  response.writeHead(200, {
    'x-request-id': request_id,
    'content-type': operation.content_types[200],
    'content-length': Buffer.byteLength(text),
    ...rate,
  })
  response.end(text)
  const trace_id = traceIdIn(headers.traceparent)
  note({
    request_id,
    trace_id,
    principal,
    method,
    url,
    operation,
    status: 200,
    duration_ms: performance.now() - began_at,
  })
}
