// HTTP load, and what it cost the process under it.
import autocannon from 'autocannon'
import { cpuSeconds } from './processes.mjs'

const CONNECTIONS = 16

/**
 * Requests per second, and microseconds of the process's own processor time for each. `bodies` are objects, sent as JSON,
 * `forms` are sent as forms.
 * @param {{url: string, credential?: string, bodies: object[]} | {forms: object[]} | {bodyOf: () => object}} what
 */
export const load = async (
  child,
  seconds,
  { url, credential, bodies, forms, bodyOf, connections = CONNECTIONS, rate },
) => {
  const type = forms ? 'application/x-www-form-urlencoded' : 'application/json'
  const headers = { 'content-type': type, ...(credential && { authorization: `Bearer ${credential}` }) }
  const encode = forms ? (form) => new URLSearchParams(form).toString() : JSON.stringify
  const requests = bodyOf
    ? [{ setupRequest: (request) => ({ ...request, body: encode(bodyOf()) }) }]
    : (forms ?? bodies).map((body) => ({ body: encode(body) }))
  const before = cpuSeconds(child)
  const result = await autocannon({
    url,
    method: 'POST',
    headers,
    requests,
    connections,
    duration: seconds,
    ...(rate && { overallRate: rate }),
  })
  const used = before === undefined ? undefined : cpuSeconds(child) - before
  const { total } = result.requests
  if (result.non2xx + result.errors + result.timeouts > 0) {
    throw new Error(`${url}: ${JSON.stringify(result.statusCodeStats)}, ${result.errors} errors`)
  }
  return {
    rate: total / result.duration,
    cpu_us: used === undefined ? undefined : (used / total) * 1e6,
    p99_ms: result.latency.p99,
  }
}
