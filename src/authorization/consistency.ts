// "At least as new as my write": what a caller demands of what is read, and how long that is waited for. Reads go to one
// database, where every read is current; this holds where one is not.
import { setTimeout as pause } from 'node:timers/promises'
import { PLATFORM } from '../database/schema.ts'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { isId } from '../ids.ts'
import { after, type Soon } from '../soon.ts'

/** By history: a tenant's id, or `platform`. */
export type Revisions = Readonly<Record<string, number>>

export interface Demand {
  history: string
  revision: number
}

export const IN_HEADER = 'header/Tenantry-Min-Revision'
export const IN_CONTEXT = '/context/min_revision'

const MOST_DEMANDS = 10
const REVISION = /^\d{1,15}$/

/**
 * What a `Tenantry-Min-Revision` demands.
 * @param isAsked whether the request is about that tenant: another's revision would say nothing of what is read
 * @throws Problem `request.invalid`
 */
export const demandsIn = (
  text: string | undefined,
  pointer: string,
  isAsked: (tenant_id: string) => boolean,
): Demand[] => {
  if (text === undefined) return []
  const refuse = (detail: string): never => {
    throw new Problem('request.invalid', { errors: [{ pointer, detail }] })
  }
  const demands = text.split(',').map((each) => parse(each.trim()) ?? refuse('Send a Tenantry-Revision as it came.'))
  if (demands.length > MOST_DEMANDS) refuse(`It names ${MOST_DEMANDS} revisions at most.`)
  if (demands.some(({ history }) => history !== 'platform' && !isAsked(history))) {
    refuse('It is the revision of a tenant that this request is not about.')
  }
  return demands
}

const parse = (text: string): Demand | undefined => {
  const [history = '', revision = '', ...more] = text.split(':')
  const isRight = (history === 'platform' || isId(history)) && REVISION.test(revision) && more.length === 0
  return isRight ? { history, revision: Number(revision) } : undefined
}

const LONGEST_WAIT_MS = 1_000
const BETWEEN_READS_MS = 50

/** Time as it passes, and not as the clock of the service has it. */
export interface Stopwatch {
  now(): number
  pause(milliseconds: number): Promise<unknown>
}

const REAL: Stopwatch = { now: () => performance.now(), pause }

/**
 * Reads until what is read is as new as demanded.
 * @param read `fresh` when what was read before was too old: then nothing that was kept will do
 * @throws Problem `revision.not_reached` after a second
 */
export const readAtLeast = <T>(
  demands: readonly Demand[],
  read: (fresh: boolean) => Soon<T>,
  revisionsOf: (found: T) => Revisions,
  stopwatch = REAL,
): Soon<T> => {
  const first = read(false)
  if (demands.length === 0) return first
  return after(first, (found) =>
    isReached(demands, revisionsOf(found)) ? found : readUntil(demands, read, revisionsOf, stopwatch),
  )
}

const readUntil = async <T>(
  demands: readonly Demand[],
  read: (fresh: boolean) => Soon<T>,
  revisionsOf: (found: T) => Revisions,
  stopwatch: Stopwatch,
): Promise<T> => {
  const end = stopwatch.now() + LONGEST_WAIT_MS
  for (;;) {
    const fresh = await read(true)
    if (isReached(demands, revisionsOf(fresh))) return fresh
    if (stopwatch.now() >= end) throw new Problem('revision.not_reached')
    await stopwatch.pause(BETWEEN_READS_MS)
  }
}

const isReached = (demands: readonly Demand[], revisions: Revisions): boolean =>
  demands.every(({ history, revision }) => (revisions[history] ?? -1) >= revision)

const READ_REVISIONS = { name: 'read_revisions', text: 'select tenantry.read_revisions($1) as value' }

/** For what is read in a transaction of its own: afterwards it sees these revisions. */
export const awaitRevisions = async (database: Database, demands: readonly Demand[]): Promise<void> => {
  if (demands.length === 0) return
  await readAtLeast(
    demands,
    () => readRevisions(database, demands),
    (revisions) => revisions,
  )
}

const readRevisions = async (database: Database, demands: readonly Demand[]): Promise<Revisions> => {
  const ids = demands.map(({ history }) => (history === 'platform' ? PLATFORM : history))
  const { [PLATFORM]: platform, ...tenants } = (await database.call(READ_REVISIONS, ids)) as Record<string, number> // the function's own shape
  return platform === undefined ? tenants : { ...tenants, platform }
}
