// Mounts openapi.yaml on Fastify: the file itself decides routes, validation, serialisation and who must be authorized.
// A contract and handlers that do not fit each other stop the start.
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods, RouteOptions } from 'fastify'
import { Problem } from '../errors.ts'
import { after, type Soon } from '../soon.ts'
import { ignoreBodies } from './bodies.ts'
import { acceptForms } from './forms.ts'
import type { Answer, AnyHandler, Call } from './handlers.ts'
import { hook } from './hooks.ts'
import { speakOAuth } from './oauth-errors.ts'
import { compileSerializer, compileValidator, dereference, type Schema } from './schemas.ts'
import { requireStorable } from './text.ts'

type XScope = 'public' | 'self' | 'client' | 'tenant' | 'platform'

/** What the contract says of one operation, once read. */
export interface Operation {
  operation_id: string
  method: HTTPMethods
  /** As Fastify writes it: `/tenants/:tenant_id`. */
  url: string
  scope: XScope
  permission: string | undefined
  self: 'membership' | 'subject' | 'each_subject' | 'tenant' | undefined
  /** Tokens for other services pass as well. */
  any_audience: boolean
  /** Who calls may be known from memory, as old as facts may be. */
  bounded: boolean
  suspended_allowed: boolean
  /** Every method is answered as this one is, and no body is read. */
  any_method: boolean
  /** The parts of a request in which the contract lets a caller name the tenant. */
  tenant_named_in: ('params' | 'query' | 'body')[]
  /** No guard stands before the handler: anybody may, or (`client`) the handler authenticates in its own way. */
  public: boolean
  /** The body is form-encoded, and failures speak OAuth. */
  form: boolean
  body_required: boolean
  /** The request headers that it declares, in lower case. */
  headers: string[]
  schema: Schema
  /** Content type of each documented status, as it is sent. */
  content_types: Record<string, string>
}

interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  schema: Schema
}
interface Body {
  required?: boolean
  content: Record<string, { schema: Schema }>
}
interface OperationObject {
  operationId?: string
  parameters?: Parameter[]
  requestBody?: Body
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>
  security?: Record<string, unknown>[]
  [extension: `x-${string}`]: unknown
}
type PathItem = Record<string, OperationObject> & { parameters?: Parameter[] }
interface Document {
  paths: Record<string, PathItem>
  security?: Record<string, unknown>[]
  components?: { securitySchemes?: Record<string, unknown> }
}

const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const
const SCOPES = ['public', 'self', 'client', 'tenant', 'platform']
const FORM = 'application/x-www-form-urlencoded'
const refuse = (where: string, what: string): never => {
  throw new Error(`openapi.yaml: ${where}: ${what}`)
}

/** Every operation of the contract, checked. */
export const operationsOf = (contract: unknown): Operation[] => {
  const document = dereference(contract, contract) as Document // the shape is checked operation by operation below
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) =>
      operationOf(document, path, method, item[method] as OperationObject, item.parameters ?? []),
    ),
  )
  const ids = operations.map(({ operation_id }) => operation_id)
  const twice = ids.find((id, index) => ids.indexOf(id) !== index)
  if (twice) refuse(twice, 'the operationId is used twice')
  return operations
}

export const operationNamed = (operations: readonly Operation[], operation_id: string): Operation =>
  operations.find((each) => each.operation_id === operation_id) ?? refuse(operation_id, 'there is no such operation')

/** What the body of an operation must be. */
export const bodySchemaOf = ({ operation_id, schema }: Operation): Schema =>
  (schema.body ?? refuse(operation_id, 'the operation has no body')) as Schema

const operationOf = (
  document: Document,
  path: string,
  method: (typeof METHODS)[number],
  operation: OperationObject,
  shared: Parameter[],
): Operation => {
  const where = `${method.toUpperCase()} ${path}`
  const security = operation.security ?? document.security ?? []
  const parameters = mergeParameters(shared, operation.parameters ?? [])
  for (const { name, in: place } of parameters) {
    if (place === 'path' && !/^[a-z][a-z0-9_]*$/.test(name)) refuse(where, `path parameter ${name} is not snake_case`)
  }
  return {
    operation_id: operation.operationId ?? refuse(where, 'operationId is missing'),
    method: method.toUpperCase(),
    url: path.replaceAll(/\{([^}]+)\}/g, ':$1'),
    ...accessOf(where, operation, security, document.components?.securitySchemes ?? {}),
    any_method: operation['x-any-method'] === true,
    form: operation.requestBody?.content[FORM] !== undefined,
    body_required: operation.requestBody?.required ?? false,
    tenant_named_in: partsNamingTenant(parameters, operation.requestBody),
    headers: parameters.filter(({ in: place }) => place === 'header').map(({ name }) => name.toLowerCase()),
    schema: {
      ...requestSchemaOf(where, parameters, operation.requestBody, security.length === 0),
      response: responseSchemasOf(operation),
    },
    content_types: Object.fromEntries(
      Object.entries(operation.responses).map(([status, { content }]) => [
        status,
        withCharset(Object.keys(content ?? {})[0] ?? ''),
      ]),
    ),
  }
}

