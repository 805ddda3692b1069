// Failures in OAuth's own form (RFC 6749 §5.2), for the endpoints that standard clients talk to.
import type { components } from '@tenantry/client/contract'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Problem } from '../errors.ts'
import { logProblem, problemOf } from './problems.ts'

type Code = components['schemas']['OAuthError']['error']

/** Thrown by the handlers of those endpoints, for the client to see. */
export class OAuthError extends Error {
  readonly error: Code
  readonly description: string
  readonly status: number
  /** For the log alone. */
  readonly why: string | undefined

  constructor(error: Code, description: string, { status = statusOf(error), why }: Particulars = {}) {
    super(`${error}: ${description}`)
    this.error = error
    this.description = description
    this.status = status
    this.why = why
  }
}

interface Particulars {
  status?: number
  why?: string
}

const statusOf = (error: Code): number => (error === 'invalid_client' ? 401 : 400)

const CHALLENGE = { 'WWW-Authenticate': 'Basic realm="tenantry"' }
const LATER = { 'Retry-After': '2' }

const fromProblem = ({ code, status, detail, errors: [first] }: Problem): OAuthError => {
  if (status === 503) return new OAuthError('temporarily_unavailable', detail, { status })
  if (status === 429) return new OAuthError('temporarily_unavailable', detail, { status })
  if (status >= 500) return new OAuthError('server_error', detail, { status })
  if (code === 'media_type.unsupported')
    return new OAuthError('invalid_request', 'Send a form: application/x-www-form-urlencoded.', { status })
  return new OAuthError('invalid_request', first ? `${first.pointer.slice(1)}: ${first.detail}` : detail, { status })
}

/** RFC 6749 §5.2: printable ASCII, without quotes and backslashes. */
const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]|["\\]/g, "'")

const answer = ({ error, description, status }: OAuthError, reply: FastifyReply): FastifyReply =>
  reply
    .code(status)
    .headers({
      ...(status === 401 && CHALLENGE),
      ...((status === 503 || status === 429) && LATER),
      'Cache-Control': 'no-store',
    })
    .type('application/json')
    .send({ error, error_description: printable(description) })

export const speakOAuth = (app: FastifyInstance): void => {
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof OAuthError) {
      request.log.info({ error: error.error, why: error.why ?? error.description }, 'refused')
      return answer(error, reply)
    }
    const problem = problemOf(error)
    logProblem(problem, request)
    return answer(fromProblem(problem), reply)
  })
}
