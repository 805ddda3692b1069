// One request at the token endpoint: token exchange (RFC 8693) or client credentials (RFC 6749 §4.4).

import { TenantryProblem } from '../api.ts'
import { TenantryError } from '../errors.ts'
import { isObject, parseObject } from '../json.ts'
import { postForm } from '../post-form.ts'
import { Deadline } from '../revocations/timer.ts'
import type { TokenSourceSettings } from './options.ts'

/** What a token is asked for. */
export type Wanted = {
  readonly tenant_id: string
  readonly audience: string
  readonly scope: string
  readonly subject_token: string | undefined
}

export type Obtained = { readonly token: string; readonly obtained_at_ms: number; readonly lifetime_ms: number }

const TIMEOUT_MS = 10_000

const NEVER = new AbortController().signal

/**
 * Gets a token.
 *
 * @throws TenantryError `token_refused` with a TenantryProblem as its cause, or `token_unavailable`
 */
export async function requestToken(settings: TokenSourceSettings, wanted: Wanted): Promise<Obtained> {
  const { token_url: url, headers, fetch, timer, clock } = settings
  const obtained_at_ms = clock().getTime() // when it was asked for: it cannot be older than that
  const deadline = new Deadline(TIMEOUT_MS, timer, NEVER)
  const request = { url, form: formOf(settings, wanted), headers, fetch, signal: deadline.signal }
  const { status, document } = await postForm(request)
    .catch((cause: unknown) => Promise.reject(unavailable('cannot be asked', cause)))
    .finally(() => deadline.end())
  if (status !== 200) throw refusal(status, document)
  return { ...readAnswer(document, wanted), obtained_at_ms }
}

function formOf({ subject_token_type }: TokenSourceSettings, wanted: Wanted): Record<string, string> {
  const { tenant_id, audience, scope, subject_token } = wanted
  const what = { tenant_id, audience, ...(scope !== '' && { scope }) }
  if (subject_token === undefined) return { grant_type: 'client_credentials', ...what }
  const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange'
  return { grant_type, subject_token, subject_token_type, ...what }
}

/** What will be answered the same the next time, and what will not. */
function refusal(status: number, document: unknown): TenantryError {
  const cause = new TenantryProblem(status, document)
  if (status >= 500 || status === 429) return unavailable(`answered ${status}`, cause)
  return new TenantryError('token_refused', `The token endpoint refuses a token (${cause.code}).`, { cause })
}

function readAnswer(document: unknown, { tenant_id }: Wanted): Pick<Obtained, 'token' | 'lifetime_ms'> {
  const { access_token: token, token_type, expires_in } = isObject(document) ? document : {}
  const isBearer = typeof token_type === 'string' && token_type.toLowerCase() === 'bearer'
  if (typeof token !== 'string' || !isBearer || typeof expires_in !== 'number' || !(expires_in > 0)) {
    throw unavailable('answered something that is no token')
  }
  if (tenantIn(token) !== tenant_id.toLowerCase()) throw unavailable('answered a token of another tenant')
  return { token, lifetime_ms: expires_in * 1_000 }
}

/** Not verified, which is for whom the token is for: only so that no mix-up goes any further. */
function tenantIn(token: string): unknown {
  return parseObject(Buffer.from(token.split('.')[1] ?? '', 'base64url'))?.tenant_id
}

function unavailable(what: string, cause?: unknown): TenantryError {
  return new TenantryError('token_unavailable', `The token endpoint ${what}.`, { cause })
}
