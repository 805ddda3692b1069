// What no JSON text that enters may hold: PostgreSQL's jsonb refuses U+0000 and lone surrogates, and the canonical form
// that the history hashes is not defined for them. Also the bounds of free-form objects, which schemas cannot say.
import { Problem } from '../errors.ts'

const DEEPEST = 32

const refuse = (pointer: string, detail: string): never => {
  throw new Problem('request.invalid', { errors: [{ pointer, detail }] })
}

const step = (pointer: string, key: string): string => `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`

export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\u0000')

/** Throws `request.invalid` at the first text or number that cannot be stored, or below 32 levels. */
export const requireStorable = (value: unknown, part = ''): void => {
  if (!isWhollyStorable(value, 0)) refuseWhere(value, part, 0)
}

/** Nearly everything is: where something would be is not written down on the way. */
const isWhollyStorable = (value: unknown, depth: number): boolean => {
  if (typeof value === 'string') return isStorable(value)
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return true
  if (depth === DEEPEST) return false
  if (Array.isArray(value)) return value.every((inner) => isWhollyStorable(inner, depth + 1))
  for (const key in value) {
    if (!isStorable(key) || !isWhollyStorable((value as Record<string, unknown>)[key], depth + 1)) return false
  }
  return true
}

const refuseWhere = (value: unknown, pointer: string, depth: number): void => {
  if (typeof value === 'string') {
    if (!isStorable(value)) refuse(pointer, 'Text must not hold U+0000 or half of a surrogate pair.')
    return
  }
  // JSON can write 1e400, which no double can hold: it would come back as null.
  if (typeof value === 'number' && !Number.isFinite(value)) refuse(pointer, 'The number is too large.')
  if (typeof value !== 'object' || value === null) return
  if (depth === DEEPEST) refuse(pointer, `JSON may be nested ${DEEPEST} levels deep at most.`)
  for (const [key, inner] of Object.entries(value)) {
    refuseWhere(key, pointer, depth + 1)
    refuseWhere(inner, step(pointer, key), depth + 1)
  }
}

const LARGEST_OBJECT_BYTES = 16_384

/** Throws `request.invalid` when one of these free-form objects is above 16 KiB as JSON. */
export const requireSmall = (objects: Record<string, unknown>): void => {
  for (const [name, value] of Object.entries(objects)) {
    if (value !== undefined && Buffer.byteLength(JSON.stringify(value)) > LARGEST_OBJECT_BYTES) {
      refuse(`/${name}`, 'This object may have 16 KiB at most when written as JSON.')
    }
  }
}
