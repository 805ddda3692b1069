// The one place where a thrown error becomes an answer: application/problem+json, RFC 9457. Causes go to the log.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CATALOGUE, Problem } from '../errors.ts'
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

const problemOf = (error: unknown): Problem => {
  if (error instanceof Problem) return error
  if (error instanceof InvalidPart) return new Problem('request.invalid', { errors: error.pointers })
  const { code, statusCode } = error as Partial<FastifyError>
  const known = FASTIFY_ERRORS[code ?? '']
  if (known) return known
  // A JSON parser's complaint reaches us as a plain 400.
  if (statusCode === 400) return new Problem('request.invalid', { detail: 'The body is not valid JSON.', cause: error })
  return new Problem('internal', { cause: error })
}

export const installProblems = (app: FastifyInstance, issuer: string): void => {
  const answer = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = problemOf(error)
    if (problem.status >= 500) request.log.error({ err: problem.cause ?? problem, code: problem.code }, problem.message)
    if (problem.status === 503) reply.header('Retry-After', RETRY_AFTER_SECONDS)
    const { code, status, detail, errors } = problem
    return reply
      .code(status)
      .headers(problem.headers)
      .type('application/problem+json')
      .send({
        type: `${issuer}/errors/${code}`,
        title: CATALOGUE[code].title,
        status,
        code,
        detail,
        request_id: request.id,
        errors,
      })
  }
  app.setErrorHandler(answer)
  app.setNotFoundHandler((request, reply) => answer(new Problem('not_found'), request, reply))
}
