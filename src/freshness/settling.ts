// The wait before an answer that says "nobody is allowed any more". Each replica relies on what it has in memory for a bounded
// time after it last heard of all changes; when that time has passed since the commit, every replica has heard of it, or
// asks the database. An embedded database has one process, which has evicted already.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../database/scope.ts'

/** For timers that fire early and clocks that do not run alike. */
const MARGIN_MS = 5

export type Pause = (ms: number) => Promise<unknown>

export const settleWith =
  ({ kind }: Pick<Database, 'kind'>, staleness_ms: number, pause: Pause = sleep) =>
  async (): Promise<void> => {
    if (kind === 'postgres' && staleness_ms > 0) await pause(staleness_ms + MARGIN_MS)
  }
