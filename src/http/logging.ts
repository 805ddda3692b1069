// What is logged, and what never is: no secret, no token, no query string (it may hold an e-mail address), no values that
// went to the database.
import { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino'
import type { LogLevel } from '../config.ts'
import { hook } from './hooks.ts'
import type { Principal } from './principal.ts'
import { traceIdIn } from './trace-context.ts'

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

/**
 * Where the process logs: in pieces of 8 KiB, or what there is after 50 ms, because a system call for each line takes longer
 * than to make it. What is not written yet at the end is written then; a process that is killed outright loses it.
 */
export const standardOutput = (): DestinationStream =>
  pino.destination({ dest: 1, sync: false, minLength: 8_192, periodicFlush: 50 })

/** Fastify's two lines a request are replaced by one, below. */
export const logController = new LogController({ requestIdLogLabel: 'request_id', disableRequestLogging: true })

type Fields = Record<string, unknown>
type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/**
 * The logger of one request, which says whose it is. Most requests write one line: only for what is written besides is a
 * child of the logger made, because making one takes longer than writing a line.
 */
export class RequestLog implements FastifyBaseLogger {
  readonly #log: FastifyBaseLogger
  readonly #fields: Fields
  #child: FastifyBaseLogger | undefined

  constructor(log: FastifyBaseLogger, fields: Fields) {
    this.#log = log
    this.#fields = fields
  }

  /** Who it turned out to be. */
  identify(principal: Principal): void {
    this.#fields.principal = `${principal.kind}:${principal.id}`
    if (principal.tenant_id !== null) this.#fields.principal_tenant_id = principal.tenant_id
  }

  /** Part of which trace it is. */
  follow(trace_id: string): void {
    this.#fields.trace_id = trace_id
  }

  /** The one line that every request has. */
  access(fields: Fields): void {
    this.#log.info({ ...this.#fields, ...fields }, 'request')
  }

  get level(): string {
    return this.#log.level
  }

  trace(...line: unknown[]): void {
    this.#write('trace', line)
  }
  debug(...line: unknown[]): void {
    this.#write('debug', line)
  }
  info(...line: unknown[]): void {
    this.#write('info', line)
  }
  warn(...line: unknown[]): void {
    this.#write('warn', line)
  }
  error(...line: unknown[]): void {
    this.#write('error', line)
  }
  fatal(...line: unknown[]): void {
    this.#write('fatal', line)
  }
  silent(): void {}

  child(...of: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.#own.child(...of)
  }

  #write(level: Level, line: unknown[]): void {
    Reflect.apply(this.#own[level], this.#own, line)
  }

  get #own(): FastifyBaseLogger {
    this.#child ??= this.#log.child(this.#fields)
    return this.#child
  }
}

// Segments as our addresses have them, and ids. Anything else may be a secret or an e-mail address in the wrong place; the
// shortest root key has 32 characters.
const KNOWN_SEGMENT = /^(?:[a-z0-9_.-]{0,31}|[0-9a-f-]{36})$/

/** As it is logged. */
export const pathOf = (url: string): string =>
  (url.split('?', 1)[0] ?? '')
    .split('/')
    .map((segment) => (KNOWN_SEGMENT.test(segment) ? segment : '…'))
    .join('/')

export const installAccessLog = (app: FastifyInstance): void => {
  app.setChildLoggerFactory((log, fields, _, { headers }) => {
    const trace_id = traceIdIn(headers.traceparent)
    return new RequestLog(log, trace_id === undefined ? fields : { ...fields, trace_id })
  })
  app.addHook(
    'onResponse',
    hook((request, reply) => {
      const { operation } = request.routeOptions.config
      const isFixed = operation !== undefined && !operation.url.includes(':')
      const log = request.log as RequestLog // as it was made above
      log.access({
        method: request.method,
        path: isFixed ? operation.url : pathOf(request.url),
        operation_id: operation?.operation_id,
        status: reply.statusCode,
        duration_ms: Math.round(reply.elapsedTime * 10) / 10,
      })
    }),
  )
}
