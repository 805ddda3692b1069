// The life of a signing key. Every step is taken under the platform's lock, so replicas agree.
//
//   next ── activates_at ──▶ active ── a successor activates ──▶ retired ── its last token is over ──▶ gone
//     published an hour before it signs                            published until then
//
// An emergency skips all of it: every key is gone at once, what they signed is revoked, and a new one signs.
import type { Actor, History } from '../database/history.ts'
import type { PlatformTx } from '../database/scope.ts'
import { keyTarget } from '../revocations/targets.ts'
import type { Seal } from '../sealing.ts'
import type { NewKey } from './generation.ts'
import {
  deleteSigningKeys,
  insertSigningKey,
  listSigningKeys,
  type SigningKeyRow,
  updateSigningKey,
} from './queries.ts'

const HOUR_MS = 3_600_000
const PUBLISHED_AHEAD_MS = HOUR_MS // verifiers keep a key set for an hour at most
const LONGEST_TOKEN_MS = HOUR_MS + 60_000
const PERIOD_MS = 90 * 24 * HOUR_MS

/** Who turns the keys, and when. `history` is the platform's, locked. */
export interface Turn {
  tx: PlatformTx
  history: History
  actor: Actor
  now: Date
}

export const sealingContext = (kid: string): string => `signing_key:${kid}`

const later = (instant: string | Date, milliseconds: number): Date =>
  new Date(new Date(instant).getTime() + milliseconds)

/** Writes a key. `activates_at` in the future makes it the next one; else it signs from now on. */
const add = async ({ tx, history, actor, now }: Turn, seal: Seal, key: NewKey, activates_at: Date): Promise<void> => {
  const { kid, algorithm, public_jwk } = key
  const status = activates_at > now ? 'next' : 'active'
  await insertSigningKey(tx, {
    ...{ kid, algorithm, public_jwk, status, created_at: now.toISOString(), activates_at: activates_at.toISOString() },
    sealed_private_key: seal.seal(key.private_key.export({ format: 'der', type: 'pkcs8' }), sealingContext(kid)),
  })
  const data = { kid, algorithm, activates_at: activates_at.toISOString() }
  await history.append(tx, { type: 'signing_key.created', actor, at: now, data })
}

/**
 * What a start does: the first key of an installation, or a successor where another algorithm is wanted. At the start
 * only, so that replicas that are told different things do not answer each other's keys with new ones for ever.
 */
export const ensureKey = async (turn: Turn, seal: Seal, key: NewKey): Promise<void> => {
  const active = (await listSigningKeys(turn.tx)).find(({ status }) => status === 'active')
  if (!active) await add(turn, seal, key, turn.now)
  else if (active.algorithm !== key.algorithm) await announceKey(turn, seal, key)
}

/** Publishes a successor, which signs in an hour. Repeatable: a successor that waits already is left as it is. */
export const announceKey = async (turn: Turn, seal: Seal, key: NewKey): Promise<void> => {
  const keys = await listSigningKeys(turn.tx)
  if (keys.some(({ status }) => status === 'next')) return
  await add(turn, seal, key, later(turn.now, PUBLISHED_AHEAD_MS))
}

/** Every key is gone, with all that they signed. */
export const replaceAllKeys = async (turn: Turn, seal: Seal, key: NewKey): Promise<void> => {
  const { tx, history, actor, now } = turn
  const kids = (await listSigningKeys(tx)).map(({ kid }) => kid)
  await deleteSigningKeys(tx, kids)
  await history.append(tx, {
    type: 'signing_key.revoked',
    actor,
    at: now,
    data: { kids },
    revokes: kids.map(keyTarget),
  })
  await add(turn, seal, key, now)
}

/** What is due by now: whether anything has to be done is worth knowing before a lock is taken. */
export interface Due {
  activate: SigningKeyRow | undefined
  remove: SigningKeyRow[]
  announce: boolean
}

export const dueOf = (keys: SigningKeyRow[], now: Date): Due => {
  const next = keys.find(({ status }) => status === 'next')
  const active = keys.find(({ status }) => status === 'active')
  const isOld = active !== undefined && now >= later(active.activates_at, PERIOD_MS - PUBLISHED_AHEAD_MS)
  return {
    activate: next && now >= new Date(next.activates_at) ? next : undefined,
    remove: keys.filter(({ retired_at }) => retired_at !== null && now >= later(retired_at, LONGEST_TOKEN_MS)),
    announce: next === undefined && isOld,
  }
}

export const isAnyDue = ({ activate, remove, announce }: Due): boolean =>
  announce || activate !== undefined || remove.length > 0

/** Takes the steps that are due. `spare` is the key to announce, should that be one of them. */
export const turnKeys = async (turn: Turn, seal: Seal, spare: NewKey): Promise<void> => {
  const { tx, history, actor, now } = turn
  const keys = await listSigningKeys(tx)
  const { activate, remove, announce } = dueOf(keys, now)
  if (remove.length > 0) {
    const kids = remove.map(({ kid }) => kid)
    await deleteSigningKeys(tx, kids)
    await history.append(tx, { type: 'signing_key.removed', actor, at: now, data: { kids } })
  }
  if (activate) await succeed(turn, activate, keys)
  if (announce) await add(turn, seal, spare, later(now, PUBLISHED_AHEAD_MS))
}

const succeed = async (
  { tx, history, actor, now }: Turn,
  next: SigningKeyRow,
  keys: SigningKeyRow[],
): Promise<void> => {
  const before = keys.find(({ status }) => status === 'active')
  if (before) await updateSigningKey(tx, before.kid, { status: 'retired', retired_at: now.toISOString() })
  await updateSigningKey(tx, next.kid, { status: 'active' })
  const data = { kid: next.kid, retired: before?.kid ?? null }
  await history.append(tx, { type: 'signing_key.activated', actor, at: now, data })
}

/** Seals again, under the present encryption key, what an earlier one sealed. */
export const resealKeys = async (tx: PlatformTx, seal: Seal): Promise<void> => {
  for (const { kid, sealed_private_key } of await listSigningKeys(tx)) {
    if (seal.isCurrent(sealed_private_key)) continue
    const opened = seal.open(sealed_private_key, sealingContext(kid))
    await updateSigningKey(tx, kid, { sealed_private_key: seal.seal(opened, sealingContext(kid)) })
  }
}
