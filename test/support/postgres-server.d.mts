/** A server of its own for a test that takes the database away, or needs more of it than a share. */
export interface PostgresServer {
  /** The superuser's DSN. The same before and after a restart. */
  readonly url: string
  /** Ends it as a crash would: no checkpoint, no farewell to the clients. */
  kill9(): Promise<void>
  /** Brings it back on the same port with the same data, after `kill9()` or from running. */
  restart(): Promise<void>
  /** Ends it for good and removes its directory. */
  stop(): Promise<void>
}

export declare class PostgresNotFound extends Error {}

/** The folder with `initdb` and `postgres` of version 15 or later, or undefined. */
export declare function findPostgres(): string | undefined

/** Throws PostgresNotFound, whose message says what to install. `durable` keeps fsync on. */
export declare function startPostgres(options?: { durable?: boolean }): Promise<PostgresServer>
