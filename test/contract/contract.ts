// What the suites share that are generated from openapi.yaml: the operations, a request of each one filled in from the
// contract's own examples, and the judge of every answer. An operation that cannot be filled in fails the suites, so a
// new one is covered the day it is written.
import assert from 'node:assert/strict'
import { Ajv, type ValidateFunction } from 'ajv'
import formats from 'ajv-formats'
import { type Operation, operationsOf } from '../../src/http/contract.ts'
import { dereference } from '../../src/http/schemas.ts'
import { readContract } from '../../src/http/written-contract.ts'
import type { Answer, Caller } from '../support/service.ts'

type Json = { [key: string]: unknown }
type Method = Parameters<Caller['call']>[0]

interface Documented {
  headers?: Record<string, unknown>
  content?: Record<string, { schema: Json }>
}

export const contract = readContract(new URL('../../openapi.yaml', import.meta.url)) as Json
export const operations = operationsOf(contract)
export const secured = operations.filter((operation) => !operation.public)
const whole = dereference(contract, contract) as {
  paths: Record<string, Record<string, { responses: Record<string, Documented> }>>
}

export const operation = (operation_id: string): Operation => {
  const found = operations.find((each) => each.operation_id === operation_id)
  assert(found, `the contract has no operation ${operation_id}`)
  return found
}

/** The statuses that an operation documents by number, with what each answers. */
export const responsesOf = ({ method, url }: Operation): Record<string, Documented> => {
  const item = whole.paths[url.replaceAll(/:(\w+)/g, '{$1}')]
  const { default: _, ...responses } = item?.[method.toLowerCase()]?.responses ?? {}
  return responses
}

/** What stands where a request names something: by the name of the parameter or field. */
export type Values = Record<string, string>

export interface Request {
  method: Method
  url: string
  body?: unknown
  form?: boolean
}

const fill = (value: unknown, values: Values): unknown => {
  if (Array.isArray(value)) return value.map((each) => fill(each, values))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, values[key] ?? fill(inner, values)]))
}

/** A valid body, from the contract's example; it names every value that the schema lets it name. */
export const bodyOf = ({ operation_id, schema }: Operation, values: Values): unknown => {
  const { body } = schema as { body?: { examples?: unknown[]; properties: Json } }
  if (body === undefined) return undefined
  assert(body.examples?.length, `the body of ${operation_id} has no example in openapi.yaml`)
  const named = Object.keys(body.properties).filter((name) => values[name] !== undefined)
  return {
    ...(fill(body.examples[0], values) as Json),
    ...Object.fromEntries(named.map((name) => [name, values[name]])),
  }
}

const queryNames = ({ schema }: Operation): string[] =>
  Object.keys((schema as { querystring: { properties: Json } }).querystring.properties)

/** The request of an operation, naming these values wherever the contract lets it. */
export const requestOf = (operation: Operation, values: Values): Request => {
  const path = operation.url.replaceAll(/:(\w+)/g, (_, name: string) => {
    const value = values[name]
    assert(value !== undefined, `${operation.operation_id}: the suite has no value for the path parameter ${name}`)
    return encodeURIComponent(value)
  })
  const named = queryNames(operation).filter((name) => values[name] !== undefined)
  const query = named.map((name) => `${name}=${encodeURIComponent(values[name] ?? '')}`).join('&')
  const body = bodyOf(operation, values)
  const request: Request = { method: operation.method as Method, url: query === '' ? path : `${path}?${query}` }
  return body === undefined ? request : { ...request, body, form: operation.form }
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

export const send = (
  caller: Caller,
  { method, url, body, form }: Request,
  headers?: Record<string, string>,
): Promise<Answer> =>
  form === true
    ? caller.call(method, url, new URLSearchParams(body as Record<string, string>).toString(), { ...FORM, ...headers })
    : caller.call(method, url, body, headers)

const ajv = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true })
formats.default(ajv)
const compiled = new Map<unknown, ValidateFunction>()

const validatorOf = (schema: Json): ValidateFunction => {
  const known = compiled.get(schema)
  if (known) return known
  const validate = ajv.compile(schema)
  compiled.set(schema, validate)
  return validate
}

/** What is wrong with a value, in words; '' when nothing is. */
export const faultsOf = (schema: Json, value: unknown): string => {
  const validate = validatorOf(schema)
  return validate(value) ? '' : ajv.errorsText(validate.errors)
}

// A write that did nothing, and a read, have no revision to tell; the contract shares one response with writes.
const isOptional = (name: string): boolean => name === 'Tenantry-Revision'

/** Throws unless the answer is one that the contract documents for the operation: status, type, headers and body. */
export const assertDocumented = (operation: Operation, answer: Answer): void => {
  const where = `${operation.operation_id} ${answer.status}`
  const documented = responsesOf(operation)[answer.status]
  assert(documented, `${where} is not in the contract: ${answer.text}`)
  for (const name of Object.keys(documented.headers ?? {})) {
    assert(isOptional(name) || answer.headers[name.toLowerCase()] !== undefined, `${where} lacks the header ${name}`)
  }
  const [entry] = Object.entries(documented.content ?? {})
  if (entry === undefined) {
    assert.equal(answer.text, '', `${where} has no content in the contract`)
    return
  }
  const [type, { schema }] = entry
  assert.equal(String(answer.headers['content-type']).split(';')[0], type, where)
  const faults = faultsOf(schema, type.endsWith('json') ? answer.body : answer.text)
  assert.equal(faults, '', `${where}: ${faults}`)
}
