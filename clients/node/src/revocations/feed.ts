// Following revocations: begins when first needed, catches up before anything is judged by it, and goes on until closed.

import { TenantryError } from '../errors.ts'
import { type FeedFault, unavailable } from './faults.ts'
import { Introspection } from './introspection.ts'
import { Knowledge } from './knowledge.ts'
import type { Revocable } from './rule.ts'
import { type PollerOptions, SnapshotPoller } from './snapshot.ts'
import { limitOf, type WhenStale } from './staleness.ts'
import { RevocationStream } from './stream.ts'

/** Someone waits for a token to be verified. */
const CATCH_UP_MS = 3_000

export type FeedOptions = PollerOptions & { readonly clock: () => Date }

export class RevocationFeed {
  readonly #options: FeedOptions
  readonly #knowledge: Knowledge
  readonly #closing = new AbortController()
  readonly #introspection: Introspection
  #isStarted = false
  #waiting: Promise<void> | undefined
  #endWaiting: () => void = () => {}
  #lastFault: FeedFault | undefined
  #markFailed: () => void = () => {}
  /** Until the first attempt that failed. */
  readonly #failed = new Promise<void>((resolve) => {
    this.#markFailed = resolve
  })

  constructor(options: FeedOptions) {
    this.#options = options
    this.#knowledge = new Knowledge(options.clock, () => this.#endWaiting())
    this.#introspection = new Introspection(options, this.#closing.signal, (fault) => this.#report(fault))
  }

  /** Seconds since the feed was last confirmed to be current; Infinity before the first time. */
  get staleness_seconds(): number {
    return this.#knowledge.freshness.staleness_ms() / 1_000
  }

  /** Whether it has caught up. */
  get isReady(): boolean {
    return this.#knowledge.isComplete
  }

  start(): void {
    if (this.#isStarted || this.#closing.signal.aborted) return
    this.#isStarted = true
    const { signal } = this.#closing
    const onFault = (fault: FeedFault): void => this.#report(fault)
    void new SnapshotPoller(this.#options, this.#knowledge, signal, onFault).run()
    void new RevocationStream(this.#options, this.#knowledge, signal, onFault).run()
  }

  /**
   * Starts, and waits until everything is known that had happened before.
   *
   * @throws TenantryError `revocations_unavailable` if that takes longer than anyone should wait
   */
  async ready(): Promise<void> {
    this.start()
    if (!this.isReady && !this.#closing.signal.aborted) await this.#wait()
    if (!this.isReady)
      throw unavailable('It is not known which tokens are stale: there was no snapshot yet.', this.#lastFault)
  }

  /**
   * Waits until it has caught up. Where the service can be asked about the token instead, nobody waits longer than for the
   * first attempt that fails.
   *
   * @throws TenantryError `revocations_unavailable`
   */
  async catchUp(when_stale: WhenStale = this.#options.when_stale): Promise<void> {
    if (this.isReady) return
    if (when_stale !== 'introspect') return await this.ready()
    this.start()
    if (!this.#closing.signal.aborted) await Promise.race([this.#failed, this.#wait()])
  }

  /**
   * Judges a verified token. Whether it is known to be stale comes first, so that an outage never hides it.
   *
   * @throws TenantryError `stale_token` or `revocations_unavailable`
   */
  async judge(
    claims: Revocable,
    kid: string,
    token: string,
    when_stale: WhenStale = this.#options.when_stale,
  ): Promise<void> {
    const { freshness } = this.#knowledge
    const limit_ms = limitOf(when_stale, this.#options.max_staleness_seconds) * 1_000
    this.#requireFresh(claims, kid)
    if (this.isReady && !this.#knowledge.covers(claims.tenant_id)) {
      throw unavailable("The revocation feed does not cover the token's tenant: its API key is another tenant's.")
    }
    if (this.isReady && freshness.staleness_ms() <= limit_ms) return
    if (when_stale !== 'introspect') {
      throw unavailable('It is not known whether the token is stale: the revocation feed is away.', this.#lastFault)
    }
    if (!(await this.#introspection.isActive(token))) {
      throw new TenantryError('stale_token', 'The service says that the token is no good any more. Get a fresh one.')
    }
    this.#requireFresh(claims, kid) // the feed may have been back meanwhile
  }

  /** @throws TenantryError `stale_token` if that is known */
  #requireFresh(claims: Revocable, kid: string): void {
    const { revocations, freshness } = this.#knowledge
    const target = revocations.findStale(claims, kid, freshness.now().clock_ms)
    if (target !== undefined) throw stale(target)
  }

  close(): void {
    this.#closing.abort()
    this.#endWaiting()
  }

  /** Until it has caught up, is closed, or it takes too long; one wait for all who wait. */
  #wait(): Promise<void> {
    this.#waiting ??= new Promise((resolve) => {
      const end = (): void => {
        callOff()
        this.#waiting = undefined
        resolve()
      }
      const callOff = this.#options.timer(CATCH_UP_MS, end, 'awaited')
      this.#endWaiting = end
    })
    return this.#waiting
  }

  /** In a turn of its own, so that what a callback throws is seen, and stops nothing here. */
  #report(fault: FeedFault): void {
    this.#lastFault = fault
    this.#markFailed()
    queueMicrotask(() => this.#options.on_fault(fault))
  }
}

/** Says what kind of change it was, and of whom only to those who can look it up. */
function stale(target: string): TenantryError {
  const [kind] = target.split(':')
  return new TenantryError('stale_token', `The token is older than a change of access (${kind}). Get a fresh one.`)
}
