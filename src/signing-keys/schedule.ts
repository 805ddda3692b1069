// Turns the keys when their time has come: a chore of every replica.
import { History } from '../database/history.ts'
import type { Database } from '../database/scope.ts'
import type { Seal } from '../sealing.ts'
import { type Algorithm, generateKey } from './generation.ts'
import { listSigningKeys } from './queries.ts'
import { dueOf, isAnyDue, turnKeys } from './rotation.ts'

/** Takes the steps of the schedule that are due; mostly there are none, and no lock is taken. */
export const turnKeysIfDue = async (database: Database, seal: Seal, algorithm: Algorithm, now: Date): Promise<void> => {
  const keys = await database.asPlatform('see which signing keys are due', listSigningKeys)
  if (!isAnyDue(dueOf(keys, now))) return
  const spare = await generateKey(algorithm)
  await database.asPlatform('turn the signing keys', async (tx) => {
    const history = await History.lockPlatform(tx)
    await turnKeys({ tx, history, actor: { type: 'system', id: null }, now }, seal, spare)
  })
}
