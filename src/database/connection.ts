// Opens the database: PGlite in process, or PostgreSQL through a pool. Everything above speaks drizzle and cannot tell.
import type { PGlite } from '@electric-sql/pglite'
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres'
import type { PgQueryResultHKT, PgTransaction } from 'drizzle-orm/pg-core'
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite'
import pg from 'pg'
import { isAway } from './faults.ts'

export type Transaction = PgTransaction<PgQueryResultHKT>
type Work<T> = (tx: Transaction) => Promise<T>

/** A statement that is prepared once a connection and answers one value. */
export interface Statement {
  name: string
  text: string
}

export interface Connection {
  kind: 'embedded' | 'postgres'
  /** Commits what `work` did, or nothing of it when it throws. */
  transaction<T>(work: Work<T>): Promise<T>
  /** Runs one statement outside any transaction and answers the `value` column of its first row. */
  value(statement: Statement, parameters: unknown[]): Promise<unknown>
  /** The same, however many wait for a connection. */
  valueAside(statement: Statement, parameters: unknown[]): Promise<unknown>
  /** Asks for a sign of life, whatever else is under way. */
  ping(): Promise<void>
  /** Of the connections that requests share. */
  pool(): PoolStats
  close(): Promise<void>
}

export interface PoolStats {
  total: number
  idle: number
  waiting: number
  limit: number
}

/** In process there is one, and nobody sees it being used. */
const EMBEDDED_POOL: PoolStats = { total: 1, idle: 1, waiting: 0, limit: 1 }

/** PGlite takes no lock on its directory: whoever opened it holds one (`directory.ts`). */
export const embeddedConnection = (client: PGlite): Connection => {
  const database = drizzlePglite(client)
  const value: Connection['value'] = async ({ text }, parameters) => {
    const { rows } = await client.query<{ value: unknown }>(text, parameters)
    return rows[0]?.value
  }
  return {
    kind: 'embedded',
    transaction: (work) => database.transaction((tx) => work(tx as unknown as Transaction)), // to us both drivers' are one
    value,
    valueAside: value,
    ping: async () => void (await client.query('select 1')),
    pool: () => EMBEDDED_POOL,
    close: () => client.close(),
  }
}

const POOL = {
  connectionTimeoutMillis: 3_000, // a database that is away shows as 503 within this
  idleTimeoutMillis: 30_000,
  query_timeout: 20_000, // of the client: a host that lost its power never answers, and nothing else would notice
  keepAlive: true,
  application_name: 'tenantry',
}

/** What PostgreSQL itself ends. `tenantry migrate` gives them to the service's role too, for whoever comes through a pooler. */
export const LIMITS = {
  statement_timeout: 15_000,
  lock_timeout: 10_000, // writers in one tenant queue; longer than this is not a queue but a fault
  idle_in_transaction_session_timeout: 30_000,
}

/**
 * Takes and gives back the connection itself, because drizzle's transaction on a pool keeps it for ever when `begin` fails,
 * and gives back one that does not answer any more.
 */
const transactOn = async <T>(pool: pg.Pool, work: Work<T>): Promise<T> => {
  const client = await pool.connect()
  try {
    const result = await drizzlePg(client).transaction((tx) => work(tx as unknown as Transaction))
    client.release()
    return result
  } catch (error) {
    client.release(isAway(error))
    throw error
  }
}

/** Through a pooler nothing is prepared by name: the next transaction may be on another connection, which lacks it. */
const valueOn =
  (pool: pg.Pool, isPooled = false): Connection['value'] =>
  async ({ name, text }, parameters) => {
    const { rows } = await pool.query<{ value: unknown }>({ ...(isPooled ? {} : { name }), text, values: parameters })
    return rows[0]?.value
  }

const openPool = (settings: pg.PoolConfig, onIdleError: (error: Error) => void): pg.Pool => {
  const pool = new pg.Pool(settings)
  pool.on('error', onIdleError)
  // One that breaks in use fails its statement, and that is how we learn of it; unheard, the event would end the process.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

export interface Route {
  /** The same database past a pooler in transaction mode; given, it means that the other address leads through one. */
  direct_url?: string | undefined
  /** How many connections requests share. */
  pool?: number | undefined
}

const POOLED = 10
/** Its one connection may be silently dead: then the next question must soon be asked on another. */
const PROBED_WITHIN_MS = 3_000

/** @param onIdleError told of connections that break while idle; the pool replaces them */
export const openPostgres = (
  url: string,
  onIdleError: (error: Error) => void,
  { direct_url, pool: max = POOLED }: Route = {},
): Connection => {
  const isPooled = direct_url !== undefined
  // A pooler refuses settings of a connection that it would have to give to others as well.
  const route = { ...POOL, ...(isPooled ? {} : LIMITS), connectionString: url }
  const pool = openPool({ ...route, max }, onIdleError)
  // Not of the same pool: a service that is busy is still ready, and one that is not is asked no more.
  const probe = openPool({ ...route, query_timeout: PROBED_WITHIN_MS, max: 1 }, onIdleError)
  const direct = { ...POOL, ...LIMITS, connectionString: direct_url ?? url }
  const aside = openPool({ ...direct, max: 1 }, onIdleError)
  return {
    kind: 'postgres',
    transaction: (work) => transactOn(pool, work),
    value: valueOn(pool, isPooled),
    valueAside: valueOn(aside),
    ping: async () => void (await probe.query('select 1')),
    pool: () => ({
      ...{ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount },
      limit: pool.options.max,
    }),
    close: async () => void (await Promise.all([pool.end(), probe.end(), aside.end()])),
  }
}