const withCharset = (type: string): string =>
  type.startsWith('text/') || type.endsWith('json') ? `${type}; charset=utf-8` : type

/** The operation's own parameters win over those of its path; both count. */
const mergeParameters = (shared: Parameter[], own: Parameter[]): Parameter[] => [
  ...shared.filter((one) => !own.some((other) => other.name === one.name && other.in === one.in)),
  ...own,
]

const accessOf = (
  where: string,
  operation: OperationObject,
  security: Record<string, unknown>[],
  schemes: Record<string, unknown>,
): Pick<Operation, 'scope' | 'permission' | 'self' | 'any_audience' | 'bounded' | 'suspended_allowed' | 'public'> => {
  const isOpen = security.length === 0
  const scope = operation['x-scope']
  const permission = operation['x-permission']
  if (typeof scope !== 'string' || !SCOPES.includes(scope)) refuse(where, 'x-scope is missing or unknown')
  if (isOpen !== (scope === 'public')) refuse(where, '`security: []` and `x-scope: public` go together')
  const isGuarded = !isOpen && scope !== 'client'
  if (isGuarded && scope !== 'self' && typeof permission !== 'string')
    refuse(where, 'a secured operation needs x-permission')
  for (const name of security.flatMap(Object.keys)) {
    if (!(name === 'bearer' || (name === 'client' && !isGuarded)) || !schemes[name])
      refuse(where, `security scheme ${name} is not known here`)
  }
  return {
    scope: scope as XScope,
    permission: permission as string | undefined,
    self: operation['x-self'] as Operation['self'],
    any_audience: operation['x-audience'] === 'any',
    bounded: operation['x-staleness'] === 'bounded',
    suspended_allowed: operation['x-suspended'] === 'allowed',
    public: !isGuarded,
  }
}

const partsNamingTenant = (parameters: Parameter[], body: Body | undefined): Operation['tenant_named_in'] => {
  const named = (place: string): boolean => parameters.some((each) => each.in === place && each.name === 'tenant_id')
  const properties = body?.content['application/json']?.schema.properties as Schema | undefined
  return [
    ...(named('path') ? (['params'] as const) : []),
    ...(named('query') ? (['query'] as const) : []),
    ...(properties?.tenant_id === undefined ? [] : (['body'] as const)),
  ]
}

const PARTS = { path: 'params', query: 'querystring', header: 'headers' } as const

const requestSchemaOf = (where: string, parameters: Parameter[], body: Body | undefined, open: boolean): Schema => {
  const schema: Schema = {}
  for (const [place, part] of Object.entries(PARTS)) {
    const here = parameters.filter((parameter) => parameter.in === place)
    if (here.length === 0 && place !== 'query') continue
    schema[part] = {
      type: 'object',
      // Unknown query parameters are refused like unknown fields, but not on public pages, where caches append theirs.
      ...(place === 'query' && !open ? { additionalProperties: false } : {}),
      required: here.filter(({ required }) => required).map(({ name }) => name),
      properties: Object.fromEntries(
        here.map(({ name, schema }) => [place === 'header' ? name.toLowerCase() : name, schema]),
      ),
    }
  }
  if (body)
    schema.body =
      (body.content['application/json'] ?? body.content[FORM])?.schema ??
      refuse(where, 'its body is no JSON and no form')
  return schema
}

const responseSchemasOf = ({ responses }: OperationObject): Schema =>
  Object.fromEntries(
    Object.entries(responses)
      .map(
        ([status, { content }]) =>
          [status, Object.entries(content ?? {}).filter(([type]) => type.endsWith('json'))] as const,
      )
      .filter(([, json]) => json.length > 0)
      .map(([status, json]) => [status, { content: Object.fromEntries(json) }]),
  )

/** The hooks that stand before a secured handler. */
export interface Guards {
  authenticate(request: FastifyRequest, operation: Operation, reply: FastifyReply): Soon<void>
  /** In place of both, for what is about the caller alone (`x-scope: self`). */
  identify(request: FastifyRequest): Promise<void>
  authorize(request: FastifyRequest, operation: Operation): Soon<void>
}

