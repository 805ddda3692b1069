// Is the process alive, and can it do its work?
import type { Database } from '../database/scope.ts'
import type { Handlers } from './handlers.ts'

/** Set when the process has been told to stop: load balancers then send nothing new. */
export interface Lifecycle {
  draining: boolean
}

export const healthHandlers = (
  database: Database,
  lifecycle: Lifecycle,
): Pick<Handlers, 'getLiveness' | 'getReadiness'> => ({
  getLiveness: async () => ({ status: 200, body: { status: 'ok', checks: [] } }),

  getReadiness: async ({ log }) => {
    const reachable = await database.ping().then(
      () => true,
      (error: unknown) => {
        log.warn({ err: error }, 'not ready: the database does not answer')
        return false
      },
    )
    const checks = [
      { name: 'database', ok: reachable, detail: reachable ? null : 'The database does not answer.' },
      { name: 'draining', ok: !lifecycle.draining, detail: lifecycle.draining ? 'The process is stopping.' : null },
    ]
    if (checks.every(({ ok }) => ok)) return { status: 200, body: { status: 'ok', checks } }
    return { status: 503, body: { status: 'unavailable', checks }, headers: { 'Retry-After': '2' } }
  },
})
