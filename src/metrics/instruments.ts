// What this process counts and measures for Prometheus. No label has values that callers can add to: no tenant, user, address.
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client'
import type { Outcome } from '../authorization/conditions.ts'
import type { Change } from '../database/scope.ts'
import { Gathered } from './gathered.ts'

/** One for the process, like the registry of prom-client itself; what belongs to one service is in `gauges.ts`. */
export const counted = new Registry()

const registers = [counted]

// From a check in memory, which takes well under a millisecond, to the longest that a request may take.
const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const durations = new Histogram({
  name: 'tenantry_http_request_duration_seconds',
  help: 'How long requests took, by operation of the contract and status.',
  labelNames: ['operation', 'status'],
  buckets: BUCKETS_SECONDS,
  collect: () => measured.handOver(),
  registers,
})
const measured = new Gathered<{ operation: string; status: number }>((labels, value) =>
  durations.observe(labels, value),
)

new Counter({
  name: 'tenantry_decisions_total',
  help: 'Decisions of checks, single and in batches, by outcome and reason.',
  labelNames: ['decision', 'reason'],
  registers,
  collect() {
    for (const [decision, counts] of Object.entries(decided)) {
      for (const [reason, count] of counts) this.inc({ decision, reason }, count)
      counts.clear()
    }
  },
})
/** Since the last look, by reason: the library takes longer to count a decision than it takes to make it. */
const decided = { allow: new Map<string, number>(), deny: new Map<string, number>() }

const tokens = new Counter({
  name: 'tenantry_tokens_issued_total',
  help: 'Tokens issued: by POST /tokens (api), client_credentials or token_exchange.',
  labelNames: ['grant'],
  registers,
})

const revocations = new Counter({
  name: 'tenantry_revocations_total',
  help: 'Revocations that this process committed, by the kind of their target.',
  labelNames: ['target'],
  registers,
})

const refusals = new Counter({
  name: 'tenantry_refused_total',
  help: 'Requests refused to protect the service: overloaded, rate_limited, bad_attempts.',
  labelNames: ['why'],
  registers,
})

/** What no operation answered, such as a path that is not there. */
const NONE = 'none'

export const measureRequest = (operation: string = NONE, status: number, elapsed_ms: number): void =>
  measured.add({ operation, status }, elapsed_ms / 1000)

export const countDecision = ({ decision, reason: { code } }: Outcome): void => {
  const counts = decision ? decided.allow : decided.deny
  counts.set(code, (counts.get(code) ?? 0) + 1)
}

export type IssuedBy = 'api' | 'client_credentials' | 'token_exchange'

export const countToken = (grant: IssuedBy): void => tokens.inc({ grant })

/** `membership:<id>` is counted as `membership`. */
export const countRevocations = (changes: readonly Change[]): void => {
  for (const { revokes = [] } of changes)
    for (const target of revokes) revocations.inc({ target: target.split(':', 1)[0] ?? target })
}

export type Refusal = 'overloaded' | 'rate_limited' | 'bad_attempts'

export const countRefusal = (why: Refusal): void => refusals.inc({ why })

let isWatched = false

/** Memory, processor time, garbage collection, lag of the event loop: once, however many services there are. */
export const watchProcess = (): void => {
  if (!isWatched) collectDefaultMetrics({ register: counted })
  isWatched = true
}
