// A dry run: the write itself, with every check, in a transaction that is rolled back.
import type { Tx } from '../database/scope.ts'
import type { By, Write } from './write.ts'

type DryRun = { dry_run: true }

/** Thrown out of the transaction, which undoes it. */
class Rehearsed extends Error {}

/** What `work` says would change. It writes as if in earnest; nothing of it remains, not even under an Idempotency-Key. */
export const rehearse = async <Answer extends DryRun>(
  write: Write,
  call: Parameters<Write>[0],
  work: (tx: Tx, by: By) => Promise<Answer>,
): Promise<{ status: 200; body: Answer }> => {
  let body: Answer | undefined
  try {
    return await write({ ...call, idempotency_key: undefined }, async (tx, by) => {
      body = await work(tx, by)
      throw new Rehearsed('a dry run')
    })
  } catch (error) {
    if (error instanceof Rehearsed && body) return { status: 200, body }
    throw error
  }
}
