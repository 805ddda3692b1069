// SQL of epochs (drizzle/0016_epoch.sql).
import { sql } from 'drizzle-orm'
import { epochs } from '../database/schema.ts'
import type { Database, PlatformTx } from '../database/scope.ts'

/** Which cluster, database and line of its log we are on; null where PostgreSQL does not tell. */
export interface Place {
  system_identifier: string | null
  database_oid: number
  timeline: number | null
}

export interface Epoch {
  /** 0 before the first start. */
  number: number
  /** The newest before which commits may have been lost. */
  restored: number
  /** Whether we are elsewhere than where it began. */
  moved: 'cluster' | 'timeline' | null
  place: Place
}

const READ = { name: 'read_epoch', text: 'select tenantry.read_epoch() as value' }

export const readEpoch = async (database: Database): Promise<Epoch> => (await database.call(READ)) as Epoch // its own shape

export const readEpochIn = async (tx: PlatformTx): Promise<Epoch> => {
  const [row] = await tx.select({ value: sql<Epoch>`tenantry.read_epoch()` }).from(sql`(values (1)) as one`)
  if (!row) throw new Error('the present epoch was not answered')
  return row.value
}

interface Beginning {
  number: number
  place: Place
  nothing_lost: boolean
  now: Date
}

export const insertEpoch = async (tx: PlatformTx, { number, place, nothing_lost, now }: Beginning): Promise<void> => {
  await tx.insert(epochs).values({ number, ...place, nothing_lost, started_at: now.toISOString() })
}
