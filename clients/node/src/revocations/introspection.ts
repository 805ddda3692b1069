// Asking the service about one token (RFC 7662), for when the feed cannot tell.

import { isObject } from '../json.ts'
import { postForm } from '../post-form.ts'
import { bearerOf } from './credential.ts'
import { FeedFault } from './faults.ts'
import type { RevocationSettings } from './options.ts'
import { Deadline } from './timer.ts'

/** Someone waits for a token to be verified. */
const TIMEOUT_MS = 3_000

/** The service has trouble already: more questions at once than this would not help it up. */
const MAX_PENDING = 100

export type IntrospectionOptions = RevocationSettings & { readonly fetch: typeof globalThis.fetch }

export class Introspection {
  readonly #options: IntrospectionOptions
  readonly #closing: AbortSignal
  readonly #onFault: (fault: FeedFault) => void
  readonly #pending = new Map<string, Promise<boolean>>()

  constructor(options: IntrospectionOptions, closing: AbortSignal, onFault: (fault: FeedFault) => void) {
    this.#options = options
    this.#closing = closing
    this.#onFault = onFault
  }

  /**
   * Whether the service takes the token for good. One question at a time for the same token, however many wait for the
   * answer; and no answer is kept.
   *
   * @throws FeedFault if there is no answer
   */
  isActive(token: string): Promise<boolean> {
    const pending = this.#pending.get(token)
    if (pending !== undefined) return pending
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(this.#fault(`has ${MAX_PENDING} questions to answer already`))
    }
    const asked = this.#ask(token).finally(() => this.#pending.delete(token))
    this.#pending.set(token, asked)
    return asked
  }

  async #ask(token: string): Promise<boolean> {
    const { introspection_url: url, api_key, fetch, timer } = this.#options
    const deadline = new Deadline(TIMEOUT_MS, timer, this.#closing)
    try {
      const headers = await bearerOf(api_key)
      const { status, document } = await postForm({ url, form: { token }, headers, fetch, signal: deadline.signal })
      if (status !== 200) throw this.#fault(`answered ${status}`, { http_status: status })
      if (!isObject(document) || typeof document.active !== 'boolean') throw this.#fault('answered nonsense')
      return document.active
    } catch (error) {
      const fault = error instanceof FeedFault ? error : this.#fault('cannot be asked', { cause: error })
      this.#onFault(fault) // once, however many are waiting
      throw fault
    } finally {
      deadline.end()
    }
  }

  #fault(what: string, more?: ConstructorParameters<typeof FeedFault>[1]): FeedFault {
    return new FeedFault(`The introspection endpoint at ${this.#options.introspection_url} ${what}.`, more)
  }
}
