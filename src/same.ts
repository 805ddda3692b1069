// Whether a change would change anything.
import canonicalize from 'canonicalize'

/** Whether every value given is what is there already; instants are compared as such. */
export const isSame = (present: Record<string, unknown>, given: Record<string, unknown>): boolean =>
  Object.entries(given).every(([name, value]) => {
    const before = present[name]
    if (name === 'expires_at' && typeof value === 'string' && typeof before === 'string') {
      return Date.parse(value) === Date.parse(before)
    }
    return canonicalize(before) === canonicalize(value)
  })
