// What this process keeps in memory for decisions, put together: the tail that tells of changes, the cache, and how they do.
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import type { Epoch } from '../epochs/queries.ts'
import { HistoryTail, POLL_MS } from '../events/tail.ts'
import { PolicySets } from '../policies/sets.ts'
import { Cache } from './cache.ts'
import { type FactsSource, factsThrough } from './facts-source.ts'
import { Following } from './following.ts'

/** Memberships with a role or two take 1.5 KB each (docs/performance.md), so these are as many as fit in, or fewer with long roles. */
const MOST_KEPT = 100_000
const MOST_BYTES = 128_000_000
const SHORTEST_POLL_MS = 10

export interface MemoryStats {
  hits: number
  misses: number
  /** Read past the cache, because it was not known whether it was current. */
  bypassed: number
  /** Names that something rested on and that an event was about. */
  evicted: number
  kept: number
  kept_bytes: number
  most_kept: number
  /** How long ago all changes had been heard; Infinity where they are not followed. */
  lag_ms: number
  staleness_ms: number
}

export interface Memory {
  tail: HistoryTail
  cache: Cache
  facts: FactsSource
  stats(): MemoryStats
  stop(): void
}

interface Options {
  database: Database
  clock: Clock
  staleness_ms: number
  elapsed?: () => number
  onRevision(revision: number): void
  onEpoch(epoch: Epoch): boolean
  onFault(error: unknown): void
}

export const openMemory = ({
  elapsed = () => performance.now(),
  database,
  clock,
  staleness_ms,
  onRevision,
  onEpoch,
  onFault,
}: Options): Memory => {
  // Several readings within the time that facts may be old: one that is late does not end their use.
  const poll_ms = staleness_ms === 0 ? POLL_MS : Math.max(Math.min(POLL_MS, staleness_ms / 4), SHORTEST_POLL_MS)
  const tail = new HistoryTail(database, clock, { poll_ms, elapsed, onRevision, onEpoch, onFault })
  const following = new Following({ database, tail, staleness_ms, elapsed, onFault })
  const isCurrent = () => following.isCurrent()
  const cache = new Cache({ most: MOST_KEPT, most_bytes: MOST_BYTES, elapsed, isCurrent, longest_ms: staleness_ms })
  following.keepInStep(cache)
  return {
    ...{ tail, cache, facts: factsThrough(cache, database, new PolicySets(database)) },
    stats: () => ({
      ...{
        ...cache.counts,
        kept: cache.size,
        kept_bytes: cache.bytes,
        most_kept: MOST_KEPT,
        lag_ms: following.lag_ms,
        staleness_ms,
      },
    }),
    stop: () => following.stop(),
  }
}
