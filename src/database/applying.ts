// Applies migrations while others use the database. Each is a transaction of its own, which waits only shortly for a lock:
// whoever waits for one that forbids reading makes everybody queue who comes after. What cannot be had is tried again later.
import { persist } from '../patience.ts'
import { isRetryable, isTimeout } from './faults.ts'
import { type Migration, newestApplied, pendingAfter, type Session } from './journal.ts'

/** Longer than most transactions, shorter than anybody notices. */
const LOCK_MS = 1_000
const GIVE_UP_MS = 240_000

/** A schema of its own: the application that shares the database may use drizzle too. The table is drizzle's. */
const PLACE = [
  'create schema if not exists tenantry_migrations',
  `create table if not exists tenantry_migrations.applied (
    id serial primary key, hash text not null, created_at bigint)`,
]

interface Options {
  /** All that there are, unless said otherwise. */
  migrations?: Migration[]
  /** A lock was not to be had, and will be tried for again. */
  onWait?(migration: string, failures: number): void
  give_up_ms?: number
}

/** Answers from where it came: see `newestApplied`. */
export const applyPending = async (
  session: Session,
  { migrations, onWait, give_up_ms = GIVE_UP_MS }: Options = {},
): Promise<number> => {
  const newest = await newestApplied(session)
  for (const statement of newest === 0 ? PLACE : []) await session.query(statement)
  const pending = pendingAfter(newest, migrations)
  // In an empty database nobody is in the way, and it is all or nothing.
  for (const together of newest === 0 ? [pending] : pending.map((migration) => [migration])) {
    await persist(() => applyTogether(session, together), {
      isWorthIt: (error) => isTimeout(error) || isRetryable(error),
      within_ms: give_up_ms,
      onFailure: (_, failures) => onWait?.(together[0]?.name ?? '', failures),
    })
  }
  return newest
}

const applyTogether = async (session: Session, migrations: Migration[]): Promise<void> => {
  await session.query('begin')
  try {
    await session.query(`set local lock_timeout = ${LOCK_MS}`)
    for (const migration of migrations) await apply(session, migration)
    await session.query('commit')
  } catch (error) {
    await session.query('rollback').catch(() => {}) // the first error says why
    throw error
  }
}

const apply = async (session: Session, { statements, hash, when }: Migration): Promise<void> => {
  for (const statement of statements) await session.query(statement)
  await session.query('insert into tenantry_migrations.applied (hash, created_at) values ($1, $2)', [hash, when])
}