/** Registers every operation with its handler, and a 405 for every other method on the same address. */
export const mountContract = (
  app: FastifyInstance,
  operations: Operation[],
  handlers: Record<string, AnyHandler>,
  guards: Guards,
): void => {
  const ids = new Set(operations.map(({ operation_id }) => operation_id))
  for (const id of ids) if (!handlers[id]) refuse(id, 'the operation has no handler')
  for (const id of Object.keys(handlers)) if (!ids.has(id)) refuse(id, 'the handler has no operation')

  app.setValidatorCompiler(compileValidator)
  app.setSerializerCompiler(compileSerializer)
  const mount = (scope: FastifyInstance, some: Operation[]): void => {
    for (const operation of some)
      scope.route({
        ...routeOf(operation, handlers[operation.operation_id] as AnyHandler, guards),
        ...(operation.any_method && { method: scope.supportedMethods }),
      })
  }
  mount(
    app,
    operations.filter(({ form, any_method }) => !form && !any_method),
  )
  // A context of its own: only here is a form parsed, and only here does a failure speak OAuth.
  app.register(async (forms) => {
    acceptForms(forms)
    speakOAuth(forms)
    mount(
      forms,
      operations.filter(({ form }) => form),
    )
  })
  // And one where nothing is parsed: whatever comes with a method must be answered like a GET.
  app.register(async (bodiless) => {
    ignoreBodies(bodiless)
    mount(
      bodiless,
      operations.filter(({ any_method }) => any_method),
    )
  })
  const strict = operations.filter(({ any_method }) => !any_method)
  for (const url of new Set(strict.map(({ url }) => url))) app.route(otherMethods(app, operations, url))
}

const routeOf = (operation: Operation, handler: AnyHandler, guards: Guards): RouteOptions => ({
  method: operation.method,
  url: operation.url,
  schema: operation.schema,
  config: { operation },
  onRequest: hook((request, reply) => {
    request.operation = operation
    if (operation.public) return
    return operation.scope === 'self' ? guards.identify(request) : guards.authenticate(request, operation, reply)
  }),
  preValidation: operation.body_required
    ? []
    : hook((request) => {
        if (request.body === undefined) request.body = {}
      }),
  preHandler: hook((request) => {
    requireStorable(request.body)
    if (operation.public) return // what else it is given is no key to anything stored
    requireStorable(request.params, 'path')
    requireStorable(request.query, 'query')
    if (operation.scope !== 'self') return guards.authorize(request, operation)
  }),
  // What answers at once answers nothing to Fastify, which would wait for a reply as for a promise.
  handler: (request, reply) => {
    const sent = after(handler(callOf(request, operation)), (answer) => send(reply, operation, answer))
    return sent instanceof Promise ? sent : undefined
  },
})

/** The types of its members are the contract's, by now validated. */
const callOf = (request: FastifyRequest, operation: Operation): Record<keyof Call, unknown> => ({
  operation_id: operation.operation_id,
  path: request.params,
  query: request.query,
  body: request.body,
  if_match: declaredHeader('if-match', request, operation),
  if_none_match: declaredHeader('if-none-match', request, operation),
  last_event_id: declaredHeader('last-event-id', request, operation),
  idempotency_key: declaredHeader('idempotency-key', request, operation),
  min_revision: declaredHeader(MIN_REVISION, request, operation),
  authorization: operation.scope === 'client' ? request.headers.authorization : undefined,
  address: operation.scope === 'client' ? request.ip : '',
  principal: request.principal,
  identities: request.identities,
  scope: request.scope,
  log: request.log,
})

export const MIN_REVISION = 'tenantry-min-revision'

/** A header that the operation does not declare was not validated, and means nothing to it. */
export const declaredHeader = (
  name: string,
  request: Pick<FastifyRequest, 'headers'>,
  { headers }: Operation,
): unknown => (headers.includes(name) ? request.headers[name] : undefined)

const send = (reply: FastifyReply, operation: Operation, answer: Answer): FastifyReply => {
  const type = operation.content_types[answer.status]
  if (type === undefined)
    throw new Error(`${operation.operation_id} answered ${answer.status}, which is not in the contract`)
  if (answer.headers) reply.headers(answer.headers)
  if (type !== '') reply.header('content-type', type)
  // Nobody would read a stream that answers HEAD, so nothing would ever end it.
  const unread = reply.request.method === 'HEAD' && answer.body instanceof Readable ? answer.body.destroy() : undefined
  return reply.code(answer.status).send(unread ? undefined : answer.body)
}

const otherMethods = (app: FastifyInstance, operations: Operation[], url: string): RouteOptions => {
  const has = operations.filter((operation) => operation.url === url).map(({ method }) => method)
  const allow = [...has, ...(has.includes('GET') ? ['HEAD'] : [])]
  return {
    method: app.supportedMethods.filter((method) => !allow.includes(method)),
    url,
    // Before any body is parsed: what is wrong is the method, whatever came with it.
    onRequest: async () => {
      throw new Problem('method.not_allowed', { headers: { Allow: allow.join(', ') } })
    },
    handler: async () => undefined,
  }
}
