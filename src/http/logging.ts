// What is logged, and what never is: no secret, no token, no query string (it may hold an e-mail address), no values that
// went to the database.
import { type FastifyInstance, LogController } from 'fastify'
import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino'
import type { LogLevel } from '../config.ts'

/** The innermost cause, by name, code and place. drizzle's message lists a query's values, so its wrapper is left out. */
const describe = (error: unknown): unknown => {
  let inner = error
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause
  if (!(inner instanceof Error)) return stdSerializers.err(inner as Error)
  const { code, constraint } = inner as { code?: unknown; constraint?: unknown }
  return { type: inner.name, message: inner.message, code, constraint, stack: inner.stack }
}

export const makeLog = (level: LogLevel, destination?: DestinationStream): Logger =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: describe } }, destination)

/** Fastify's two lines a request are replaced by one, below. */
export const logController = new LogController({ requestIdLogLabel: 'request_id', disableRequestLogging: true })

// Segments as our addresses have them, and ids. Anything else may be a secret or an e-mail address in the wrong place; the
// shortest root key has 32 characters.
const KNOWN_SEGMENT = /^(?:[a-z0-9_.-]{0,31}|[0-9a-f-]{36})$/

const pathOf = (url: string): string =>
  (url.split('?', 1)[0] ?? '')
    .split('/')
    .map((segment) => (KNOWN_SEGMENT.test(segment) ? segment : '…'))
    .join('/')

export const installAccessLog = (app: FastifyInstance): void => {
  app.addHook('onResponse', async (request, reply) => {
    const { operation } = request.routeOptions.config
    request.log.info(
      {
        method: request.method,
        path: pathOf(request.url),
        operation_id: operation?.operation_id,
        status: reply.statusCode,
        duration_ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    )
  })
}
