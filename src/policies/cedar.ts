// The policy language's own engine (`@cedar-policy/cedar-wasm`), loaded when a policy is first written or decided on: whoever
// has none pays nothing for it. Nothing else here speaks to it.
//
// It is WebAssembly with a small stack: text or data that is nested too deep would end in a fault that leaves it broken for
// good. What comes from outside is bounded before it gets there (bounds.ts, values.ts); should it break all the same, the call
// fails and the next one gets a new engine.
import { createRequire } from 'node:module'
import type * as Cedar from '@cedar-policy/cedar-wasm/nodejs'

export type { DetailedError, EntityJson, Expr, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
export type Value = Cedar.CedarValueJson

const require = createRequire(import.meta.url)
const ENGINE = '@cedar-policy/cedar-wasm/nodejs'

let engine: typeof Cedar | undefined
/** How many engines there have been: what was put into one is in no other. */
let generation = 0

/** @throws what the engine threw; after a fault it is not used again */
export const withCedar = <T>(use: (cedar: typeof Cedar, generation: number) => T): T => {
  engine ??= load()
  try {
    return use(engine, generation)
  } catch (error) {
    if (isFault(error)) engine = undefined
    throw error
  }
}

/** Out of memory, or of stack; what is only refused is told in an answer. */
const isFault = (error: unknown): boolean =>
  error instanceof RangeError || (error instanceof Error && error.name === 'RuntimeError')

/** A module that was required before would be the same engine, so it is forgotten first. */
const load = (): typeof Cedar => {
  generation++
  delete require.cache[require.resolve(ENGINE)]
  return require(ENGINE)
}

/** Whether an engine was ever needed. */
export const isLoaded = (): boolean => generation > 0
