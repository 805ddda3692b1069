// Opens the database: PGlite in process, or PostgreSQL through a pool. Everything above speaks drizzle and cannot tell.
import type { PGlite } from '@electric-sql/pglite'
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite'
import pg from 'pg'

export type Drizzle = PgDatabase<PgQueryResultHKT>

/** A statement that is prepared once a connection and answers one value. */
export interface Statement {
  name: string
  text: string
}

export interface Connection {
  kind: 'embedded' | 'postgres'
  drizzle: Drizzle
  /** Runs one statement outside any transaction and answers the `value` column of its first row. */
  value(statement: Statement, parameters: unknown[]): Promise<unknown>
  close(): Promise<void>
}

/** PGlite takes no lock on its directory: whoever opened it holds one (`directory.ts`). */
export const embeddedConnection = (client: PGlite): Connection => ({
  kind: 'embedded',
  drizzle: drizzlePglite(client) as unknown as Drizzle, // both drivers' databases are this one to us
  value: async ({ text }, parameters) => {
    const { rows } = await client.query<{ value: unknown }>(text, parameters)
    return rows[0]?.value
  },
  close: () => client.close(),
})

const POOL = {
  max: 10,
  connectionTimeoutMillis: 3_000, // a database that is away shows as 503 within this
  idleTimeoutMillis: 30_000,
  statement_timeout: 15_000,
  lock_timeout: 10_000, // writers in one tenant queue; longer than this is not a queue but a fault
  idle_in_transaction_session_timeout: 30_000,
  application_name: 'tenantry',
}

/** @param onIdleError told of connections that break while idle; the pool replaces them */
export const openPostgres = (url: string, onIdleError: (error: Error) => void): Connection => {
  const pool = new pg.Pool({ ...POOL, connectionString: url })
  pool.on('error', onIdleError)
  return {
    kind: 'postgres',
    drizzle: drizzlePg(pool) as unknown as Drizzle,
    value: async ({ name, text }, parameters) => {
      const { rows } = await pool.query<{ value: unknown }>({ name, text, values: parameters })
      return rows[0]?.value
    },
    close: () => pool.end(),
  }
}
