// An epoch is a stretch in which histories only grow. A restore to an earlier point, or a failover that lost the newest
// commits, takes revisions back: numbers are given out again, for other things. What rests on such a number (a token's `rev`,
// a cursor, what is kept in memory) must not be compared with the new ones, so a new epoch begins:
//
//   tokens    every signing key is replaced, so all that were issued before are dead
//   cursors   carry the epoch's number, and are refused or started over
//   memory    is thrown away when another number is heard
//   histories say so themselves, the platform's and, after a restore, each tenant's
import { type Actor, History } from '../database/history.ts'
import { PLATFORM } from '../database/schema.ts'
import type { Database, PlatformTx } from '../database/scope.ts'
import type { Seal } from '../sealing.ts'
import { type Algorithm, generateKey } from '../signing-keys/generation.ts'
import { replaceAllKeys } from '../signing-keys/rotation.ts'
import { type Epoch, insertEpoch, readEpochIn } from './queries.ts'

const SYSTEM: Actor = { type: 'system', id: null }
const HISTORIES_AT_A_TIME = 500

/** At the first start: histories are as long as they ever were. */
export const ensureEpoch = async (tx: PlatformTx, now: Date): Promise<void> => {
  const { number, place } = await readEpochIn(tx)
  if (number === 0) await insertEpoch(tx, { number: 1, place, nothing_lost: true, now })
}

interface Begin {
  database: Database
  seal: Seal
  algorithm: Algorithm
  now: Date
  /** Whoever says so knows that every acknowledged commit is there: keys and tokens stay good. */
  nothing_lost: boolean
  /** Also into each tenant's history: they are locked meanwhile, so nobody should be writing. */
  in_tenants: boolean
  /** Whether it is to be begun, as seen under the lock: of several that notice at once, one begins it. */
  isDue(epoch: Epoch): boolean
}

export interface Begun {
  epoch: number
  /** How many tenants' histories say so. */
  tenants: number
}

/** All of it or nothing. Undefined when it was not due. */
export const beginEpoch = async ({ database, seal, algorithm, now, ...how }: Begin): Promise<Begun | undefined> => {
  const key = await generateKey(algorithm) // before the lock
  return database.asPlatform('begin a new epoch', async (tx) => {
    const history = await History.lockPlatform(tx)
    const before = await readEpochIn(tx)
    if (!how.isDue(before)) return undefined
    const { nothing_lost } = how
    const number = before.number + 1
    await insertEpoch(tx, { number, place: before.place, nothing_lost, now })
    const data = { epoch: number, nothing_lost }
    await history.append(tx, { type: 'platform.restored', actor: SYSTEM, at: now, data })
    if (!nothing_lost) await replaceAllKeys({ tx, history, actor: SYSTEM, now }, seal, key)
    const event = { type: 'tenant.restored', actor: SYSTEM, at: now, data }
    return { epoch: number, tenants: how.in_tenants ? await tellTenants(tx, event) : 0 }
  })
}

const tellTenants = async (tx: PlatformTx, event: Parameters<typeof History.appendToEach>[2]): Promise<number> => {
  let told = 0
  for (let after = PLATFORM; ; ) {
    const held = await History.lockTenants(tx, after, HISTORIES_AT_A_TIME)
    if (held.length > 0) await History.appendToEach(tx, held, event)
    told += held.length
    after = held.at(-1)?.id ?? after
    if (held.length < HISTORIES_AT_A_TIME) return told
  }
}
