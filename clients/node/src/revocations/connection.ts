// One long HTTP answer, in two ways that look alike from outside.

import { request as requestPlainly } from 'node:http'
import { request as requestSecurely } from 'node:https'

export type Connection = {
  readonly status: number
  readonly content_type: string
  readonly body: AsyncIterable<Uint8Array>
}

/** Rejects, or ends the body with an error, when the connection breaks or the signal is given. */
export type Connect = (url: string, headers: Record<string, string>, signal: AbortSignal) => Promise<Connection>

/**
 * A connection that the process does not wait for: a service that forgets to close its verifier still ends. With fetch
 * that cannot be had, as it holds the process while an answer is being read.
 */
export const connectInBackground: Connect = (url, headers, signal) => {
  const request = url.startsWith('https:') ? requestSecurely : requestPlainly
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers, signal, agent: false }, (answer) => {
      answer.on('error', () => {}) // the reader of the body hears of it; without a reader it is nobody's business
      resolve({ status: answer.statusCode ?? 0, content_type: answer.headers['content-type'] ?? '', body: answer })
    })
    asked.once('socket', (socket) => socket.unref())
    asked.on('error', reject) // stays, because one that comes later without a listener would end the process
    asked.end()
  })
}

/** With the fetch that was given, which may know of a proxy or a client certificate. */
export function connectWith(fetch: typeof globalThis.fetch): Connect {
  return async (url, headers, signal) => {
    const { status, headers: answered, body } = await fetch(url, { headers, signal, redirect: 'error' })
    return { status, content_type: answered.get('content-type') ?? '', body: body ?? nothing() }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
