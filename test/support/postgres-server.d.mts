/** A server of its own for a test that takes the database away, or needs more of it than a share. */
export interface PostgresServer {
  /** The superuser's DSN. The same before and after a restart. */
  readonly url: string
  /** Its directory, which whoever runs it can write to. */
  readonly home: string
  /** Runs one of PostgreSQL's own programs towards it. Answers what it printed. */
  readonly tools: Tools
  /** Ends it as a crash would: no checkpoint, no farewell to the clients. */
  kill9(): Promise<void>
  /** Brings it back on the same port with the same data, after `kill9()` or from running. */
  restart(): Promise<void>
  /** Ends it for good and removes its directory. */
  stop(): Promise<void>
}

export type Tools = (program: string, args: string[], input?: string) => string

export declare class PostgresNotFound extends Error {}

/** The folder with `initdb` and `postgres` of version 15 or later, or undefined. */
export declare function findPostgres(): string | undefined

/** Throws PostgresNotFound, whose message says what to install. `durable` keeps fsync on. */
export declare function startPostgres(options?: {
  durable?: boolean
  /** PostgreSQL's settings, given the server's directory. */
  settings?: (home: string) => Record<string, string | number>
  /** A server whose data `fill` brings into this one's data directory, with tools that speak to it. */
  from?: PostgresServer
  fill?: (tools: Tools, data: string) => void
}): Promise<PostgresServer>
