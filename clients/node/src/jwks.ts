// The issuer's published keys (RFC 7517 §5), kept for as long as is safe and fetched as seldom as is safe.
//
//   fresh    for max-age (1 min to 1 h; 5 min if the issuer says nothing) a known kid is answered from memory
//   unknown  a kid that is not there may be a new key: fetch again, but once per cool-down, whatever strangers send
//   stale    past that the set is fetched again. If that fails, the old keys go on for an hour, while attempts are made
//            in the background; then everything is `jwks_unavailable`

import { TenantryError } from './errors.ts'
import { type FetchedDocument, fetchDocument } from './fetch-document.ts'
import { importKeySet, type VerificationKey } from './keys.ts'

/** How long keys live in memory. The bounds keep a withdrawn key from working on for long, and the issuer from a flood. */
const FRESH_SECONDS = { min: 60, max: 3_600, default: 300 }

/** How long keys outlive their freshness while the issuer is away: as long as the longest token. */
const STALE_SECONDS = 3_600

export type JwksOptions = {
  readonly url: string
  readonly fetch: typeof globalThis.fetch
  readonly clock: () => Date
  readonly cooldown_seconds: number
}

type CachedKeys = {
  readonly keys: Map<string, VerificationKey>
  readonly fetched_at: number
  readonly fresh_ms: number
}

/** Finds keys by kid in a published key set. */
export class Jwks {
  readonly #options: JwksOptions
  #cached: CachedKeys | undefined
  #attempted_at: number | undefined
  #failures = 0
  #lastError: TenantryError | undefined
  #pending: Promise<void> | undefined

  constructor(options: JwksOptions) {
    this.#options = options
  }

  /** @throws TenantryError `jwks_unavailable` if the key is not known and the set cannot be had, or is too old */
  async findKey(kid: string): Promise<VerificationKey | undefined> {
    if (!this.#isFresh()) await this.#renew()
    const key = this.#usableKeys().get(kid)
    if (key !== undefined) return key
    if (this.#mayAttempt(this.#options.cooldown_seconds)) await this.#attempt()
    return this.#usableKeys().get(kid) ?? this.#absent()
  }

  /** After a failure nobody waits for the next attempt as long as the old keys may be used. */
  async #renew(): Promise<void> {
    const attempt = this.#mayAttempt(this.#pauseSeconds()) ? this.#attempt() : undefined
    if (this.#failures === 0 || !this.#isUsable()) await attempt
  }

  /** One fetch at a time, however many are waiting for it. */
  #attempt(): Promise<void> {
    this.#pending ??= this.#fetch().finally(() => {
      this.#pending = undefined
    })
    return this.#pending
  }

  async #fetch(): Promise<void> {
    this.#attempted_at = this.#now()
    try {
      const fetched = await fetchDocument(this.#options.url, this.#options.fetch)
      this.#cached = { keys: keysOf(fetched), fetched_at: this.#now(), fresh_ms: freshMs(fetched.max_age_seconds) }
      this.#failures = 0
      this.#lastError = undefined
    } catch (error) {
      this.#failures++
      this.#lastError = error instanceof TenantryError ? error : unavailable(error)
    }
  }

  #usableKeys(): Map<string, VerificationKey> {
    if (this.#cached !== undefined && this.#isUsable()) return this.#cached.keys
    throw this.#lastError ?? unavailable(undefined)
  }

  /** If the set could not be renewed, the kid may be that of a new key: then "no such key" would be a lie. */
  #absent(): undefined {
    if (this.#lastError !== undefined) throw this.#lastError
    return undefined
  }

  /** Joining a fetch under way is always allowed. */
  #mayAttempt(pause_seconds: number): boolean {
    if (this.#pending !== undefined || this.#attempted_at === undefined) return true
    return !this.#isWithin(pause_seconds * 1_000, this.#attempted_at)
  }

  /** Grows from 1 s up to the cool-down, so that an issuer that starts after us is found soon. */
  #pauseSeconds(): number {
    if (this.#failures === 0) return 0
    return Math.min(this.#options.cooldown_seconds, 2 ** (this.#failures - 1))
  }

  #isFresh(): boolean {
    return this.#cached !== undefined && this.#isWithin(this.#cached.fresh_ms, this.#cached.fetched_at)
  }

  #isUsable(): boolean {
    if (this.#cached === undefined) return false
    return this.#isWithin(this.#cached.fresh_ms + STALE_SECONDS * 1_000, this.#cached.fetched_at)
  }

  /** A clock that was set back counts as time that has passed, or keys would live on until it catches up. */
  #isWithin(duration_ms: number, since: number): boolean {
    const elapsed = this.#now() - since
    return elapsed >= 0 && elapsed < duration_ms
  }

  #now(): number {
    return this.#options.clock().getTime()
  }
}

function keysOf({ document }: FetchedDocument): Map<string, VerificationKey> {
  const keys = importKeySet(document)
  if (keys === undefined) throw unavailable(new Error('it is not a JSON Web Key Set'))
  return keys
}

function freshMs(max_age_seconds = FRESH_SECONDS.default): number {
  return Math.min(Math.max(max_age_seconds, FRESH_SECONDS.min), FRESH_SECONDS.max) * 1_000
}

function unavailable(cause: unknown): TenantryError {
  return new TenantryError('jwks_unavailable', 'The key set that is published by the issuer cannot be used.', { cause })
}
