// Whether a change would change anything, and what it changed.
import canonicalize from 'canonicalize'
import type { JsonObject } from './database/schema.ts'

/** Whether every value given is what is there already; instants are compared as such. */
export const isSame = (present: Record<string, unknown>, given: Record<string, unknown>): boolean =>
  Object.entries(given).every(([name, value]) => {
    const before = present[name]
    if (name === 'expires_at' && typeof value === 'string' && typeof before === 'string') {
      return Date.parse(value) === Date.parse(before)
    }
    return canonicalize(before) === canonicalize(value)
  })

/** What an auditor asks about: which of these fields are not as before, from what to what. */
export const differencesIn = <Field extends string>(
  fields: readonly Field[],
  before: { readonly [field in Field]: unknown },
  after: { readonly [field in Field]: unknown },
): JsonObject =>
  Object.fromEntries(
    fields
      .filter((field) => !isSame(before, { [field]: after[field] }))
      .map((field) => [field, { from: before[field], to: after[field] }]),
  )
