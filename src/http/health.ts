// Is the process alive, and can it do its work?
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import type { KeyRing } from '../signing-keys/key-ring.ts'
import type { Handlers } from './handlers.ts'

/** What the process knows of itself that decides whether load balancers send it requests. */
export interface Lifecycle {
  /** Set when the process has been told to stop. */
  draining: boolean
  /** What is wrong with the schema, for as long as it is. */
  schema_fault?: string | undefined
}

interface Services {
  database: Pick<Database, 'ping'>
  keys: Pick<KeyRing, 'publicKeys'>
  lifecycle: Lifecycle
  clock: Clock
  /** How long a database may be away before load balancers are told to go elsewhere, where it is away too. */
  grace_ms: number
}

interface Check {
  name: string
  ok: boolean
  detail: string | null
}

/** Whoever probes gives up after a second or two; what has not answered by then has not answered. */
const ANSWER_WITHIN_MS = 750

const within = async (ms: number, work: () => Promise<unknown>): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false)
  })
  const done = work().then(
    () => true,
    () => false,
  )
  try {
    return await Promise.race([done, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * All replicas share one database. Were each to call itself not ready at the first unanswered question, a failover of some
 * seconds would take all of them out, and with them the key set and whatever is answered from memory.
 */
export class Readiness {
  readonly #services: Services
  #away_since: number | undefined
  /** As of the last time that somebody asked. */
  ready = true

  constructor(services: Services) {
    this.#services = services
  }

  async checks(): Promise<Check[]> {
    const { lifecycle, database, keys } = this.#services
    const [answers, has_keys] = await Promise.all([
      within(ANSWER_WITHIN_MS, () => database.ping()),
      within(ANSWER_WITHIN_MS, () => keys.publicKeys()),
    ])
    const { schema_fault = null, draining } = lifecycle
    const checks = [
      this.#databaseCheck(answers),
      { name: 'draining', ok: !draining, detail: draining ? 'The process is stopping.' : null },
      { name: 'schema', ok: schema_fault === null, detail: schema_fault },
      { name: 'signing_keys', ok: has_keys, detail: has_keys ? null : 'The signing keys cannot be read.' },
    ]
    this.ready = checks.every(({ ok }) => ok)
    return checks
  }

  #databaseCheck(answers: boolean): Check {
    const { clock, grace_ms } = this.#services
    const name = 'database'
    if (answers) {
      this.#away_since = undefined
      return { name, ok: true, detail: null }
    }
    const now = clock().getTime()
    this.#away_since = Math.min(this.#away_since ?? now, now) // a clock that was set back begins again
    const ok = now - this.#away_since < grace_ms
    const since = new Date(this.#away_since).toISOString()
    return {
      name,
      ok,
      detail: `The database has not answered since ${since}; that makes not ready after ${grace_ms} ms.`,
    }
  }
}

export const healthHandlers = (readiness: Readiness): Pick<Handlers, 'getLiveness' | 'getReadiness'> => ({
  getLiveness: async () => ({ status: 200, body: { status: 'ok', checks: [] } }),

  getReadiness: async ({ log }) => {
    const checks = await readiness.checks()
    const faults = checks.filter(({ detail }) => detail !== null)
    if (faults.length > 0) log.warn({ checks: faults }, readiness.ready ? 'ready, but not well' : 'not ready')
    if (readiness.ready) return { status: 200, body: { status: 'ok', checks } }
    return { status: 503, body: { status: 'unavailable', checks }, headers: { 'Retry-After': '2' } }
  },
})
