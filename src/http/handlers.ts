// The types between the contract and its handlers. `Handlers` is a mapped type over the generated operations: a missing
// handler, a surplus one, an undocumented status and a missing response field do not compile.
import type { Readable } from 'node:stream'
import type { operations } from '@tenantry/client/contract'
import type { FastifyBaseLogger } from 'fastify'
import type { Scope } from '../database/scope.ts'
import type { Soon } from '../soon.ts'
import type { Identities, Principal } from './principal.ts'

export type OperationId = keyof operations

type Part<K extends OperationId, P extends 'path' | 'query'> = operations[K]['parameters'] extends {
  [Key in P]: infer T
}
  ? T
  : operations[K]['parameters'] extends { [Key in P]?: infer T }
    ? [NonNullable<T>] extends [never]
      ? Record<string, never>
      : NonNullable<T>
    : never

type BodyOf<K extends OperationId> = operations[K] extends { requestBody: { content: { [type: string]: infer B } } }
  ? B
  : operations[K] extends { requestBody?: { content: { 'application/json': infer B } } }
    ? B
    : undefined

/** What a handler is given: the validated parts of the request, who asks, and what the transaction may touch. */
export interface Call<K extends OperationId = OperationId> {
  operation_id: string
  path: Part<K, 'path'>
  query: Part<K, 'query'>
  body: BodyOf<K>
  if_match: string | undefined
  if_none_match: string | undefined
  last_event_id: string | undefined
  idempotency_key: string | undefined
  /** A revision that is demanded of a check; of any other read it is seen to by authorization. */
  min_revision: string | undefined
  /** Only where the handler authenticates the caller itself (`x-scope: client`). */
  authorization: string | undefined
  /** Where the request came from; only there, too. */
  address: string
  principal: Principal
  /** Only where the operation is about the caller alone (`x-scope: self`); never empty. */
  identities: Identities
  scope: Scope
  log: FastifyBaseLogger
}

type SuccessBody<R> = R extends { content: infer C }
  ? 'application/problem+json' extends keyof C
    ? never
    : C[keyof C] extends string
      ? string | Uint8Array | Readable
      : C[keyof C]
  : R extends { content?: never }
    ? undefined
    : never

/** A status that the contract documents as an answer, with its body. */
export type Reply<K extends OperationId> = {
  [S in keyof operations[K]['responses']]: S extends number
    ? [SuccessBody<operations[K]['responses'][S]>] extends [never]
      ? never
      : { status: S; body: SuccessBody<operations[K]['responses'][S]>; headers?: Record<string, string> }
    : never
}[keyof operations[K]['responses']]

/** An answer that is there already is no promise: a check from memory waits for nothing. */
export type Handler<K extends OperationId> = (call: Call<K>) => Soon<Reply<K>>
export type Handlers = { [K in OperationId]: Handler<K> }

/** A handler after its types have done their work; the contract's validation stands in front of it. */
// biome-ignore lint/suspicious/noExplicitAny: each handler takes its own operation's call; the mount pairs them by name
export type AnyHandler = (call: any) => Soon<Answer>

export interface Answer {
  status: number
  body: unknown
  headers?: Record<string, string>
}
