// The one place where a thrown error becomes an answer: application/problem+json, RFC 9457. Causes go to the log.
import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CATALOGUE, Problem } from '../errors.ts'
import { challengeOf } from './challenge.ts'
import { InvalidPart } from './schemas.ts'

const RETRY_AFTER_SECONDS = '2'

// Fastify's own errors, as the problem they are to a caller.
const FASTIFY_ERRORS: Record<string, Problem> = {
  FST_ERR_CTP_BODY_TOO_LARGE: new Problem('body.too_large'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: new Problem('media_type.unsupported'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: new Problem('request.invalid', {
    detail: 'Content-Length does not match the body.',
  }),
  FST_ERR_CTP_INVALID_JSON_BODY: new Problem('request.invalid', { detail: 'The body is not valid JSON.' }),
  FST_ERR_CTP_EMPTY_JSON_BODY: new Problem('request.invalid', { detail: 'The body is empty.' }),
  FST_ERR_BAD_URL: new Problem('request.invalid', { detail: 'The URL is not well-formed.' }),
}

export const problemOf = (error: unknown): Problem => {
  if (error instanceof Problem) return error
  if (error instanceof InvalidPart) return new Problem('request.invalid', { errors: error.pointers })
  const { code, statusCode } = error as Partial<FastifyError>
  const known = FASTIFY_ERRORS[code ?? '']
  if (known) return known
  // A JSON parser's complaint reaches us as a plain 400.
  if (statusCode === 400) return new Problem('request.invalid', { detail: 'The body is not valid JSON.', cause: error })
  return new Problem('internal', { cause: error })
}

const bodyOf = ({ code, status, detail, errors }: Problem, issuer: string, request_id: string) => ({
  type: `${issuer}/errors/${code}`,
  title: CATALOGUE[code].title,
  ...{ status, code, detail, request_id, errors },
})

export const logProblem = (problem: Problem, request: FastifyRequest): void => {
  // What is away is somebody else's fault, and may be away for many requests.
  if (problem.status === 503) request.log.warn({ code: problem.code, why: messageOf(problem.cause) }, problem.message)
  else if (problem.status >= 500)
    request.log.error({ err: problem.cause ?? problem, code: problem.code }, problem.message)
}

const messageOf = (cause: unknown): string | undefined => {
  let inner = cause
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause
  return inner instanceof Error ? inner.message : undefined
}

type ErrorHandler = (error: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply

const answerAs =
  (issuer: string): ErrorHandler =>
  (error, request, reply) => {
    const problem = problemOf(error)
    logProblem(problem, request)
    if (problem.status === 503) reply.header('Retry-After', RETRY_AFTER_SECONDS)
    if (problem.status === 401) reply.header('WWW-Authenticate', challengeOf(problem, issuer))
    return reply
      .code(problem.status)
      .headers(problem.headers)
      .type('application/problem+json')
      .send(bodyOf(problem, issuer, request.id))
  }

export const installProblems = (app: FastifyInstance, issuer: string): void => {
  const answer = answerAs(issuer)
  app.setErrorHandler(answer)
  app.setNotFoundHandler((request, reply) => answer(new Problem('not_found'), request, reply))
}

const LINGER_MS = 1_000 // for the client to read why

/** A client that never closes its own side would otherwise hold the connection for ever, and every stop with it. */
const partWith = (socket: Socket, words: string): void => {
  socket.end(words)
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
}

/** What Fastify would answer by itself, before any route or hook: a URL, or bytes, that are no request. */
export const problemsBeforeRouting = (issuer: string) => ({
  frameworkErrors: ((error, request, reply) =>
    answerAs(issuer)(error, request, reply.header('X-Request-ID', request.id))) satisfies ErrorHandler,

  clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket): void => {
    if (socket.writableEnded) return // what still comes of a request that was refused; its end is near
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      partWith(socket, 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n')
      return
    }
    const problem =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? new Problem('headers.too_large')
        : new Problem('request.invalid', { detail: 'This is not an HTTP request.' })
    const id = randomUUID()
    const body = JSON.stringify(bodyOf(problem, issuer, id))
    partWith(
      socket,
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nConnection: close\r\nX-Request-ID: ${id}\r\n` +
        `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  },
})
