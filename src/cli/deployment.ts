// What a deployment answers to strangers, asked from outside: for `tenantry smoke` and `tenantry doctor --url`.
import type { Check } from '../database/doctor.ts'
import { ANSWER_WITHIN_MS } from './service.ts'

export const examineDeployment = async (url: string): Promise<Check[]> => {
  const checks: Check[] = []
  for (const [name, examine] of Object.entries(EXAMINATIONS)) checks.push(await examined(name, () => examine(url)))
  return checks
}

/** Answers what was found; throws what is wrong. */
type Examination = (url: string) => Promise<string>

const examined = async (name: string, examine: () => Promise<string>): Promise<Check> => {
  try {
    return { name, ok: true, detail: await examine() }
  } catch (error) {
    return { name, ok: false, detail: reasonOf(error) }
  }
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const { code, message } = (error.cause ?? error) as { code?: unknown; message: string }
  return typeof code === 'string' ? code : message
}

const request = (url: string): Promise<Response> =>
  fetch(url, { redirect: 'error', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })

const ask = async (url: string, status: number): Promise<Record<string, unknown>> => {
  const response = await request(url)
  const text = await response.text()
  if (response.status !== status) throw new Error(`${url} answers ${response.status}: ${text.slice(0, 200)}`)
  return jsonOf(url, text)
}

const jsonOf = (url: string, text: string): Record<string, unknown> => {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null) return body as Record<string, unknown>
  } catch {
    // told below, with what is not an object
  }
  throw new Error(`what answers at ${url} is not Tenantry`)
}

const keysOf = (body: Record<string, unknown>): number => (Array.isArray(body.keys) ? body.keys.length : 0)

/** One issuer in every document, whose addresses begin with it: clients compare character by character. */
const issuerOf = async (url: string): Promise<string> => {
  const [server, openid, authzen] = await Promise.all([
    ask(`${url}/.well-known/oauth-authorization-server`, 200),
    ask(`${url}/.well-known/openid-configuration`, 200),
    ask(`${url}/.well-known/authzen-configuration`, 200),
  ])
  const { issuer, jwks_uri } = server
  const named = [openid.issuer, authzen.policy_decision_point]
  if (typeof issuer !== 'string' || named.some((name) => name !== issuer))
    throw new Error(`the documents disagree on the issuer: ${[issuer, ...named].join(', ')}`)
  if (jwks_uri !== `${issuer}/.well-known/jwks.json`) throw new Error(`jwks_uri is ${jwks_uri}, not under ${issuer}`)
  return issuer
}

/** Tokens begin and end on the second, and a Date header tells no more than that. */
const CLOCKS_MAY_DIFFER_SECONDS = 3

/** Whoever verifies tokens there and here must mean the same instant. */
const clockOf = async (url: string): Promise<string> => {
  const before = Date.now()
  const response = await request(`${url}/livez`)
  const told = Date.parse(response.headers.get('date') ?? '')
  const apart = Math.max(before - told, told - Date.now(), 0) / 1_000
  jsonOf(`${url}/livez`, await response.text())
  if (!(apart <= CLOCKS_MAY_DIFFER_SECONDS))
    throw new Error(
      `${Math.round(apart)} s away from this machine's; keep both with NTP, because tokens end on the second`,
    )
  return "agrees with this machine's"
}

const EXAMINATIONS: Record<string, Examination> = {
  readiness: async (url) => `status ${(await ask(`${url}/readyz`, 200)).status}`,
  'signing keys': async (url) => {
    const count = keysOf(await ask(`${url}/.well-known/jwks.json`, 200))
    if (count === 0) throw new Error('the key set is empty: nobody could verify a token')
    return `${count} published`
  },
  discovery: async (url) => `OAuth, OpenID and AuthZEN metadata of ${await issuerOf(url)}`,
  clock: clockOf,
  strangers: async (url) => `refused: ${(await ask(`${url}/tenants`, 401)).code}`,
}
