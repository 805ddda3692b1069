// What a refusal looks like over HTTP: status, headers and body, the same from every adapter. RFC 9457 and RFC 6750 §3.

import { STATUS_CODES } from 'node:http'
import { TenantryError } from '../errors.ts'

export type Refusal = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Seconds until it is worth asking again; about the pause between two attempts at the issuer's keys. */
const RETRY_AFTER_SECONDS = '5'

/** The refusal that an error stands for; undefined for any that is not ours, or is a mistake in the application. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof TenantryError) || error.status === 500) return undefined
  const { code, status, reason, message } = error
  const problem = { type: 'about:blank', title: STATUS_CODES[status], status, code, reason, detail: message }
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...adviceFor(error) },
    body: JSON.stringify(problem),
  }
}

function adviceFor(error: TenantryError): Record<string, string> {
  if (error.status === 503) return { 'retry-after': RETRY_AFTER_SECONDS }
  return error.status < 500 ? { 'www-authenticate': challengeFor(error) } : {}
}

/** RFC 6750 §3.1: no `error` for those who sent no credential. It has no error of its own for a token that is stale. */
function challengeFor({ code, status, reason }: TenantryError): string {
  if (reason === 'missing') return 'Bearer'
  if (code === 'stale_token') return STALE_CHALLENGE
  return status === 401 ? 'Bearer error="invalid_token"' : 'Bearer error="insufficient_scope"'
}

const STALE_CHALLENGE = 'Bearer error="invalid_token", error_description="stale"'

/** Did a service refuse a token in that way: one to be exchanged for a fresh one? */
export function isStaleRefusal(status: number, challenge: string | null): boolean {
  return status === 401 && challenge?.includes(STALE_CHALLENGE) === true
}
