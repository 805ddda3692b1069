// A source of tenant-scoped tokens for those who call other services: gets them, keeps them, renews them in time, and gets a
// fresh one when access has changed.

import { isStaleRefusal } from '../adapters/refusal.ts'
import { misconfigured } from '../settings.ts'
import { isUsable, keep, postpone, type Slot, TokenCache } from './cache.ts'
import { readTokenSourceOptions, type TokenSourceOptions, type TokenSourceSettings } from './options.ts'
import { type Obtained, requestToken, type Wanted } from './request.ts'

/** For whom and what a token is. */
export type TokenRequest = {
  readonly tenant_id: string
  /** Default: that of the source. */
  readonly audience?: string | undefined
  /** Default: that of the source. */
  readonly scope?: string | undefined
}

export type TokenSource = {
  /**
   * A token that is good for a while yet.
   *
   * @throws TenantryError `token_refused` (502; its cause is a TenantryProblem with the OAuth error as `code`), or
   * `token_unavailable` (503)
   */
  token(request: TokenRequest): Promise<string>
  /**
   * `fetch` with a token. If the answer is that the token is stale, a fresh one is got and the request is sent once more:
   * once, and only if its body can be sent again (no stream). Redirects are not followed unless `redirect` says so.
   *
   * @throws TenantryError as `token` does; TypeError as `fetch` does
   */
  fetch(url: string | URL, init: RequestInit & TokenRequest): Promise<Response>
}

/** When a whole tenant's tokens turn stale, not everybody comes back in the same instant. */
const JITTER_MS = 250

/**
 * Makes a source of tokens, to be made once and kept. With `subject_token` it exchanges the user's token for one of a
 * tenant; with `client_id` and `client_secret` alone the tokens are for that API key. Tokens are kept per tenant, audience,
 * scope and subject.
 *
 * @throws TenantryError `configuration`
 * @example
 * const source = createTokenSource({ issuer, audience: 'https://invoices.example.com', client_id, client_secret })
 * const response = await source.fetch('https://invoices.example.com/invoices', { tenant_id: currentTenant() })
 */
export function createTokenSource(options: TokenSourceOptions): TokenSource {
  const settings = readTokenSourceOptions(options)
  const holder = new TokenHolder(settings)
  return {
    token: async (request) => holder.token(await holder.wantedOf(request)),
    fetch: async (url, { tenant_id, audience, scope, ...init }) => {
      const wanted = await holder.wantedOf({ tenant_id, audience, scope })
      const token = await holder.token(wanted)
      const response = await send(settings, url, init, token)
      if (!isStale(response) || !isRepeatable(init.body)) return response
      await response.body?.cancel()
      return await send(settings, url, init, await holder.fresherThan(token, wanted))
    },
  }
}

class TokenHolder {
  readonly #settings: TokenSourceSettings
  readonly #cache = new TokenCache()

  constructor(settings: TokenSourceSettings) {
    this.#settings = settings
  }

  async wantedOf({ tenant_id, audience, scope }: TokenRequest): Promise<Wanted> {
    if (typeof tenant_id !== 'string' || tenant_id === '') throw misconfigured('A token needs a "tenant_id".')
    const { subject_token, ...defaults } = this.#settings
    return {
      ...{ tenant_id, audience: audience ?? defaults.audience, scope: scope ?? defaults.scope },
      subject_token: await subject_token?.(),
    }
  }

  /** The one at hand as long as it is good; towards its end another is got meanwhile. */
  async token(wanted: Wanted): Promise<string> {
    const slot = this.#cache.slotOf(wanted)
    const { held } = slot
    const now_ms = this.#now_ms()
    if (held === undefined || !isUsable(held, now_ms)) return (await this.#obtain(slot, wanted)).token
    if (now_ms >= slot.renew_at_ms && slot.pending === undefined) this.#renewMeanwhile(slot, wanted)
    return held.token
  }

  /** A token that is not that one: one that was got meanwhile, or a new one after a pause that differs for everybody. */
  async fresherThan(stale: string, wanted: Wanted): Promise<string> {
    const slot = this.#cache.slotOf(wanted)
    if (slot.held?.token === stale) slot.held = undefined
    if (slot.held !== undefined && isUsable(slot.held, this.#now_ms())) return slot.held.token
    const pause_ms = this.#settings.random() * JITTER_MS
    return (await this.#obtain(slot, wanted, pause_ms)).token
  }

  /** One request at a time, however many wait for it. */
  #obtain(slot: Slot, wanted: Wanted, pause_ms = 0): Promise<Obtained> {
    slot.pending ??= this.#request(slot, wanted, pause_ms).finally(() => {
      slot.pending = undefined
    })
    return slot.pending
  }

  async #request(slot: Slot, wanted: Wanted, pause_ms: number): Promise<Obtained> {
    if (pause_ms > 0) await new Promise<void>((resolve) => this.#settings.timer(pause_ms, resolve, 'awaited'))
    const obtained = await requestToken(this.#settings, wanted)
    keep(slot, obtained, this.#settings.random)
    return obtained
  }

  /** Nobody waits for it, so nobody is told of its failure: it comes up when the token at hand has ended. */
  #renewMeanwhile(slot: Slot, wanted: Wanted): void {
    this.#obtain(slot, wanted).catch(() => postpone(slot, this.#now_ms()))
  }

  #now_ms(): number {
    return this.#settings.clock().getTime()
  }
}

function send(settings: TokenSourceSettings, url: string | URL, init: RequestInit, token: string): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${token}`)
  return settings.fetch(url, { redirect: 'error', ...init, headers })
}

function isStale(response: Response): boolean {
  return isStaleRefusal(response.status, response.headers.get('www-authenticate'))
}

/** A stream is gone once it was sent. */
function isRepeatable(body: unknown): boolean {
  return typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body)
}
