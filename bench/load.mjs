// HTTP load, and what it cost the process under it.
import autocannon from 'autocannon'
import { cpuSeconds } from './processes.mjs'

const CONNECTIONS = 16

/**
 * Requests per second, and microseconds of the process's own processor time for each. `bodies` are objects, sent as JSON,
 * `forms` are sent as forms.
 * @param {{url: string, credential?: string, bodies: object[]} | {forms: object[]} | {bodyOf: () => object}} what
 */
export const load = async (child, seconds, { url, credential, bodies, forms, bodyOf, connections = CONNECTIONS }) => {
  const type = forms ? 'application/x-www-form-urlencoded' : 'application/json'
  const headers = { 'content-type': type, ...(credential && { authorization: `Bearer ${credential}` }) }
  const requests = bodyOf
    ? [{ setupRequest: (request) => ({ ...request, body: JSON.stringify(bodyOf()) }) }]
    : (forms?.map((form) => new URLSearchParams(form).toString()) ?? bodies.map((body) => JSON.stringify(body))).map(
        (body) => ({ body }),
      )
  const before = cpuSeconds(child)
  const result = await autocannon({ url, method: 'POST', headers, requests, connections, duration: seconds })
  const used = before === undefined ? undefined : cpuSeconds(child) - before
  const { total } = result.requests
  if (result.non2xx + result.errors + result.timeouts > 0) {
    throw new Error(`${url}: ${JSON.stringify(result.statusCodeStats)}, ${result.errors} errors`)
  }
  return { rate: total / result.duration, cpu_us: used === undefined ? undefined : (used / total) * 1e6 }
}
