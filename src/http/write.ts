// How every write runs: one transaction in the caller's scope, and with an Idempotency-Key the answer is kept in that
// very transaction, so that it exists exactly if the write does. Kept answers are sealed: one may hold a secret.
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { and, eq, sql } from 'drizzle-orm'
import type { Clock } from '../clock.ts'
import type { Actor, History } from '../database/history.ts'
import { Lanes } from '../database/lanes.ts'
import { idempotencyKeys } from '../database/schema.ts'
import { announceRevocations, type Database, isRevoking, type Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Seal } from '../sealing.ts'
import type { Call } from './handlers.ts'
import { etagOf } from './preconditions.ts'
import type { Principal } from './principal.ts'
import { historyOf } from './scope.ts'

/** Who writes, and when: the same instant for every row and event of one write. */
export interface By {
  principal: Principal
  actor: Actor
  now: Date
}

type Answer = { status: number; body: unknown; headers?: Record<string, string> }
type AnyCall = Pick<Call, 'operation_id' | 'principal' | 'scope' | 'idempotency_key'> &
  Record<'path' | 'query' | 'body', unknown>
export type Write = <A extends Answer>(call: AnyCall, work: (tx: Tx, by: By) => Promise<A>) => Promise<A>

const KEPT_HOURS = 24

/**
 * @param settle waits until no replica decides on what was true before: what takes access away is answered only then, with
 * no lock, lane or connection held
 */
export const writeWith = (database: Database, clock: Clock, seal: Seal, settle: () => Promise<void>): Write => {
  const lanes = new Lanes()
  return async (call, work) => {
    const { principal, scope } = call
    let revoking = false
    const run = () => {
      const by: By = { principal, actor: { type: principal.kind, id: principal.id }, now: clock() }
      return database.within(scope, call.operation_id, async (tx) => {
        const answer =
          call.idempotency_key === undefined
            ? await work(tx, by)
            : await once(tx, seal, by.now, keptAt(call), call, () => work(tx, by))
        revoking = isRevoking(tx)
        return answer
      })
    }
    const answer = await (scope === 'platform' ? run() : lanes.run(scope.tenant_id, run))
    if (revoking) await settle()
    return answer
  }
}

interface Kept {
  history_id: string
  credential_id: string
  operation_id: string
  key: string
}

const keptAt = ({ scope, principal, operation_id, idempotency_key = '' }: AnyCall): Kept => ({
  history_id: historyOf(scope),
  credential_id: `${principal.kind}:${principal.id}`,
  operation_id,
  key: idempotency_key,
})

const once = async <A extends Answer>(
  tx: Tx,
  seal: Seal,
  now: Date,
  kept: Kept,
  { path, query, body }: AnyCall,
  work: () => Promise<A>,
): Promise<A> => {
  const context = `idempotency:${Object.values(kept).join(':')}`
  const request_hash = createHash('sha256')
    .update(canonicalize({ path, query, body }) ?? '')
    .digest()
  await lockOrRefuse(tx, context)
  const before = await findKept(tx, kept, now)
  if (before) {
    if (!before.request_hash.equals(request_hash)) throw new Problem('idempotency.mismatch')
    announceRevocations(tx) // whoever repeats it may have had no answer yet
    return JSON.parse(open(seal, before.sealed_response, context)) // what this same operation answered
  }
  const answer = await work()
  await keep(tx, {
    ...kept,
    request_hash,
    sealed_response: seal.seal(JSON.stringify(answer), context),
    created_at: now.toISOString(),
  })
  return answer
}

const open = (seal: Seal, sealed: Buffer, context: string): string => {
  try {
    return seal.open(sealed, context).toString()
  } catch (cause) {
    throw new Problem('idempotency.answer_lost', { cause })
  }
}

/** Two requests with one key at the same time: the second is told to wait rather than kept waiting. */
const lockOrRefuse = async (tx: Tx, context: string): Promise<void> => {
  const [row] = await tx
    .select({ locked: sql<boolean>`pg_try_advisory_xact_lock(hashtextextended(${context}, 0))` })
    .from(sql`(values (1)) as one`)
  if (!row?.locked) throw new Problem('idempotency.in_progress')
}

const matching = (kept: Kept) =>
  and(
    eq(idempotencyKeys.history_id, kept.history_id),
    eq(idempotencyKeys.credential_id, kept.credential_id),
    eq(idempotencyKeys.operation_id, kept.operation_id),
    eq(idempotencyKeys.key, kept.key),
  )

const findKept = async (tx: Tx, kept: Kept, now: Date) => {
  const [row] = await tx.select().from(idempotencyKeys).where(matching(kept))
  const oldest = now.getTime() - KEPT_HOURS * 3_600_000
  return row && Date.parse(row.created_at) > oldest ? row : undefined
}

const keep = async (tx: Tx, row: typeof idempotencyKeys.$inferInsert): Promise<void> => {
  await tx.delete(idempotencyKeys).where(matching(row)) // one that is older than a day
  await tx.insert(idempotencyKeys).values(row)
}

/** Forgets the answers that are older than a day. */
export const forgetOldAnswers = (database: Database, now: Date): Promise<void> =>
  database.asPlatform('forget old idempotency keys', async (tx) => {
    const oldest = new Date(now.getTime() - KEPT_HOURS * 3_600_000).toISOString()
    await tx.delete(idempotencyKeys).where(sql`${idempotencyKeys.created_at} < ${oldest}`)
  })

/** The headers of a write: the revision it made, and the resource's tag. */
export const writeHeaders = (history: Pick<History, 'position'>, revision?: number): Record<string, string> => ({
  'Tenantry-Revision': history.position,
  ...(revision === undefined ? {} : { ETag: etagOf(revision) }),
})
