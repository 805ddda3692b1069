// JSON of callers and of the database as values of the policy language. The language writes entities and dates into JSON with
// keys of its own (`__entity`, `__extn`): whoever fills in a property must not be able to make such, so they are left out, and
// so is whatever the language cannot hold. What is left out is not there: a `forbid` that looks at it forbids. Pure.
import type { Value } from './cedar.ts'

/** As deep as JSON may be that is stored here. */
const DEEPEST = 32
/** What is compared again and again must not be long: with the longest policies, each would take its time. */
const LONGEST_TEXT = 4_096
const LONGEST_LIST = 1_000

export const recordOf = (object: unknown, depth = 0): { [name: string]: Value } => {
  if (!isObject(object) || depth > DEEPEST) return {}
  const entries = Object.entries(object).flatMap(([name, inner]): [string, Value][] => {
    if (isReservedKey(name)) return []
    const value = cedarOf(inner, depth + 1)
    return value === undefined ? [] : [[name, value]]
  })
  return Object.fromEntries(entries)
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isReservedKey = (name: string): boolean => name.startsWith('__')

const cedarOf = (value: unknown, depth: number): Value | undefined => {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string') return value.length <= LONGEST_TEXT ? value : undefined
  if (typeof value === 'number') return numberOf(value)
  if (depth > DEEPEST) return undefined
  if (Array.isArray(value)) return setOf(value, depth)
  // An object that tries to be something else is nothing, and not what is left of it.
  return isObject(value) && !Object.keys(value).some(isReservedKey) ? recordOf(value, depth) : undefined
}

const setOf = (list: readonly unknown[], depth: number): Value | undefined =>
  list.length > LONGEST_LIST
    ? undefined
    : list.map((each) => cedarOf(each, depth + 1)).filter((each) => each !== undefined)

/** Four digits after the point; and what a double does not hold exactly is not the number that was meant. */
const DECIMAL = /^-?\d{1,15}\.\d{1,4}$/
/** Beyond it the engine answers nothing at all, for a number that no policy may look at. */
const LARGEST_DECIMAL = 922_337_203_685_477

const numberOf = (value: number): Value | undefined => {
  if (Number.isSafeInteger(value)) return value
  const text = String(value)
  return DECIMAL.test(text) && Math.abs(value) < LARGEST_DECIMAL ? { __extn: { fn: 'decimal', arg: text } } : undefined
}
