// What one service can be asked at any time: its memory, its database, its streams. Read when somebody scrapes.
import { Counter, Gauge, Registry } from 'prom-client'
import type { PoolStats } from '../database/connection.ts'
import type { DatabaseFaults } from '../database/scope.ts'
import type { MemoryStats } from '../freshness/memory.ts'

export interface Sources {
  version: string
  memory(): MemoryStats
  pool(): PoolStats
  faults: DatabaseFaults
  streams(): number
  ready(): boolean
}

export const gaugesOf = ({ version, memory, pool, faults, streams, ready }: Sources): Registry => {
  const registers = [new Registry()] as const
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      ...{ name, help, registers: [...registers] },
      collect() {
        this.set(read())
      },
    })
  // What is counted elsewhere, as Prometheus has it: it only grows.
  const total = (name: string, help: string, read: () => number): Counter =>
    new Counter({
      ...{ name, help, registers: [...registers] },
      collect() {
        this.reset()
        this.inc(read())
      },
    })

  total('tenantry_facts_hits_total', 'Facts found in memory.', () => memory().hits)
  total('tenantry_facts_misses_total', 'Facts that had to be read.', () => memory().misses)
  total(
    'tenantry_facts_bypassed_total',
    'Facts read because memory was not known to be current.',
    () => memory().bypassed,
  )
  total('tenantry_facts_evicted_total', 'Names that an event put an end to.', () => memory().evicted)
  gauge('tenantry_facts_entries', 'Facts in memory.', () => memory().kept)
  gauge('tenantry_facts_bytes', 'What facts in memory take, about.', () => memory().kept_bytes)
  gauge('tenantry_tail_lag_seconds', 'How long ago it was confirmed that all changes are known.', () => lagOf(memory()))
  gauge('tenantry_staleness_bound_seconds', 'How old the facts of a check may be.', () => memory().staleness_ms / 1000)
  gauge('tenantry_revocation_streams', 'Open streams of revocations.', streams)
  gauge('tenantry_ready', 'Whether /readyz would say yes, as far as is known without asking.', () => (ready() ? 1 : 0))
  gauge('tenantry_db_pool_waiting', 'Requests that wait for a connection.', () => pool().waiting)
  new Gauge({
    name: 'tenantry_db_pool_connections',
    help: 'Connections of the pool: used, idle, and how many there may be (limit).',
    labelNames: ['state'],
    registers: [...registers],
    collect() {
      const { total, idle, limit } = pool()
      this.set({ state: 'used' }, total - idle)
      this.set({ state: 'idle' }, idle)
      this.set({ state: 'limit' }, limit)
    },
  })
  new Counter({
    name: 'tenantry_db_errors_total',
    help: 'Database errors that callers were told of: away, busy.',
    labelNames: ['kind'],
    registers: [...registers],
    collect() {
      this.reset()
      this.inc({ kind: 'away' }, faults.away)
      this.inc({ kind: 'busy' }, faults.busy)
    },
  })
  new Gauge({
    name: 'tenantry_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'node'],
    registers: [...registers],
  }).set({ version, node: process.version }, 1)
  return registers[0]
}

/** Infinity until changes are first followed, which begins with the first check: there is no lag in what nobody reads. */
const lagOf = ({ lag_ms }: MemoryStats): number => (Number.isFinite(lag_ms) ? lag_ms / 1000 : 0)
