// One line for each request. The line is written by hand, as pino would write it: through pino it takes three times as long,
// and it is the only thing that every request logs.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type DestinationStream, type Logger, symbols } from 'pino'
import { hook } from './hooks.ts'
import type { RequestLog } from './logging.ts'

// Segments as our addresses have them, and ids. Anything else may be a secret or an e-mail address in the wrong place; the
// shortest root key has 32 characters.
const KNOWN_SEGMENT = /^(?:[a-z0-9_.-]{0,31}|[0-9a-f-]{36})$/

/** As it is logged. */
export const pathOf = (url: string): string =>
  (url.split('?', 1)[0] ?? '')
    .split('/')
    .map((segment) => (KNOWN_SEGMENT.test(segment) ? segment : '…'))
    .join('/')

export const installAccessLog = (app: FastifyInstance, log: Logger): void => {
  if (!log.isLevelEnabled('info')) return
  const destination = Reflect.get(log, symbols.streamSym) as DestinationStream // pino has no other word for where it writes
  app.addHook(
    'onResponse',
    hook((request, reply) => destination.write(lineOf(request, reply))),
  )
}

const LEVEL = 30 // pino's number for info

const lineOf = (request: FastifyRequest, reply: FastifyReply): string => {
  const duration_ms = Math.round(reply.elapsedTime * 10) / 10
  const log = request.log as RequestLog // as `logging.ts` makes it
  const fields = JSON.stringify(log.fields).slice(1, -1) // it always has an id
  return `{"level":${LEVEL},"time":"${now()}",${fields}${whose(log)},"method":"${request.method}",${where(request)},"status":${reply.statusCode},"duration_ms":${duration_ms},"msg":"request"}\n`
}

/** Its ids are ours. */
const whose = ({ principal }: RequestLog): string => {
  if (principal === undefined) return ''
  const { kind, id, tenant_id } = principal
  const own = `,"principal":"${kind}:${id}"`
  return tenant_id === null ? own : `${own},"principal_tenant_id":"${tenant_id}"`
}

const where = ({ operation, url }: FastifyRequest): string => {
  if (operation === undefined) return `"path":${JSON.stringify(pathOf(url))}`
  const path = operation.url.includes(':') ? pathOf(url) : operation.url
  return `"path":${JSON.stringify(path)},"operation_id":"${operation.operation_id}"`
}

let written_ms = 0
let written = ''

/** Written out once a millisecond at most. */
const now = (): string => {
  const ms = Date.now()
  if (ms !== written_ms) {
    written_ms = ms
    written = new Date(ms).toISOString()
  }
  return written
}
