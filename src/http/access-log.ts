// One line for each request. The line is written by hand, as pino would write it: through pino it takes three times as long,
// and it is the only thing that every request logs.
import { type DestinationStream, type Logger, symbols } from 'pino'
import type { Operation } from './contract.ts'
import type { Principal } from './principal.ts'

// Segments as our addresses have them, and ids. Anything else may be a secret or an e-mail address in the wrong place; the
// shortest root key has 32 characters.
const KNOWN_SEGMENT = /^(?:[a-z0-9_.-]{0,31}|[0-9a-f-]{36})$/

/** As it is logged. */
export const pathOf = (url: string): string =>
  (url.split('?', 1)[0] ?? '')
    .split('/')
    .map((segment) => (KNOWN_SEGMENT.test(segment) ? segment : '…'))
    .join('/')

/** What is written of a request. */
export interface Answered {
  /** As `request-id.ts` has it. */
  request_id: string
  /** Which it is part of, if its caller or ours says so. */
  trace_id: string | undefined
  principal: Principal | undefined
  method: string
  url: string
  operation: Operation | undefined
  status: number
  duration_ms: number
}

/** Undefined where nothing of it would be logged. */
export const lineWriterOf = (log: Logger): ((answered: Answered) => void) | undefined => {
  if (!log.isLevelEnabled('info')) return undefined
  const destination = Reflect.get(log, symbols.streamSym) as DestinationStream // pino has no other word for where it writes
  return (answered) => destination.write(lineOf(answered))
}

const LEVEL = 30 // pino's number for info

const lineOf = (answered: Answered): string => {
  const { request_id, trace_id, principal, status } = answered
  const duration_ms = Math.round(answered.duration_ms * 10) / 10
  const trace = trace_id === undefined ? '"' : `","trace_id":"${trace_id}"`
  return `${opening()}${request_id}${trace}${whose(principal)}${where(answered)}${status},"duration_ms":${duration_ms},"msg":"request"}\n`
}

let written_ms = 0
let written = ''

/** Written out once a millisecond at most. */
const opening = (): string => {
  const ms = Date.now()
  if (ms !== written_ms) {
    written_ms = ms
    written = `{"level":${LEVEL},"time":"${new Date(ms).toISOString()}","request_id":"`
  }
  return written
}

/** Its ids are ours. */
const whose = (principal: Principal | undefined): string => {
  if (principal === undefined) return ''
  const { kind, id, tenant_id } = principal
  const own = `,"principal":"${kind}:${id}"`
  return tenant_id === null ? own : `${own},"principal_tenant_id":"${tenant_id}"`
}

const known = new Map<Operation, string>()

/** Written out once for each operation whose address is always the same, and that one method asks for. */
const where = ({ operation, method, url }: Answered): string => {
  if (operation === undefined) return whereOf(method, pathOf(url))
  if (operation.url.includes(':') || operation.method !== method)
    return whereOf(method, pathOf(url), operation.operation_id)
  const text = known.get(operation) ?? whereOf(method, operation.url, operation.operation_id)
  known.set(operation, text)
  return text
}

const whereOf = (method: string, path: string, operation_id?: string): string => {
  const what = operation_id === undefined ? '' : `,"operation_id":"${operation_id}"`
  return `,"method":"${method}","path":${JSON.stringify(path)}${what},"status":`
}
