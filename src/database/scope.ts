// The two doors to the database. A query function takes a transaction that only a door hands out, so a query outside a
// scope does not compile; a door inside a door is refused on PGlite, where it would hang for ever. On PostgreSQL it would
// take a second connection; but what watches for it makes every promise of the process dearer, and the tests, which run on
// both, find it on PGlite.
import { AsyncLocalStorage } from 'node:async_hooks'
import { type SQL, sql } from 'drizzle-orm'
import { Problem } from '../errors.ts'
import type { Connection, PoolStats, Statement, Transaction } from './connection.ts'
import { isAway, isRetryable, isTimeout } from './faults.ts'

declare const scoped: unique symbol

/** Sees one tenant, and what is shared. */
export type TenantTx = Transaction & { readonly [scoped]: 'tenant' }
/** Sees everything. */
export type PlatformTx = Transaction & { readonly [scoped]: 'platform' }
export type Tx = TenantTx | PlatformTx

/** What a transaction may touch: one tenant, or the platform and all tenants. */
export type Scope = { tenant_id: string } | 'platform'

const ATTEMPTS = 3
const insideDoor = new AsyncLocalStorage<true>()

/** What was appended to a history, so far as it matters to those who keep facts in memory. */
export interface Change {
  history_id: string
  type: string
  data: { readonly [name: string]: unknown }
  /** Targets; only of what this process commits, the others' entries come with the news. */
  revokes?: readonly string[]
}

/** How often callers were told that the database is away, or busy. */
export interface DatabaseFaults {
  away: number
  busy: number
}

/** What transactions will have done; whoever waits for that is told when they are over, never before. */
const changing = new WeakMap<Transaction, Change[]>()
const revoking = new WeakSet<Transaction>()

export const announceChanges = (tx: Tx, changes: Change[]): void => {
  changing.set(tx, [...(changing.get(tx) ?? []), ...changes])
}

/** Also what finds done already what it would do: another's answer to that may still be waiting for all replicas. */
export const announceRevocations = (tx: Tx): void => {
  revoking.add(tx)
}

export const isRevoking = (tx: Tx): boolean => revoking.has(tx)

/** Hears what a transaction of this process changed, whether it made tokens stale, and whether it surely committed. */
export type CommitListener = (changes: readonly Change[], revoked: boolean, committed: boolean) => void

export class Database {
  readonly kind: Connection['kind']
  readonly faults: DatabaseFaults = { away: 0, busy: 0 }
  readonly #connection: Connection
  #closed: Promise<void> | undefined
  readonly #listeners = new Set<CommitListener>()

  constructor(connection: Connection) {
    this.kind = connection.kind
    this.#connection = connection
  }

  /**
   * Runs `work` in a transaction that sees one tenant. Retried when PostgreSQL asks for it, so `work` touches nothing
   * but the transaction.
   */
  forTenant<T>(scope: { tenant_id: string }, work: (tx: TenantTx) => Promise<T>): Promise<T> {
    const enter = sql`select set_config('role', 'tenantry_tenant', true), set_config('app.tenant_id', ${scope.tenant_id}, true)`
    return this.#transaction(enter, (tx) => work(tx as TenantTx))
  }

  /** Runs `work` in a transaction that sees the platform and every tenant. `reason` tells the reader why it must. */
  asPlatform<T>(_reason: string, work: (tx: PlatformTx) => Promise<T>): Promise<T> {
    return this.#transaction(sql`select set_config('role', 'tenantry_platform', true)`, (tx) => work(tx as PlatformTx))
  }

  /** One of the two, as the scope says. */
  within<T>(scope: Scope, reason: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return scope === 'platform' ? this.asPlatform(reason, work) : this.forTenant(scope, work)
  }

  /** Calls a function of the database that carries its own scope (drizzle/0001_isolation.sql): one round trip. */
  async call(statement: Statement, ...parameters: unknown[]): Promise<unknown> {
    this.#refuseNesting()
    try {
      return await this.#connection.value(statement, parameters)
    } catch (error) {
      throw this.#faultOf(error)
    }
  }

  /** The same, past all who queue for a connection: for what keeps others from having to ask. */
  async callAside(statement: Statement, ...parameters: unknown[]): Promise<unknown> {
    this.#refuseNesting()
    try {
      return await this.#connection.valueAside(statement, parameters)
    } catch (error) {
      throw this.#faultOf(error)
    }
  }

  /**
   * Calls back when a transaction of this process that changed something is over, before whoever made it hears of it; also
   * when it failed, because a connection may break between a commit and its answer. Other processes commit too.
   */
  onCommit(listener: CommitListener): void {
    this.#listeners.add(listener)
  }

  /** @throws Problem `database.unavailable` */
  async ping(): Promise<void> {
    this.#refuseNesting()
    await this.#connection.ping().catch((error: unknown) => {
      throw this.#faultOf(error)
    })
  }

  pool(): PoolStats {
    return this.#connection.pool()
  }

  /** Once, however often it is asked for. */
  close(): Promise<void> {
    this.#closed ??= this.#connection.close()
    return this.#closed
  }

  async #transact<T>(enter: SQL, work: (tx: Transaction) => Promise<T>): Promise<T> {
    let within: Transaction | undefined
    let committed = false
    try {
      const result = await this.#insideDoor(() =>
        this.#connection.transaction(async (tx) => {
          within = tx
          await tx.execute(enter)
          return work(tx)
        }),
      )
      committed = true
      return result
    } finally {
      if (within !== undefined) this.#tell(within, committed) // outside the door: what it wakes opens one itself
    }
  }

  #insideDoor<T>(work: () => Promise<T>): Promise<T> {
    return this.kind === 'embedded' ? insideDoor.run(true, work) : work()
  }

  #refuseNesting(): void {
    if (this.kind === 'embedded' && insideDoor.getStore())
      throw new Error('a door to the database was opened inside another; pass the transaction on')
  }

  #tell(tx: Transaction, committed: boolean): void {
    const [changes, revoked] = [changing.get(tx) ?? [], revoking.has(tx)]
    if (changes.length > 0 || revoked) for (const listener of this.#listeners) listener(changes, revoked, committed)
  }

  #faultOf(error: unknown): unknown {
    const [away, busy] = [isAway(error), isTimeout(error)]
    if (away) this.faults.away++
    else if (busy) this.faults.busy++
    else return error
    return new Problem(away ? 'database.unavailable' : 'database.busy', { cause: error })
  }

  async #transaction<T>(enter: SQL, work: (tx: Transaction) => Promise<T>): Promise<T> {
    this.#refuseNesting()
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#transact(enter, work)
      } catch (error) {
        if (attempt === ATTEMPTS || !isRetryable(error)) throw this.#faultOf(error)
      }
    }
  }
}
