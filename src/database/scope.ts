// The two doors to the database. A query function takes a transaction that only a door hands out, so a query outside a
// scope does not compile; a door inside a door is refused, because on PGlite it would hang for ever.
import { AsyncLocalStorage } from 'node:async_hooks'
import { type SQL, sql } from 'drizzle-orm'
import { Problem } from '../errors.ts'
import type { Connection, Statement, Transaction } from './connection.ts'
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

/** Transactions that made tokens stale; whoever waits for that is woken after the commit, never before. */
const revoking = new WeakSet<Transaction>()

export const announceRevocations = (tx: Tx): void => {
  revoking.add(tx)
}

const faultOf = (error: unknown): unknown => {
  if (isAway(error)) return new Problem('database.unavailable', { cause: error })
  if (isTimeout(error)) return new Problem('database.busy', { cause: error })
  return error
}

export class Database {
  readonly kind: Connection['kind']
  readonly #connection: Connection
  #onRevocation: () => void = () => {}

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
    refuseNesting()
    try {
      return await this.#connection.value(statement, parameters)
    } catch (error) {
      throw faultOf(error)
    }
  }

  /** Calls back after each commit of this process that made tokens stale. Only a hint: other processes commit too. */
  onRevocation(listener: () => void): void {
    this.#onRevocation = listener
  }

  /** @throws Problem `database.unavailable` */
  async ping(): Promise<void> {
    refuseNesting()
    await this.#connection.ping().catch((error: unknown) => {
      throw faultOf(error)
    })
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  async #transact<T>(enter: SQL, work: (tx: Transaction) => Promise<T>): Promise<T> {
    let revoked = false
    const result = await insideDoor.run(true, () =>
      this.#connection.transaction(async (tx) => {
        await tx.execute(enter)
        const result = await work(tx)
        revoked = revoking.has(tx)
        return result
      }),
    )
    if (revoked) this.#onRevocation() // outside the door: what it wakes opens one itself
    return result
  }

  async #transaction<T>(enter: SQL, work: (tx: Transaction) => Promise<T>): Promise<T> {
    refuseNesting()
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#transact(enter, work)
      } catch (error) {
        if (attempt === ATTEMPTS || !isRetryable(error)) throw faultOf(error)
      }
    }
  }
}

const refuseNesting = (): void => {
  if (insideDoor.getStore())
    throw new Error('a door to the database was opened inside another; pass the transaction on')
}
