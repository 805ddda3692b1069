// The part of Tenantry that a verifier talks to, in memory and behind `fetch`: keys, the signed snapshot of revocations, and
// their stream. It says what the service says; judging it is left to the verifier.

import { TYPE as SNAPSHOT } from '../revocations/snapshot.ts'
import type { TestKey } from './mint.ts'

export type Entry = {
  readonly history: string
  readonly target: string
  readonly rev: number
  readonly expires_at: string
}

type Follower = ReadableStreamDefaultController<Uint8Array>

export class TestService {
  readonly #issuer: string
  readonly #key: TestKey
  readonly #clock: () => Date
  readonly #entries: Entry[] = []
  readonly #followers = new Set<Follower>()
  #events = 0

  constructor(issuer: string, key: TestKey, clock: () => Date) {
    this.#issuer = issuer
    this.#key = key
    this.#clock = clock
  }

  /** Whoever follows hears of it at once. */
  publish(entry: Entry): void {
    this.#entries.push(entry)
    for (const follower of this.#followers) this.#tell(follower, 'revocations', [entry])
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    switch (url.slice(this.#issuer.replace(/\/+$/, '').length)) {
      case '/.well-known/jwks.json':
        return Response.json({ keys: [this.#key.jwk] })
      case '/revocations':
        return new Response(this.#snapshot(), { headers: { 'content-type': 'application/jwt' } })
      case '/revocations/stream':
        return new Response(this.#stream(init?.signal), { headers: { 'content-type': 'text/event-stream' } })
      default:
        return new Response('The issuer of the tests has no such address.', { status: 404 })
    }
  }

  #snapshot(): string {
    const iat = Math.floor(this.#clock().getTime() / 1_000)
    return this.#key.sign({ iss: this.#issuer, iat, tenants: null, entries: this.#entries }, SNAPSHOT)
  }

  #stream(signal: AbortSignal | null | undefined): ReadableStream<Uint8Array> {
    return new ReadableStream({
      start: (follower) => {
        this.#followers.add(follower)
        this.#tell(follower, 'snapshot', this.#entries)
        const leave = (): void => {
          if (this.#followers.delete(follower)) follower.error(signal?.reason)
        }
        signal?.addEventListener('abort', leave, { once: true })
      },
    })
  }

  #tell(follower: Follower, type: string, entries: readonly Entry[]): void {
    this.#events++
    follower.enqueue(Buffer.from(`event: ${type}\nid: ${this.#events}\ndata: ${JSON.stringify({ entries })}\n\n`))
  }
}
