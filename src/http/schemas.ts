// Turns the contract's schemas into what Fastify compiles: references inlined, and the validator of each part of a request.
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import formats from 'ajv-formats'
import type { FastifySchemaCompiler } from 'fastify'
import type { Pointer } from '../errors.ts'

export type Schema = { [keyword: string]: unknown }

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const pick = (document: unknown, reference: string): unknown => {
  if (!reference.startsWith('#/')) throw new Error(`openapi.yaml: ${reference}: only local references are supported`)
  let found = document
  for (const segment of reference.slice(2).split('/')) {
    found = isObject(found) ? found[segment.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined
  }
  if (found === undefined) throw new Error(`openapi.yaml: ${reference} points at nothing`)
  return found
}

/** The same value with every `$ref` replaced by what it points at. The contract has no cycles: one would end the start. */
export const dereference = (document: unknown, value: unknown, depth = 0): unknown => {
  if (depth > 100) throw new Error('openapi.yaml: references form a cycle')
  if (Array.isArray(value)) return value.map((item) => dereference(document, item, depth + 1))
  if (!isObject(value)) return value
  if (typeof value.$ref === 'string') return dereference(document, pick(document, value.$ref), depth + 1)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, dereference(document, inner, depth + 1)]))
}

// Bodies are taken as they are: Fastify's stock validator would strip unknown fields and turn 123 into "123".
// Query, path and headers arrive as text, so there numbers must be coerced.
const options = { strict: true, allowUnionTypes: true, allErrors: true, removeAdditional: false, useDefaults: true }
const bodies = new Ajv({ ...options, coerceTypes: false })
const texts = new Ajv({ ...options, coerceTypes: 'array' })
for (const ajv of [bodies, texts]) formats.default(ajv)

export const compileValidator: FastifySchemaCompiler<Schema> = ({ schema, httpPart }) => {
  const validate: ValidateFunction = (httpPart === 'body' ? bodies : texts).compile(schema)
  // What was coerced is in the object itself. Answering it as well would have Fastify copy all headers each time one is read.
  return (data) => validate(data) || { error: new InvalidPart(httpPart ?? 'body', data, validate.errors ?? []) }
}

/** For what stands inside a body and is judged by a schema of its own. */
export const findFaultsOf = (schema: Schema): ((value: unknown) => Pointer[]) => {
  const validate = bodies.compile(schema)
  return (value) => (validate(value) ? [] : pointersOf('body', validate.errors ?? []))
}

/** One part of a request does not meet its schema. */
export class InvalidPart extends Error {
  readonly pointers: Pointer[]

  constructor(part: string, data: unknown, errors: ErrorObject[]) {
    super(`invalid ${part}`)
    this.pointers = data === null ? [{ pointer: '', detail: 'A JSON body is required.' }] : pointersOf(part, errors)
  }
}

const pointersOf = (part: string, errors: readonly ErrorObject[]): Pointer[] =>
  errors.slice(0, MOST_ERRORS).map((error) => ({ pointer: pointerOf(part, error), detail: sentenceOf(error) }))

const MOST_ERRORS = 20
const PREFIX: Record<string, string> = { body: '', querystring: 'query', params: 'path', headers: 'header' }

const pointerOf = (part: string, { instancePath, params }: ErrorObject): string => {
  const inner: unknown = params.missingProperty ?? params.additionalProperty
  const path =
    typeof inner === 'string' ? `${instancePath}/${inner.replaceAll('~', '~0').replaceAll('/', '~1')}` : instancePath
  return `${PREFIX[part] ?? part}${path}`
}

const sentenceOf = ({ keyword, message, params }: ErrorObject): string => {
  if (keyword === 'required') return 'This field is required.'
  if (keyword === 'additionalProperties') return 'This field is not known here.'
  if (keyword === 'enum') return `Must be one of: ${params.allowedValues.join(', ')}.`
  return `Value ${message ?? 'is not valid'}.`
}
