// Bad credentials, counted by the address they come from. What has the shape of an API key must be looked up to be known as
// bad: after some of those, an address gets no more look-ups for a while, except for keys that were good here before. Tokens
// are another matter: a bad signature costs no look-up.
import { LRUCache } from 'lru-cache'
import type { Logger } from 'pino'
import { isSecret } from '../api-keys/secrets.ts'
import type { Clock } from '../clock.ts'
import { Problem } from '../errors.ts'
import { countRefusal } from '../metrics/instruments.ts'
import type { Soon } from '../soon.ts'
import { Windows } from './windows.ts'

const WINDOW_SECONDS = 60
const MOST_GOOD = 10_000

interface Options {
  /** In a minute, from one address; 0 for no limit. */
  most: number
  clock: Clock
  log: Pick<Logger, 'warn'>
}

export class Attempts {
  readonly #most: number
  readonly #log: Options['log']
  readonly #failures: Windows
  readonly #good = new LRUCache<string, true>({ max: MOST_GOOD })

  constructor({ most, clock, log }: Options) {
    this.#most = most
    this.#log = log
    this.#failures = new Windows(WINDOW_SECONDS, clock)
  }

  /** Finds whose the credential is, unless too many from there were nobody's. @throws Problem `rate.limited` */
  find<T>(address: string, credential: string, find: () => Soon<T | undefined>): Soon<T | undefined> {
    if (this.#most === 0) return find()
    if (!this.#good.has(credential)) {
      if (!isSecret(credential)) return find()
      this.#refuseTooMany(address)
    }
    const found = find()
    return found instanceof Promise
      ? found.then((value) => this.#note(address, credential, value))
      : this.#note(address, credential, found)
  }

  /** Whether it would be looked for, wherever it came from. */
  isGood(credential: string): boolean {
    return this.#most === 0 || this.#good.has(credential)
  }

  #refuseTooMany(address: string): void {
    const { count, left_seconds } = this.#failures.look(address)
    if (count < this.#most) return
    countRefusal('bad_attempts')
    throw new Problem('rate.limited', {
      detail: 'Too many credentials from this address were not valid. Try again after the time in Retry-After.',
      headers: { 'Retry-After': String(left_seconds) },
    })
  }

  #note<T>(address: string, credential: string, found: T | undefined): T | undefined {
    if (found !== undefined) {
      if (!this.#good.has(credential)) this.#good.set(credential, true)
      return found
    }
    this.#good.delete(credential)
    const { count } = this.#failures.count(address)
    if (count === this.#most) this.#log.warn({ address, count }, 'too many bad credentials from one address')
    return undefined
  }
}
