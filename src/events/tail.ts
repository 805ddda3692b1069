// Follows all histories for everybody who listens in this process: what was appended, and what it revoked.
//
//   idle ── first listener ──▶ following ── last listener leaves ──▶ idle
//
// While following it reads at an interval, and at once after a commit of this very process that revoked something. The log
// is the truth: a wake-up that is lost costs one interval. A reading that fails is tried again; listeners meanwhile hear
// nothing, and so know that they are not current.
import type { Clock } from '../clock.ts'
import type { Change, Database } from '../database/scope.ts'
import type { Epoch } from '../epochs/queries.ts'
import type { Batch } from '../revocations/entries.ts'

/** What another replica's commit waits at most; an idle reading was measured at 0.2 ms. */
export const POLL_MS = 100

export interface News extends Batch {
  /** Null: anything may have changed. */
  changes: Change[] | null
  /** When the reading was begun, as `elapsed` tells it: of what was committed before then, everything has been told. */
  began_at: number
}

export type Listener = (news: News) => void

interface Options {
  poll_ms: number
  /** Milliseconds from any beginning. */
  elapsed: () => number
  /** Hears the platform's revision with each reading, before any listener hears what was read. */
  onRevision(revision: number): void
  /** Hears of the epoch first of all. False: nobody is told of what was read with it. */
  onEpoch(epoch: Epoch): boolean
  onFault(error: unknown): void
}

// The functions are stable: within one statement they see one snapshot.
const READ = {
  name: 'read_news_of_epoch',
  text: `select (tenantry.read_revocations($1, null, $2)::jsonb
    || jsonb_build_object('changes', tenantry.read_changes($1)::jsonb, 'epoch', tenantry.read_epoch()::jsonb)) as value`,
}

export class HistoryTail {
  readonly #database: Database
  readonly #clock: Clock
  readonly #options: Options
  readonly #listeners = new Set<Listener>()
  #following: Promise<void> | undefined
  #since: string | undefined
  /** Of which `since` is. */
  #epoch: number | undefined
  #timer: NodeJS.Timeout | undefined
  #reading = false
  #again = false

  constructor(database: Database, clock: Clock, options: Options) {
    this.#database = database
    this.#clock = clock
    this.#options = options
    database.onCommit((_, revoked) => {
      if (revoked) this.#read()
    })
  }

  /**
   * Hears all that is committed from when the promise resolves, at least once, and an empty batch whenever there was
   * nothing. Whoever reads the entries after that misses none.
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
    const { snapshot, epoch } = await this.#readSince(undefined)
    this.#options.onEpoch(epoch)
    this.#since = snapshot
    this.#epoch = epoch.number
    this.#timer = setInterval(() => this.#read(), this.#options.poll_ms)
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
      .catch(this.#options.onFault)
      .finally(() => {
        this.#reading = false
        if (!this.#again) return
        this.#again = false
        this.#read()
      })
  }

  async #tell(since: string): Promise<void> {
    const read = await this.#readSince(since)
    if (this.#since !== since) return // everybody left meanwhile, and somebody new may have come
    if (!this.#options.onEpoch(read.epoch)) return
    // In another epoch a snapshot means nothing: everything is told again, and anything may have changed.
    const news = read.epoch.number === this.#epoch ? read : await this.#readSince(undefined)
    if (this.#since !== since) return
    this.#options.onRevision(news.platform_revision)
    for (const listener of this.#listeners) listener(news)
    if (this.#since !== since) return
    this.#epoch = news.epoch.number
    this.#since = news.snapshot // where a listener failed, it is told again
  }

  async #readSince(since: string | undefined): Promise<News> {
    const began_at = this.#options.elapsed()
    const read = await this.#database.callAside(READ, since ?? null, this.#clock().toISOString())
    return { ...(read as Omit<News, 'began_at'>), began_at } // the statement's own shape
  }
}
