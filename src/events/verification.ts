// Does a history still say what was written? Reads it page by page, computes its chain again and compares. Nothing here
// writes. Whoever owns the database can rewrite a whole chain, so heads are worth keeping elsewhere: reports carry them.
import { and, asc, eq, getTableColumns, gt, lte, sql } from 'drizzle-orm'
import { commitmentOf, eventHash, GENESIS, type HashedEvent } from '../database/history.ts'
import { eventPersonalData, events, histories, PLATFORM } from '../database/schema.ts'
import type { Database, PlatformTx } from '../database/scope.ts'

export interface HistoryReport {
  /** `platform`, or the tenant's id. */
  history: string
  /** Where the history says it stands, and the hash of its last event, as hex. */
  revision: number
  head_hash: string
  /** Of the events that say something about a person: how many still do, and how many were erased. */
  personal: { kept: number; erased: number }
  /** The first revision that does not hold, and why. Null when all do. */
  fault: Fault | null
}

export interface Fault {
  revision: number
  reason: string
}

interface Head {
  id: string
  revision: number
  head_hash: Buffer
  last: number | null
}

const HISTORIES_AT_A_TIME = 200
const EVENTS_AT_A_TIME = 500 // an event may list 400 long patterns, so this is some megabytes at worst

/** Verifies one history, or all: the platform's first, then tenants from the oldest. Memory does not grow with them. */
export async function* verifyHistories(database: Database, only?: string): AsyncGenerator<HistoryReport> {
  for (let after: string | undefined; ; ) {
    const heads = await database.asPlatform('read the heads of the histories', (tx) => readHeads(tx, only, after))
    for (const head of heads) yield await verifyHistory(database, head)
    after = heads.at(-1)?.id
    if (heads.length < HISTORIES_AT_A_TIME) return
  }
}

/** The last event is read in the same statement as the head: both move together, however busy the history is. */
const readHeads = (tx: PlatformTx, only: string | undefined, after: string | undefined): Promise<Head[]> =>
  tx
    .select({
      ...getTableColumns(histories),
      last: sql<number | null>`(
        select max(e.revision) from tenantry.events e where e.history_id = tenantry.histories.id
      )`.mapWith(histories.revision),
    })
    .from(histories)
    .where(
      and(
        only === undefined ? undefined : eq(histories.id, only),
        after === undefined ? undefined : gt(histories.id, after),
      ),
    )
    .orderBy(asc(histories.id))
    .limit(HISTORIES_AT_A_TIME)

const verifyHistory = async (database: Database, head: Head): Promise<HistoryReport> => {
  const personal = { kept: 0, erased: 0 }
  const fault = await findFault(database, head, personal)
  return {
    history: head.id === PLATFORM ? 'platform' : head.id,
    revision: head.revision,
    head_hash: head.head_hash.toString('hex'),
    personal,
    fault: fault ?? null,
  }
}

const findFault = async (
  database: Database,
  head: Head,
  personal: HistoryReport['personal'],
): Promise<Fault | undefined> => {
  let last: Link = { revision: 0, hash: GENESIS }
  for (let after = Number.MIN_SAFE_INTEGER; ; after = last.revision) {
    const rows = await database.asPlatform('verify a page of a history', (tx) => readPage(tx, head, after))
    for (const row of rows) {
      const reason = faultOf(last, row)
      if (reason !== undefined) return { revision: Math.min(row.revision, last.revision + 1), reason }
      last = { revision: row.revision, hash: row.hash }
      if (row.personal_commitment !== null) personal[row.salt === null ? 'erased' : 'kept']++
    }
    if (rows.length < EVENTS_AT_A_TIME) return faultOfHead(last, head)
  }
}

/** An event that holds: what the next one is chained to. */
interface Link {
  revision: number
  hash: Buffer
}

const faultOfHead = (last: Link, head: Head): Fault | undefined => {
  const next = last.revision + 1
  if (last.revision < head.revision) return { revision: next, reason: 'the event is missing' }
  if ((head.last ?? 0) > head.revision) {
    return { revision: next, reason: `there is an event, but the history says that it ends at ${head.revision}` }
  }
  if (!last.hash.equals(head.head_hash)) {
    return { revision: last.revision, reason: "the history's head is not the hash of its last event" }
  }
  return undefined
}

type Row = Awaited<ReturnType<typeof readPage>>[number]

// Both as text: a value that was tampered with need not fit the driver's types. 'infinity' is a time to PostgreSQL.
const CREATED_AT = sql<string>`to_char(${events.created_at} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

const readPage = (tx: PlatformTx, { id, revision }: Head, after: number) =>
  tx
    .select({
      history_id: events.history_id,
      revision: events.revision,
      type: events.type,
      actor_type: events.actor_type,
      actor_id: events.actor_id,
      data: sql<string>`${events.data}::text`,
      personal_commitment: events.personal_commitment,
      hash: events.hash,
      created_at: CREATED_AT,
      salt: eventPersonalData.salt,
      personal_data: sql<string | null>`${eventPersonalData.data}::text`,
    })
    .from(events)
    .leftJoin(
      eventPersonalData,
      and(eq(eventPersonalData.history_id, events.history_id), eq(eventPersonalData.revision, events.revision)),
    )
    .where(and(eq(events.history_id, id), gt(events.revision, after), lte(events.revision, revision)))
    .orderBy(asc(events.revision))
    .limit(EVENTS_AT_A_TIME)

/** Why this event does not follow the one before it; undefined when it does. */
const faultOf = (before: Link, row: Row): string | undefined => {
  if (row.revision > before.revision + 1) return 'the event is missing'
  if (row.revision <= before.revision) return 'there is an event before the first'
  if (!hashes(() => eventHash(before.hash, hashedOf(row)), row.hash)) {
    return 'its contents, or the event before it, are not what its hash was made of'
  }
  if (row.salt === null || row.personal_data === null) return undefined
  const { salt, personal_data, personal_commitment } = row
  if (personal_commitment === null) return 'it has personal data that it was not written with'
  return hashes(() => commitmentOf(salt, JSON.parse(personal_data)), personal_commitment)
    ? undefined
    : 'its personal data are not what was committed to'
}

/** What has no canonical form (a number past all bounds, say) was never hashed. */
const hashes = (hash: () => Buffer, expected: Buffer): boolean => {
  try {
    return hash().equals(expected)
  } catch {
    return false
  }
}

const hashedOf = ({
  history_id,
  revision,
  type,
  actor_type,
  actor_id,
  data,
  personal_commitment,
  created_at,
}: Row): HashedEvent => ({
  ...{ history_id, revision, type, actor: { type: actor_type, id: actor_id }, data: JSON.parse(data), created_at },
  personal_commitment: personal_commitment?.toString('hex') ?? null,
})
