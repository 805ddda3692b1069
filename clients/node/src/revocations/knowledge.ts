// What a verifier knows of revocations: the entries, whom they cover, and since when it has heard nothing new. The
// stream and the snapshots both end here.

import type { RevocationBatch } from './entries.ts'
import { FeedFault } from './faults.ts'
import { Revocations } from './rule.ts'
import { Freshness, type Instant } from './staleness.ts'

/** What is over does not count anyway; this only frees its memory. */
const SWEEP_MS = 60_000

export class Knowledge {
  readonly revocations = new Revocations()
  readonly freshness: Freshness
  #epoch: number | undefined
  #tenants: ReadonlySet<string> | null | undefined
  #swept_at_ms = Number.NEGATIVE_INFINITY
  readonly #onComplete: () => void

  constructor(clock: () => Date, onComplete: () => void) {
    this.freshness = new Freshness(clock)
    this.#onComplete = onComplete
  }

  /** Whether everything was heard that had happened before we began to listen, and for which tenants. */
  get isComplete(): boolean {
    return this.#tenants !== undefined
  }

  /** A key of one tenant hears of one tenant: of the others nothing is known, which is not the same as "no entry". */
  covers(tenant_id: string): boolean {
    return this.#tenants === null || this.#tenants?.has(tenant_id) === true
  }

  /**
   * Takes in what was heard. With it, everything up to that instant is known.
   *
   * @throws FeedFault if it is more than can be kept
   */
  hear({ entries, tenants, epoch = this.#epoch }: RevocationBatch, at: Instant): void {
    this.#enter(epoch)
    try {
      this.revocations.add(entries, at.clock_ms)
    } catch (cause) {
      throw new FeedFault('The revocation feed tells of more live entries than a verifier keeps.', { cause })
    }
    if (tenants !== undefined) this.#tenants = tenants && new Set(tenants)
    this.freshness.confirm(at)
    this.#sweep(at.clock_ms)
    if (this.isComplete) this.#onComplete()
  }

  /** Nobody goes back to an earlier epoch: an older story takes nothing away. */
  #enter(epoch: number | undefined): void {
    if (epoch === undefined || epoch === this.#epoch) return
    if (this.#epoch !== undefined && epoch < this.#epoch) return
    if (this.#epoch !== undefined) this.revocations.keepOnlyKeys()
    this.#epoch = epoch
  }

  #sweep(now_ms: number): void {
    const elapsed_ms = now_ms - this.#swept_at_ms
    if (elapsed_ms >= 0 && elapsed_ms < SWEEP_MS) return
    this.#swept_at_ms = now_ms
    this.revocations.sweep(now_ms)
  }
}
