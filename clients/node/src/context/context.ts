// The tenant context: for whom the present work is done, told once and known everywhere below, however asynchronous.

import type { Actor } from '../claims.ts'
import { TenantryError } from '../errors.ts'
import type { Grant } from '../permissions.ts'
import type { Principal } from '../principal.ts'
import { type Answer, TenantRights } from '../rights.ts'

/** What of a context can leave the process. */
export type ContextData = {
  readonly tenant_id: string
  /** Null for a machine. */
  readonly user_id: string | null
  /** Null for a machine. */
  readonly membership_id: string | null
  readonly client_id: string
  /** Who acts for the user; null when nobody does. */
  readonly actor: Actor | null
  readonly roles: readonly string[]
  readonly grants: readonly Grant[]
  readonly ask: readonly string[]
  readonly rev: Readonly<Record<string, number>>
  /** The `jti` of the token that it all rests on. */
  readonly token_id: string
  /** When that token ends, RFC 3339 in UTC. */
  readonly expires_at: string
  /** When the work has lost its point, RFC 3339 in UTC; null if never. */
  readonly deadline: string | null
}

/** `request`: from a token that was verified in this process. `job`: from a queue, and to be trusted as far as that is. */
export type ContextSource = 'request' | 'job'

/**
 * For whom the present work is done. In a request the rights are the principal's. In a job they are what the token said
 * then, and end with it: past `expires_at` the context still tells the tenant, and holds nothing any more.
 */
export class TenantContext extends TenantRights implements ContextData {
  readonly source: ContextSource
  readonly tenant_id: string
  readonly user_id: string | null
  readonly membership_id: string | null
  readonly client_id: string
  readonly actor: Actor | null
  readonly roles: readonly string[]
  readonly grants: readonly Grant[]
  readonly ask: readonly string[]
  readonly rev: Readonly<Record<string, number>>
  readonly token_id: string
  readonly expires_at: string
  readonly deadline: string | null
  readonly #clock: () => Date

  constructor(source: ContextSource, data: ContextData, clock: () => Date = () => new Date()) {
    super()
    this.source = source
    this.tenant_id = data.tenant_id
    this.user_id = data.user_id
    this.membership_id = data.membership_id
    this.client_id = data.client_id
    this.actor = data.actor
    this.roles = data.roles
    this.grants = data.grants
    this.ask = data.ask
    this.rev = data.rev
    this.token_id = data.token_id
    this.expires_at = data.expires_at
    this.deadline = data.deadline
    this.#clock = clock
  }

  /** Whether it is a job's, and the token that its rights come from is over. */
  get isExpired(): boolean {
    return this.source === 'job' && !isBefore(this.#clock(), this.expires_at)
  }

  override holds(permission: string): boolean {
    return !this.isExpired && super.holds(permission)
  }

  override answerTo(permission: string): Answer {
    return this.isExpired ? 'no' : super.answerTo(permission)
  }

  override hasRole(role: string): boolean {
    return !this.isExpired && super.hasRole(role)
  }

  /** @throws TenantryError also `context_expired` (403) */
  override requirePermission(permission: string): void {
    this.#requireCurrent()
    super.requirePermission(permission)
  }

  /** @throws TenantryError also `context_expired` (403) */
  override requireRole(role: string): void {
    this.#requireCurrent()
    super.requireRole(role)
  }

  #requireCurrent(): void {
    if (!this.isExpired) return
    throw new TenantryError(
      'context_expired',
      'The rights of the job have ended with its token: ask for the present ones.',
    )
  }
}

/** A clock that does not know the time is before nothing. */
export function isBefore(now: Date, end: string): boolean {
  return now.getTime() < Date.parse(end)
}

/** The context of a request that was authenticated. */
export function contextOf(principal: Principal): TenantContext {
  return new TenantContext('request', { ...principal, deadline: null })
}
