// Follows the revocations of all histories for everybody who listens in this process.
//
//   idle ── first listener ──▶ following ── last listener leaves ──▶ idle
//
// While following it reads every POLL_MS, and at once after a commit of this very process. The log is the truth: a wake-up
// that is lost costs one interval. A reading that fails is tried again; listeners meanwhile hear nothing, and so know that
// they are not current.
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import { type Batch, readEntries } from './entries.ts'

const POLL_MS = 100 // what another replica's commit waits at most; an idle reading was measured at 0.2 ms

export type Listener = (batch: Batch) => void

interface Hooks {
  /** Hears the platform's revision with each reading, before any listener hears what was read. */
  onRevision(revision: number): void
  onFault(error: unknown): void
}

export class RevocationTail {
  readonly #database: Database
  readonly #clock: Clock
  readonly #hooks: Hooks
  readonly #listeners = new Set<Listener>()
  #following: Promise<void> | undefined
  #since: string | undefined
  #timer: NodeJS.Timeout | undefined
  #reading = false
  #again = false

  constructor(database: Database, clock: Clock, hooks: Hooks) {
    this.#database = database
    this.#clock = clock
    this.#hooks = hooks
    database.onRevocation(() => this.#read())
  }

  /**
   * Hears every entry that is committed from when the promise resolves, at least once, and an empty batch whenever there
   * was none. Whoever reads the entries after that misses nothing.
   */
  async listen(listener: Listener): Promise<() => void> {
    this.#listeners.add(listener)
    const stop = (): void => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.#stop()
    }
    try {
      this.#following ??= this.#follow()
      await this.#following
      return stop
    } catch (error) {
      stop()
      throw error
    }
  }

  async #follow(): Promise<void> {
    const { snapshot } = await this.#readSince(undefined)
    this.#since = snapshot
    this.#timer = setInterval(() => this.#read(), POLL_MS)
    this.#timer.unref()
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#following = undefined
    this.#since = undefined
  }

  /** One reading at a time; asked for while one is under way, another follows it. */
  #read(): void {
    if (this.#since === undefined) return
    if (this.#reading) {
      this.#again = true
      return
    }
    this.#reading = true
    this.#tell(this.#since)
      .catch(this.#hooks.onFault)
      .finally(() => {
        this.#reading = false
        if (!this.#again) return
        this.#again = false
        this.#read()
      })
  }

  async #tell(since: string): Promise<void> {
    const batch = await this.#readSince(since)
    if (this.#since !== since) return // everybody left meanwhile, and somebody new may have come
    this.#since = batch.snapshot
    this.#hooks.onRevision(batch.platform_revision)
    for (const listener of this.#listeners) listener(batch)
  }

  #readSince(since: string | undefined): Promise<Batch> {
    return readEntries(this.#database, { since, tenant_id: undefined, now: this.#clock() })
  }
}
