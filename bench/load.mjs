// HTTP load, and what it cost the process under it.
import autocannon from 'autocannon'
import { cpuSeconds } from './processes.mjs'

const CONNECTIONS = 16

/**
 * Requests per second, and microseconds of the process's own processor time for each.
 * @param {{url: string, credential?: string, bodies: object[]} | {bodyOf: () => object}} what
 */
export const load = async (child, seconds, { url, credential, bodies, bodyOf, connections = CONNECTIONS }) => {
  const headers = { 'content-type': 'application/json', ...(credential && { authorization: `Bearer ${credential}` }) }
  const requests = bodyOf
    ? [{ setupRequest: (request) => ({ ...request, body: JSON.stringify(bodyOf()) }) }]
    : bodies.map((body) => ({ body: JSON.stringify(body) }))
  const before = cpuSeconds(child)
  const result = await autocannon({ url, method: 'POST', headers, requests, connections, duration: seconds })
  const used = before === undefined ? undefined : cpuSeconds(child) - before
  const { total } = result.requests
  if (result.non2xx + result.errors + result.timeouts > 0) {
    throw new Error(`${url}: ${JSON.stringify(result.statusCodeStats)}, ${result.errors} errors`)
  }
  return { rate: total / result.duration, cpu_us: used === undefined ? undefined : (used / total) * 1e6 }
}
