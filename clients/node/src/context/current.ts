// Which context the present work is in. One store for the process; only adapters and restored jobs enter it.

import { AsyncLocalStorage } from 'node:async_hooks'
import type { EventEmitter } from 'node:events'
import { TenantryError } from '../errors.ts'
import type { TenantContext } from './context.ts'

const storage = new AsyncLocalStorage<TenantContext | undefined>()

/** The present context, or undefined outside of any: for logs, and for code that runs in both. */
export function findContext(): TenantContext | undefined {
  return storage.getStore()
}

/**
 * The present context.
 *
 * @throws TenantryError `no_context` outside of a request or job; it never falls back on anything
 * @example
 * getContext().requirePermission('invoice:write')
 */
export function getContext(): TenantContext {
  const context = storage.getStore()
  if (context !== undefined) return context
  throw new TenantryError(
    'no_context',
    'There is no tenant context here: this runs outside of an authenticated request and of runWithContext.',
  )
}

/**
 * The id of the tenant for which the present work is done.
 *
 * @throws TenantryError `no_context` outside of a request or job
 * @example
 * const invoices = await sql`select * from invoices where tenant_id = ${currentTenant()}`
 */
export function currentTenant(): string {
  return getContext().tenant_id
}

/**
 * Does work that belongs to no tenant, such as starting an in-process worker or a shared connection from within a
 * request. Otherwise everything it starts would go on in the name of that request's tenant.
 */
export function runWithoutContext<T>(work: () => T): T {
  return storage.run(undefined, work)
}

/** Does the work, and whatever asynchronous it starts, in the context. */
export function enterContext<T>(context: TenantContext, work: () => T): T {
  return storage.run(context, work)
}

/**
 * Listeners of a request or an answer are called by the socket, outside of any context: the end of a body, for one, which
 * is where most body parsers go on from. So what they emit from now on, they emit in the context.
 */
export function keepContext(emitter: EventEmitter, context: TenantContext): void {
  const emit = emitter.emit
  emitter.emit = (...event: Parameters<typeof emit>) => storage.run(context, () => emit.apply(emitter, event))
}
