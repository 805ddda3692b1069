// A dry run: the write itself, with every check, in a transaction that is rolled back.
import type { components } from '@tenantry/client/contract'
import type { Tx } from '../database/scope.ts'
import type { By, Write } from './write.ts'

type DryRun = components['schemas']['DryRun']

/** Thrown out of the transaction, which undoes it. */
class Rehearsed extends Error {
  readonly answer: DryRun

  constructor(answer: DryRun) {
    super('a dry run')
    this.answer = answer
  }
}

/** What `work` says would change. It writes as if in earnest; nothing of it remains, not even under an Idempotency-Key. */
export const rehearse = async (
  write: Write,
  call: Parameters<Write>[0],
  work: (tx: Tx, by: By) => Promise<DryRun>,
): Promise<{ status: 200; body: DryRun }> => {
  try {
    return await write({ ...call, idempotency_key: undefined }, async (tx, by) => {
      throw new Rehearsed(await work(tx, by))
    })
  } catch (error) {
    if (error instanceof Rehearsed) return { status: 200, body: error.answer }
    throw error
  }
}
