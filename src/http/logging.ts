// What is logged, and what never is: no secret, no token, no query string (it may hold an e-mail address), no values that
// went to the database.
import { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, LogController } from 'fastify'
import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino'
import type { LogLevel } from '../config.ts'
import { LogPieces } from './log-pieces.ts'
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

/** Where the process logs. What is not written yet at the end is written then; a process that is killed outright loses it. */
export const standardOutput = (): DestinationStream => {
  const atTheEnd = (): void => pieces.flushSync()
  process.once('beforeExit', atTheEnd).once('exit', atTheEnd) // before pino's own, which ends its destination
  const pieces = new LogPieces(pino.destination({ dest: 1, sync: false }))
  return pieces
}

/** Fastify's two lines a request are replaced by one, below. */
export const logController = new LogController({ requestIdLogLabel: 'request_id', disableRequestLogging: true })

type Fields = Record<string, unknown>
type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

const fieldsOf = ({ kind, id, tenant_id }: Principal): Fields => ({
  principal: `${kind}:${id}`,
  ...(tenant_id !== null && { principal_tenant_id: tenant_id }),
})

/** What a request's logger needs of the one above it. */
type Parent = Pick<FastifyBaseLogger, 'level' | 'child'>

/**
 * Fastify asks its own logger for one for each request. There is a hook for making them, and what that makes is examined at
 * each request, method by method: so the logger itself is told how.
 */
export const logRequests = ({ log }: FastifyInstance): void => {
  const child = log.child.bind(log)
  const parent: Parent = {
    get level() {
      return log.level
    },
    child,
  }
  log.child = (fields) => new RequestLog(parent, fields)
}

/** Of which trace it is part, where its caller says so and ours does not. */
export const noteTrace = ({ headers, log }: FastifyRequest): void => {
  const trace_id = traceIdIn(headers.traceparent)
  const requestLog = log as RequestLog // as it is made above
  if (trace_id !== undefined && requestLog.trace_id === undefined) requestLog.follow(trace_id)
}

/**
 * The logger of one request, which says whose it is. Most requests write one line: only for what is written besides is a
 * child of the logger made, because making one takes longer than writing a line.
 */
export class RequestLog implements FastifyBaseLogger {
  readonly #log: Parent
  /** Its id, as Fastify gives it. */
  readonly #fields: Fields
  principal: Principal | undefined
  /** Which it is part of. */
  trace_id: string | undefined
  #child: FastifyBaseLogger | undefined

  constructor(log: Parent, fields: Fields) {
    this.#log = log
    this.#fields = fields
  }

  /** Who it turned out to be. */
  identify(principal: Principal): void {
    this.principal = principal
  }

  /** Part of which trace it is. */
  follow(trace_id: string): void {
    this.trace_id = trace_id
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
    const { trace_id, principal } = this
    this.#child ??= this.#log.child({
      ...{ ...this.#fields, ...(trace_id !== undefined && { trace_id }), ...(principal && fieldsOf(principal)) },
    })
    return this.#child
  }
}
