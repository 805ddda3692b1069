// A real service on loopback, as far as a verifier is concerned: keys, the signed snapshot, and the stream. Each can be
// told to misbehave.

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { sendKeys } from './jwks-server.ts'
import { encode, NOW_SECONDS, type SigningKey, signatureOf } from './tokens.ts'

export type WireEntry = { history: string; target: string; rev: number; expires_at: string }

type Answer = (request: IncomingMessage, response: ServerResponse) => void

export class FeedServer {
  readonly key: SigningKey
  readonly requests: { path: string; headers: IncomingHttpHeaders }[] = []
  /** The connections that are following. */
  readonly streams = new Set<ServerResponse>()
  entries: WireEntry[] = []
  tenants: string[] | null = null
  iat = NOW_SECONDS
  answerSnapshot: Answer = (request, response) => this.#sendSnapshot(request, response)
  answerStream: Answer = (request, response) => this.beginStream(request, response)
  answerIntrospection: Answer = (_request, response) => sendJson(response, { active: true })
  url = ''
  #events = 0
  readonly #server = createServer((request, response) => this.#answer(request, response))

  constructor(key: SigningKey) {
    this.key = key
  }

  async start(t: Test): Promise<this> {
    await this.listen()
    t.teardown(() => this.stop())
    return this
  }

  /** On the same port as before, if there was one. */
  async listen(): Promise<void> {
    const port = this.url === '' ? 0 : Number(new URL(this.url).port)
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** As if the machine was gone. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  count(path: string): number {
    return this.requests.filter((request) => request.path === path).length
  }

  /** What was sent with the last request to that path. */
  lastHeaders(path: string): IncomingHttpHeaders {
    return this.requests.findLast((request) => request.path === path)?.headers ?? {}
  }

  /** An entry that the snapshot has from now on, and that followers hear of. */
  revoke(entry: WireEntry): void {
    this.entries.push(entry)
    this.send('revocations', [entry])
  }

  send(type: string, entries: unknown): void {
    this.write(`event: ${type}\nid: ${this.#nextId()}\ndata: ${JSON.stringify({ entries })}\n\n`)
  }

  write(text: string): void {
    for (const stream of this.streams) stream.write(text)
  }

  /** Cuts all streams, in the middle of whatever they were saying. */
  cut(): void {
    for (const stream of this.streams) stream.destroy()
  }

  beginStream(request: IncomingMessage, response: ServerResponse): void {
    this.follow(response)
    const resumes = request.headers['last-event-id'] !== undefined
    const data = JSON.stringify({ entries: this.entries })
    response.write(
      `retry: 1000\n\nevent: ${resumes ? 'revocations' : 'snapshot'}\nid: ${this.#nextId()}\ndata: ${data}\n\n`,
    )
  }

  follow(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    this.streams.add(response)
    response.once('close', () => this.streams.delete(response))
  }

  snapshot({ by = this.key, typ = 'tenantry-revocations+jwt', ...changes }: SnapshotChanges = {}): string {
    const payload = { iss: this.url, iat: this.iat, tenants: this.tenants, entries: this.entries, ...changes }
    const signed = `${encode(JSON.stringify({ alg: by.alg, typ, kid: by.kid }))}.${encode(JSON.stringify(payload))}`
    return `${signed}.${encode(signatureOf(by, signed))}`
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? ''
    this.requests.push({ path, headers: request.headers })
    if (path === '/revocations') this.answerSnapshot(request, response)
    else if (path === '/revocations/stream') this.answerStream(request, response)
    else if (path === '/oauth/introspect') this.answerIntrospection(request, response)
    else sendKeys(response, [this.key.jwk])
  }

  #sendSnapshot(request: IncomingMessage, response: ServerResponse): void {
    const etag = `"${this.entries.length}"`
    const isKnown = request.headers['if-none-match'] === etag
    response.writeHead(isKnown ? 304 : 200, { etag, 'content-type': 'application/jwt' })
    response.end(isKnown ? undefined : this.snapshot())
  }

  #nextId(): string {
    this.#events++
    return `${this.#events}:${this.#events}:`
  }
}

export function sendJson(response: ServerResponse, document: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document))
}

export type SnapshotChanges = { by?: SigningKey; typ?: string; [claim: string]: unknown }
