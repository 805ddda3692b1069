// Keeps facts in memory in step with the histories, and knows whether it does. What this process commits is evicted before
// whoever made it hears of it. What others commit the tail tells; the facts are good for as long as it was confirmed lately
// that it has told everything.
import type { Change, Database } from '../database/scope.ts'
import type { HistoryTail, News } from '../events/tail.ts'
import { namesIn } from './evictions.ts'

interface Options {
  database: Pick<Database, 'kind' | 'onCommit'>
  tail: Pick<HistoryTail, 'listen'>
  staleness_ms: number
  elapsed: () => number
  onFault(error: unknown): void
}

/** What is to be evicted. */
interface Kept {
  evict(names: readonly string[]): void
  evictAll(): void
}

export class Following {
  readonly #tail: Options['tail']
  readonly #staleness_ms: number
  readonly #elapsed: () => number
  readonly #onFault: (error: unknown) => void
  /** An embedded database has no other process that could commit. */
  readonly #isAlone: boolean
  #kept: Kept | undefined
  #state: 'idle' | 'starting' | 'following' | 'stopped' = 'idle'
  #stopListening: () => void = () => {}
  #confirmed_at = Number.NEGATIVE_INFINITY

  constructor({ database, tail, staleness_ms, elapsed, onFault }: Options) {
    this.#tail = tail
    this.#staleness_ms = staleness_ms
    this.#elapsed = elapsed
    this.#onFault = onFault
    this.#isAlone = database.kind === 'embedded'
    database.onCommit((changes) => this.#evict(changes))
  }

  /** Evicts there from now on. */
  keepInStep(kept: Kept): void {
    this.#kept = kept
  }

  /** Whether all has been evicted that was committed longer ago than facts may be old. Begins to follow when first asked. */
  isCurrent(): boolean {
    if (this.#staleness_ms === 0) return false
    if (this.#isAlone) return true
    if (this.#state === 'idle') this.#start()
    return this.lag_ms < this.#staleness_ms
  }

  /** How long ago it was confirmed that everything has been told; Infinity if it never was. */
  get lag_ms(): number {
    return this.#isAlone ? 0 : this.#elapsed() - this.#confirmed_at
  }

  stop(): void {
    this.#state = 'stopped'
    this.#confirmed_at = Number.NEGATIVE_INFINITY
    this.#stopListening()
  }

  #start(): void {
    this.#state = 'starting'
    this.#tail
      .listen((news) => this.#hear(news))
      .then(
        (stop) => {
          if (this.#state === 'stopped') return stop()
          this.#state = 'following'
          this.#stopListening = stop
        },
        (fault: unknown) => {
          if (this.#state === 'stopped') return
          this.#state = 'idle'
          this.#onFault(fault)
        },
      )
  }

  /** What is confirmed before `listen` has resolved may not be everything: nothing is kept until then. */
  #hear({ changes, began_at }: News): void {
    if (this.#state !== 'following') return
    if (changes === null) this.#kept?.evictAll()
    else this.#evict(changes)
    this.#confirmed_at = began_at
  }

  #evict(changes: readonly Change[]): void {
    this.#kept?.evict(changes.flatMap(namesIn))
  }
}
