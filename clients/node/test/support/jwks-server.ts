// A real key server on loopback that counts its requests, and can be told to misbehave.

import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Jwk } from '../../src/index.ts'

export type JwksServer = {
  readonly url: string
  readonly paths: string[]
  /** How it answers from now on; by default with `keys`. */
  answer: (response: ServerResponse) => void
  keys: Jwk[]
  close(): Promise<void>
}

export async function startJwksServer(...keys: Jwk[]): Promise<JwksServer> {
  const server = createServer((request, response) => {
    started.paths.push(request.url ?? '')
    started.answer(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const started: JwksServer = {
    url: `http://127.0.0.1:${port}`,
    paths: [],
    keys,
    answer: (response) => sendKeys(response, started.keys),
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return started
}

export function sendKeys(response: ServerResponse, keys: readonly Jwk[], headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/jwk-set+json', ...headers }).end(JSON.stringify({ keys }))
}
