// What is noted of every request once it is answered: how long it took, for the metrics, and a line of the log.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { measureRequest } from '../metrics/instruments.ts'
import { type Answered, lineWriterOf } from './access-log.ts'
import type { RequestLog } from './logging.ts'

export type Note = (answered: Answered) => void

/** @param log where lines go; undefined for no lines */
export const noteWith = (log: Logger | undefined): Note => {
  const writeLine = log && lineWriterOf(log)
  return (answered) => {
    measureRequest(answered.operation?.operation_id, answered.status, answered.duration_ms)
    writeLine?.(answered)
  }
}

/** Of a request that Fastify has answered. */
export const answeredOf = (request: FastifyRequest, reply: FastifyReply): Answered => {
  const { trace_id, principal } = request.log as RequestLog // as `logging.ts` makes it
  const { id: request_id, method, url, operation } = request
  const asked = { request_id, trace_id, principal, method, url, operation }
  return { ...asked, status: reply.statusCode, duration_ms: reply.elapsedTime }
}
