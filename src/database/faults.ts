// What a driver's error means. drizzle wraps errors; PostgreSQL's code and constraint are on the cause.

interface PostgresError {
  code?: string | undefined
  constraint?: string | undefined
  message: string
}

const causeOf = (error: unknown): PostgresError => {
  let inner = error
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause
  return inner instanceof Error ? inner : { message: String(inner) }
}

/** The name of the unique constraint or index that the error is about. */
export const violatedConstraint = (error: unknown): string | undefined => {
  const { code, constraint } = causeOf(error)
  return code === '23505' ? constraint : undefined
}

/** The name of the foreign key that the error is about. */
export const brokenReference = (error: unknown): string | undefined => {
  const { code, constraint } = causeOf(error)
  return code === '23503' ? constraint : undefined
}

/** Serialization failure or deadlock: nothing happened, and the same work may succeed now. */
export const isRetryable = (error: unknown): boolean => ['40001', '40P01'].includes(causeOf(error).code ?? '')

const AWAY = new Set([
  ...[
    'ECONNREFUSED',
    'ECONNRESET',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ETIMEDOUT',
    'EPIPE',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOENT',
  ],
  ...['25006', '25P03'], // a read-only standby; our transaction stood idle for too long
])
// Whole classes of PostgreSQL's codes: the connection failed or the login was refused, no room or memory or connection left, shut down or starting.
const AWAY_CLASS = /^(08|28|53|57P)/
const AWAY_MESSAGE =
  /timeout exceeded when trying to connect|timeout expired|Query read timeout|Connection terminated|not queryable|PGlite is clos|use a pool after calling end/

/** The database cannot be reached, or has dropped us. */
export const isAway = (error: unknown): boolean => {
  const { code, message } = causeOf(error)
  return code === undefined ? AWAY_MESSAGE.test(message) : AWAY.has(code) || AWAY_CLASS.test(code)
}

/** The same, and waiting may help: no login was refused. */
export const isStarting = (error: unknown): boolean => isAway(error) && !/^28/.test(causeOf(error).code ?? '')

/** Waited too long for a lock or a statement: try again later. */
export const isTimeout = (error: unknown): boolean => ['55P03', '57014'].includes(causeOf(error).code ?? '')

/** What went wrong, in the words of whoever found it. */
export const wordsOf = (error: unknown): string => {
  const { code, message } = causeOf(error)
  return message || code || 'it says nothing'
}
