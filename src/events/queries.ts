// SQL of events; private to this slice.
import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm'
import { events } from '../database/schema.ts'
import type { PlatformTx, Tx } from '../database/scope.ts'

export type EventRow = typeof events.$inferSelect

interface OfOne {
  history_id: string
  after: number
  type: string | undefined
  limit: number
}

/** One history by revision: ordered, and a gap would show. */
export const listEventsOf = (tx: Tx, { history_id, after, type, limit }: OfOne): Promise<EventRow[]> => {
  const wanted: (SQL | undefined)[] = [
    eq(events.history_id, history_id),
    gt(events.revision, after),
    type === undefined ? undefined : eq(events.type, type),
  ]
  return tx
    .select()
    .from(events)
    .where(and(...wanted))
    .orderBy(asc(events.revision))
    .limit(limit)
}

/** What is visible now, to be kept with a cursor: every page then shows the same moment, and skips nothing. */
export const currentSnapshot = async (tx: PlatformTx): Promise<string> => {
  const [row] = await tx.select({ value: sql<string>`pg_current_snapshot()::text` }).from(sql`(values (1)) as one`)
  if (!row) throw new Error('PostgreSQL answered no snapshot')
  return row.value
}

interface OfAll {
  snapshot: string
  after: number
  type: string | undefined
  limit: number
}

/** All histories, as of a snapshot. Positions are drawn under each history's lock, so within one they follow revisions. */
export const listEventsOfAll = (tx: PlatformTx, { snapshot, after, type, limit }: OfAll): Promise<EventRow[]> => {
  const wanted: (SQL | undefined)[] = [
    // Restored from a dump into another cluster, a row is of a transaction that lies in the future: it is old.
    sql`(pg_visible_in_snapshot(${events.xid}, ${snapshot}::pg_snapshot)
      or ${events.xid} >= (select pg_snapshot_xmax(pg_current_snapshot())))`,
    gt(events.position, after),
    type === undefined ? undefined : eq(events.type, type),
  ]
  return tx
    .select()
    .from(events)
    .where(and(...wanted))
    .orderBy(asc(events.position))
    .limit(limit)
}
