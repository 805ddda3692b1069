// Turns the contract's schemas into what Fastify compiles: references inlined, and the validator of each part of a request.

import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import formats from 'ajv-formats'
import type { FastifySchemaCompiler, FastifySerializerCompiler } from 'fastify'
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

/**
 * The same value with every `$ref` replaced by what it points at. The contract has no cycles: one would end the start. What
 * is pointed at twice is one object, which is compiled once.
 */
export const dereference = (document: unknown, value: unknown): unknown => inline(document, value, new Map(), 0)

const inline = (document: unknown, value: unknown, known: Map<string, unknown>, depth: number): unknown => {
  if (depth > 100) throw new Error('openapi.yaml: references form a cycle')
  const next = (inner: unknown): unknown => inline(document, inner, known, depth + 1)
  if (Array.isArray(value)) return value.map(next)
  if (!isObject(value)) return value
  if (typeof value.$ref !== 'string')
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, next(inner)]))
  if (!known.has(value.$ref)) known.set(value.$ref, next(pick(document, value.$ref)))
  return known.get(value.$ref)
}

// Bodies are taken as they are: Fastify's stock validator would strip unknown fields and turn 123 into "123".
// Query, path and headers arrive as text, so there numbers must be coerced.
const options = { strict: true, allowUnionTypes: true, allErrors: true, removeAdditional: false, useDefaults: true }
const bodies = new Ajv({ ...options, coerceTypes: false })
const texts = new Ajv({ ...options, coerceTypes: 'array' })
for (const ajv of [bodies, texts]) formats.default(ajv)

/** Compiled when it is first needed: all of them at once take most of a start, and few processes ever need them all. */
const later = <Compiled>(compile: () => Compiled): (() => Compiled) => {
  let compiled: Compiled | undefined
  return () => {
    compiled ??= compile()
    return compiled
  }
}

export const compileValidator: FastifySchemaCompiler<Schema> = ({ schema, httpPart }) => {
  const ajv = httpPart === 'body' ? bodies : texts
  const validator = later((): ValidateFunction => ajv.compile(schema))
  // What was coerced is in the object itself. Answering it as well would have Fastify copy all headers each time one is read.
  return (data) => {
    const validate = validator()
    return validate(data) || { error: new InvalidPart(httpPart ?? 'body', data, validate.errors ?? []) }
  }
}

type Serialize = ReturnType<FastifySerializerCompiler<Schema>>

const buildSerializer = SerializerSelector()({}, {}) as FastifySerializerCompiler<Schema> // which is what Fastify itself calls it
/** By the schema, which many operations and every service of a process share. */
const serializers = new WeakMap<Schema, Serialize>()

export const compileSerializer: FastifySerializerCompiler<Schema> = (route) => {
  const serializer = later(() => {
    const serialize = serializers.get(route.schema) ?? buildSerializer(route)
    serializers.set(route.schema, serialize)
    return serialize
  })
  return (data) => serializer()(data)
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
