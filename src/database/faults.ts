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
  ...['57P01', '57P02', '57P03', '53300', '25006'], // shutting down, starting, too many connections, read-only standby
])

/** The database cannot be reached, or has dropped us. */
export const isAway = (error: unknown): boolean => {
  const { code, message } = causeOf(error)
  if (code !== undefined) return AWAY.has(code) || code.startsWith('08')
  return /timeout exceeded when trying to connect|Connection terminated|not queryable|PGlite is clos/.test(message)
}

/** Waited too long for a lock or a statement: try again later. */
export const isTimeout = (error: unknown): boolean => ['55P03', '57014'].includes(causeOf(error).code ?? '')
