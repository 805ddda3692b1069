// A context that goes into a job and comes back in a worker. Nothing in it is secret, and nothing is signed: a worker
// trusts it exactly as far as it trusts whoever can write to the queue.

import { API_KEY_SUBJECT_PREFIX, isActor } from '../claims.ts'
import { TenantryError } from '../errors.ts'
import { readInstant } from '../instant.ts'
import { isObject } from '../json.ts'
import { isPattern } from '../permissions.ts'
import { type ContextData, isBefore, TenantContext } from './context.ts'
import { enterContext, getContext } from './current.ts'

/** What a job carries: JSON without a token, and `v`, the version of this form. */
export type SerializedContext = ContextData & { readonly v: 1 }

/**
 * The present context as JSON, to be put into a job. A job of a job cannot outlive the first one's deadline.
 *
 * @throws TenantryError `no_context` outside of a request or job, `configuration` for a deadline that is none
 * @example
 * await queue.add('invoice.send', { context: serializeContext(), invoice_id })
 */
export function serializeContext({ deadline }: { readonly deadline?: Date | undefined } = {}): SerializedContext {
  const context = getContext()
  if (deadline !== undefined && Number.isNaN(deadline.getTime())) {
    throw new TenantryError('configuration', '"deadline" must be a valid Date.')
  }
  const { tenant_id, user_id, membership_id, client_id, actor, roles, grants, ask, rev, token_id, expires_at } = context
  const who = { tenant_id, user_id, membership_id, client_id, actor: structuredClone(actor) }
  const rights = structuredClone({ roles, grants, ask, rev, token_id, expires_at })
  return { v: 1, ...who, ...rights, deadline: earlier(context.deadline, deadline?.toISOString() ?? null) }
}

export type RestoreOptions = {
  /**
   * Asks whether the job may still be done, in its context, before it is begun. What it throws is thrown, and the job is
   * not done. For what changed since the job was queued nobody else asks.
   */
  readonly recheck?: ((context: TenantContext) => unknown) | undefined
  /** Default: the system's clock. */
  readonly clock?: (() => Date) | undefined
}

/**
 * Does the work of a job in its context, with `source` being `job`. After it the worker is in whichever context it was
 * in before, so the next job starts from nothing.
 *
 * @throws TenantryError `context_invalid` unless it is what `serializeContext` made; `context_expired` past its deadline
 * @example
 * worker.process((job) => runWithContext(job.data.context, () => sendInvoice(job.data.invoice_id)))
 */
export async function runWithContext<T>(
  serialized: unknown,
  work: () => T,
  { recheck, clock = () => new Date() }: RestoreOptions = {},
): Promise<Awaited<T>> {
  const data = readContext(serialized)
  if (data.deadline !== null && !isBefore(clock(), data.deadline)) {
    throw new TenantryError('context_expired', 'The deadline of the job has passed.')
  }
  const context = new TenantContext('job', data, clock)
  return await enterContext(context, async () => {
    await recheck?.(context)
    return await work()
  })
}

function earlier(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other
  return Date.parse(one) <= Date.parse(other) ? one : other
}

const CHECKS: { readonly [member in keyof SerializedContext]: (value: unknown) => boolean } = {
  v: (value) => value === 1,
  tenant_id: isText,
  user_id: (value) => value === null || (isText(value) && !value.startsWith(API_KEY_SUBJECT_PREFIX)),
  membership_id: (value) => value === null || isText(value),
  client_id: isText,
  actor: (value) => value === null || isActor(value),
  roles: (value) => Array.isArray(value) && value.every(isText),
  grants: (value) => Array.isArray(value) && value.every(isGrant),
  ask: isPatterns,
  rev: (value) => isObject(value) && Object.values(value).every(isRevision),
  token_id: isText,
  expires_at: (value) => readInstant(value) !== undefined,
  deadline: (value) => value === null || readInstant(value) !== undefined,
}

/** A copy, so that whoever holds the payload cannot change a context that was judged. */
function readContext(value: unknown): ContextData {
  if (!isSerialized(value)) {
    throw new TenantryError('context_invalid', 'This is no context that serializeContext made.')
  }
  const { v: _, ...data } = structuredClone(value)
  return data
}

function isSerialized(value: unknown): value is SerializedContext {
  if (!isObject(value) || Object.keys(value).some((member) => !Object.hasOwn(CHECKS, member))) return false
  const areFine = Object.entries(CHECKS).every(([member, isFine]) => isFine(value[member]))
  return areFine && (value.user_id === null) === (value.membership_id === null)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isRevision(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function isGrant(value: unknown): boolean {
  return (
    isObject(value) && Object.keys(value).length === 2 && isPatterns(value.permissions) && isPatterns(value.excludes)
  )
}

function isPatterns(value: unknown): boolean {
  return Array.isArray(value) && value.every((pattern) => isText(pattern) && isPattern(pattern))
}
