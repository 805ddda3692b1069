// How old our knowledge of revocations is, and how old it may be.

import { misconfigured } from '../settings.ts'

/**
 * What becomes of tokens while the feed is not current: refused with `revocations_unavailable`, asked about one by one, or
 * accepted on what is known until it is that old.
 */
export type WhenStale = 'fail_closed' | 'introspect' | { readonly accept_up_to_seconds: number }

/** As long as the longest token, and a good night's sleep: past that it is no bound any more. */
const MAX_ACCEPT_SECONDS = 86_400

/**
 * How old our knowledge may be, in seconds.
 *
 * @throws TenantryError `configuration` for anything but a `WhenStale`: a misspelt wish must not open a door
 */
export function limitOf(when_stale: WhenStale, max_staleness_seconds: number): number {
  if (when_stale === 'fail_closed' || when_stale === 'introspect') return max_staleness_seconds
  const seconds: unknown = when_stale?.accept_up_to_seconds
  if (typeof seconds === 'number' && seconds >= 0 && seconds <= MAX_ACCEPT_SECONDS) return seconds
  throw misconfigured(
    `"when_stale" must be 'fail_closed', 'introspect' or { accept_up_to_seconds: n }, with n from 0 to ${MAX_ACCEPT_SECONDS}.`,
  )
}

export type Instant = { readonly clock_ms: number; readonly steady_ms: number }

/**
 * When the feed was last confirmed to be current. Two clocks measure how long ago that was, and the longer time
 * counts: the system's clock can be set back, and the steady one stands still while a machine is suspended.
 */
export class Freshness {
  readonly #clock: () => Date
  #confirmed_at: Instant | undefined

  constructor(clock: () => Date) {
    this.#clock = clock
  }

  now(): Instant {
    return { clock_ms: this.#clock().getTime(), steady_ms: performance.now() }
  }

  /** The feed was current at that instant. What is confirmed already is not taken back. */
  confirm(at: Instant): void {
    if (this.#confirmed_at === undefined || at.steady_ms >= this.#confirmed_at.steady_ms) this.#confirmed_at = at
  }

  /** Infinity before the first confirmation. */
  staleness_ms({ clock_ms, steady_ms }: Instant = this.now()): number {
    if (this.#confirmed_at === undefined) return Number.POSITIVE_INFINITY
    return Math.max(clock_ms - this.#confirmed_at.clock_ms, steady_ms - this.#confirmed_at.steady_ms)
  }
}
