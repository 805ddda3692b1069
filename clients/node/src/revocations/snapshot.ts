// The signed snapshot: how a verifier catches up, and how it stays current while the stream cannot be had.
//
// Nothing switches between the two. Whenever nothing confirmed the feed for `poll_ms`, the snapshot is fetched; a stream
// that works confirms it more often than that. The first is fetched at once: it alone says which tenants the feed covers.

import { readText } from '../body.ts'
import { type JwsRules, openJws, type Signed } from '../jws.ts'
import { bearerOf } from './credential.ts'
import { type RevocationBatch, readBatch } from './entries.ts'
import { asFault, FeedFault, FeedNonsense, refusedWith } from './faults.ts'
import type { Knowledge } from './knowledge.ts'
import type { RevocationSettings } from './options.ts'
import { Deadline, jittered, pause } from './timer.ts'

export type PollerOptions = RevocationSettings & {
  readonly issuer: string
  readonly fetch: typeof globalThis.fetch
  readonly algorithms: ReadonlySet<string>
  readonly findKey: JwsRules['findKey']
  /** How far the clocks of the service's replicas may differ. */
  readonly clock_tolerance_ms: number
}

/** The `typ` of a snapshot. */
export const TYPE = 'tenantry-revocations+jwt'

/** As many entries as are kept, with room to spare. */
const MAX_BYTES = 64 * 1024 * 1024

const TIMEOUT_MS = 10_000
const FIRST_PAUSE_MS = 1_000

/** A refused credential is somebody's to look at; until then, once a minute is often enough. */
export const REFUSED_PAUSE_MS = 60_000

/** Longer tags are not sent back. */
const MAX_ETAG_LENGTH = 500

export class SnapshotPoller {
  readonly #options: PollerOptions
  readonly #knowledge: Knowledge
  readonly #closing: AbortSignal
  readonly #onFault: (fault: FeedFault) => void
  #failures = 0
  #etag: string | undefined
  #newest_iat = 0

  constructor(options: PollerOptions, knowledge: Knowledge, closing: AbortSignal, onFault: (fault: FeedFault) => void) {
    this.#options = options
    this.#knowledge = knowledge
    this.#closing = closing
    this.#onFault = onFault
  }

  /** Until everything closes. */
  async run(): Promise<void> {
    while (!this.#closing.aborted) {
      const pause_ms = this.#isDue() ? await this.#attempt() : this.#untilDue_ms()
      await pause(pause_ms, this.#options.timer, this.#closing)
    }
  }

  #isDue(): boolean {
    return !this.#knowledge.isComplete || this.#untilDue_ms() <= 0
  }

  #untilDue_ms(): number {
    return this.#options.poll_ms - this.#knowledge.freshness.staleness_ms()
  }

  /** Answers how long to pause after it. */
  async #attempt(): Promise<number> {
    const deadline = new Deadline(TIMEOUT_MS, this.#options.timer, this.#closing)
    try {
      await this.#fetch(deadline.signal)
      this.#failures = 0
      return 0
    } catch (error) {
      this.#failures++
      if (this.#closing.aborted) return 0
      const fault = asFault(error, this.#options.snapshot_url)
      this.#onFault(fault)
      const pause_ms = Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), this.#options.poll_ms)
      return jittered(fault.isRefusal ? REFUSED_PAUSE_MS : pause_ms)
    } finally {
      deadline.end()
    }
  }

  /** It is current as of when it was asked for, not of when it arrived. */
  async #fetch(signal: AbortSignal): Promise<void> {
    const { snapshot_url, fetch, api_key } = this.#options
    const at = this.#knowledge.freshness.now()
    const response = await fetch(snapshot_url, {
      headers: { ...(await bearerOf(api_key)), accept: 'application/jwt', ...this.#condition() },
      redirect: 'error',
      signal,
    })
    if (response.status === 304 && this.#etag !== undefined) return this.#knowledge.hear(NOTHING_NEW, at)
    if (response.status !== 200) {
      await response.body?.cancel()
      throw refusedWith(response.status, snapshot_url)
    }
    const batch = await this.#open(await readText(response, MAX_BYTES))
    this.#knowledge.hear(batch, at)
    this.#etag = readTag(response.headers.get('etag'))
  }

  #condition(): Record<string, string> {
    return this.#etag === undefined ? {} : { 'if-none-match': this.#etag }
  }

  /** @throws FeedFault unless it is the issuer's, meant as a snapshot, and no older than the last */
  async #open(text: string): Promise<RevocationBatch> {
    const { issuer, snapshot_url, clock_tolerance_ms } = this.#options
    const { payload, kid } = await this.#verify(text)
    const { iss, iat } = payload
    const batch = readBatch(payload)
    if (batch === undefined || batch.tenants === undefined || typeof iat !== 'number' || !Number.isSafeInteger(iat)) {
      throw new FeedNonsense(`What ${snapshot_url} answered is signed, but no snapshot of revocations.`)
    }
    if (this.#knowledge.revocations.isRevokedKey(kid, this.#knowledge.freshness.now().clock_ms)) {
      throw new FeedFault(`The snapshot at ${snapshot_url} is signed with a key that was revoked.`)
    }
    if (iss !== issuer) throw new FeedFault(`The snapshot at ${snapshot_url} is from another issuer.`)
    if (iat * 1_000 + clock_tolerance_ms < this.#newest_iat * 1_000) {
      throw new FeedFault(`The snapshot at ${snapshot_url} is older than one seen before.`)
    }
    // A clock of the service that was ahead for a moment must not make all later snapshots look old.
    this.#newest_iat = Math.max(this.#newest_iat, Math.min(iat, this.#knowledge.freshness.now().clock_ms / 1_000))
    return batch
  }

  async #verify(text: string): Promise<Signed> {
    const { algorithms, findKey, snapshot_url } = this.#options
    try {
      return await openJws(text, { types: [TYPE], max_bytes: MAX_BYTES, algorithms, findKey })
    } catch (cause) {
      throw new FeedFault(`The snapshot at ${snapshot_url} cannot be verified.`, { cause })
    }
  }
}

const NOTHING_NEW: RevocationBatch = { entries: [], tenants: undefined }

function readTag(etag: string | null): string | undefined {
  return etag !== null && etag.length <= MAX_ETAG_LENGTH ? etag : undefined
}
