// A typed client of Tenantry's API: openapi-fetch with the contract's types, a credential, and problems that can be
// thrown. It knows no route of its own; the contract does.

import createClient, { type Client } from 'openapi-fetch'
import type { paths, Schemas } from './contract.ts'
import { TenantryError } from './errors.ts'
import { isObject } from './json.ts'
import { isApiKey } from './revocations/credential.ts'

export type TenantryClientOptions = {
  /** Where the service is, such as `https://tenantry.example.com`. */
  readonly base_url: string
  /** Default: the platform's `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined
} & ({ readonly api_key: string; readonly token?: never } | { readonly token: string; readonly api_key?: never })

export type TenantryClient = Client<paths>

/**
 * Makes a client that sends an API key, or a tenant-scoped token whose audience is Tenantry. Paths, parameters and
 * bodies are checked against the contract while you type. A call answers `{ data, error, response }` and throws only
 * if the service cannot be reached; `unwrap` turns a problem into an exception.
 *
 * @throws TenantryError `configuration` if the address or the credential is missing
 * @example
 * const tenantry = createTenantryClient({ base_url: 'https://tenantry.example.com', api_key })
 * const tenant = await unwrap(tenantry.POST('/tenants', { body: { name: 'Acme' } }))
 */
export function createTenantryClient(options: TenantryClientOptions): TenantryClient {
  const { base_url, fetch = globalThis.fetch } = options
  const credential = options.api_key ?? options.token
  if (!URL.canParse(base_url)) throw misconfigured('"base_url", an absolute URL')
  if (!isApiKey(credential)) throw misconfigured('either "api_key" or "token", in visible characters')
  return createClient<paths>({
    baseUrl: base_url,
    fetch: (request) => fetch(request),
    headers: { authorization: `Bearer ${credential}` },
    // A credential goes where it was meant to go, and nowhere that an answer points to.
    redirect: 'error',
  })
}

/**
 * An answer that is not a success. `code` is the stable code of the contract's problem (RFC 9457), or `error` of an
 * OAuth answer (RFC 6749 §5.2), or `http_<status>` where something in between answered. `problem` is null in the
 * latter cases.
 *
 * @example
 * try {
 *   await unwrap(tenantry.POST('/memberships', { body: { tenant_id, user_id } }))
 * } catch (error) {
 *   if (error instanceof TenantryProblem && error.code === 'membership.exists') return
 *   throw error
 * }
 */
export class TenantryProblem extends Error {
  readonly status: number
  readonly code: string
  readonly problem: Schemas['Problem'] | null

  constructor(status: number, body: unknown) {
    const problem = isProblem(body) ? body : null
    const code = problem?.code ?? oauthErrorOf(body) ?? `http_${status}`
    super(problem === null ? `Tenantry answered ${status} (${code}).` : `${problem.detail} (${code})`)
    this.name = 'TenantryProblem'
    this.status = status
    this.code = code
    this.problem = problem
  }
}

type Answer<Data> = { readonly data?: Data; readonly error?: unknown; readonly response: Response }

/** What a call with `dry_run` answers: who would gain and lose what. */
export type DryRun = Schemas['DryRun']

/** Whatever an operation answers to `dry_run`. */
type AnyDryRun = { dry_run: true }

/**
 * The data of a successful call; undefined for an answer without content.
 *
 * @throws TenantryProblem for any answer that is not a success
 * @throws TypeError for a dry run, which did nothing: that is what `unwrapDryRun` reads
 * @example
 * const { data, next_cursor } = await unwrap(tenantry.GET('/tenants', { params: { query: { limit: 200 } } }))
 */
export function unwrap<Data>(answer: Promise<Answer<Data>>): Promise<Exclude<Data, AnyDryRun>>
export async function unwrap(answer: Promise<Answer<unknown>>): Promise<unknown> {
  const data = await dataOf(answer)
  if (isDryRun(data)) throw new TypeError('This was a dry run, and nothing was done: read it with unwrapDryRun.')
  return data
}

/**
 * What a call with `dry_run` says would change.
 *
 * @throws TenantryProblem for any answer that is not a success
 * @throws TypeError if it was no dry run, and was done
 * @example
 * const query = { remap_to: 'viewer', dry_run: true }
 * const { changes } = await unwrapDryRun(tenantry.DELETE('/roles/{role_id}', { params: { path: { role_id }, query } }))
 */
export function unwrapDryRun<Data>(answer: Promise<Answer<Data>>): Promise<Extract<Data, AnyDryRun>>
export async function unwrapDryRun(answer: Promise<Answer<unknown>>): Promise<AnyDryRun> {
  const data = await dataOf(answer)
  if (isDryRun(data)) return data
  throw new TypeError('This was no dry run: it was done.')
}

async function dataOf(answer: Promise<Answer<unknown>>): Promise<unknown> {
  const { data, error, response } = await answer
  if (!response.ok) throw new TenantryProblem(response.status, error)
  return data
}

function isDryRun(data: unknown): data is AnyDryRun {
  return isObject(data) && data.dry_run === true
}

function isProblem(body: unknown): body is Schemas['Problem'] {
  return isObject(body) && typeof body.code === 'string' && typeof body.detail === 'string'
}

function oauthErrorOf(body: unknown): string | undefined {
  return isObject(body) && typeof body.error === 'string' ? body.error : undefined
}

function misconfigured(what: string): TenantryError {
  return new TenantryError('configuration', `createTenantryClient needs ${what}.`)
}
