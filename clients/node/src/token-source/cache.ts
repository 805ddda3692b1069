// The tokens that a source holds: one per tenant, audience, scope and subject, and never one of them for another.

import { createHash } from 'node:crypto'
import type { Obtained, Wanted } from './request.ts'

/** Past this the one that was not used for the longest goes. */
const MAX_TOKENS = 1_000

/** A token that is about to end would end on its way. */
const ENDING_MS = 5_000

/** A token is renewed in the last fifth of its life, but no earlier than a minute before its end. */
const AHEAD = { share: 0.2, max_ms: 60_000 }

/** How long after a failure it is tried again while the token at hand is still good. */
const PAUSE_MS = 1_000

export type Slot = {
  /** The token at hand, if any. */
  held: Obtained | undefined
  /** The one that is on its way, for all who want it. */
  pending: Promise<Obtained> | undefined
  /** Not to be renewed ahead of its end before that. */
  renew_at_ms: number
}

export class TokenCache {
  readonly #slots = new Map<string, Slot>()

  slotOf(wanted: Wanted): Slot {
    const key = keyOf(wanted)
    const slot = this.#slots.get(key) ?? { held: undefined, pending: undefined, renew_at_ms: 0 }
    this.#slots.delete(key)
    this.#slots.set(key, slot) // now the last to go
    const [oldest] = this.#slots.keys()
    if (this.#slots.size > MAX_TOKENS && oldest !== undefined) this.#slots.delete(oldest)
    return slot
  }
}

/** The subject's own token is a secret, and long: what is kept of it is enough to tell it from others. */
function keyOf({ tenant_id, audience, scope, subject_token = '' }: Wanted): string {
  const subject = createHash('sha256').update(subject_token).digest('base64url')
  return JSON.stringify([tenant_id, audience, scope, subject])
}

export function isUsable({ obtained_at_ms, lifetime_ms }: Obtained, now_ms: number): boolean {
  const age_ms = now_ms - obtained_at_ms
  // A clock that was set back says nothing about how old the token is.
  return age_ms >= 0 && age_ms < lifetime_ms - Math.min(ENDING_MS, lifetime_ms / 2)
}

export function keep(slot: Slot, obtained: Obtained, random: () => number): void {
  const { obtained_at_ms, lifetime_ms } = obtained
  const ahead_ms = Math.min(AHEAD.max_ms, lifetime_ms * AHEAD.share) * (0.5 + random() / 2)
  slot.held = obtained
  slot.renew_at_ms = obtained_at_ms + lifetime_ms - ahead_ms
}

export function postpone(slot: Slot, now_ms: number): void {
  slot.renew_at_ms = now_ms + PAUSE_MS
}
