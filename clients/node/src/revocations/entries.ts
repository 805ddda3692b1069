// What the feed says, whichever way it came: entries that name stale tokens. Judged strictly; unknown members are left
// alone, so that the service may say more one day.

import { readInstant } from '../instant.ts'
import { isObject } from '../json.ts'

/**
 * Tokens below revision `rev` of `history` that fit `target` are stale. After `expires_at_ms` no such token can be
 * valid any more, and the entry is forgotten.
 */
export type RevocationEntry = {
  /** A tenant's id, or `platform`. */
  readonly history: string
  readonly target: string
  readonly rev: number
  readonly expires_at_ms: number
}

export type RevocationBatch = {
  readonly entries: readonly RevocationEntry[]
  /** The tenants that the feed is about, null for all; undefined where it was not said. */
  readonly tenants: readonly string[] | null | undefined
  /**
   * Grows when the service's database was restored to an earlier point. All keys are others then, and entries from before are
   * about revisions that may be given out again. A batch with a higher one than before has everything in it.
   */
  readonly epoch?: number | undefined
}

/** A batch, or undefined if any part of it is malformed: half of it would be a guess at what was meant. */
export function readBatch({ entries, tenants, epoch }: Record<string, unknown>): RevocationBatch | undefined {
  if (!Array.isArray(entries) || !isTenants(tenants)) return undefined
  if (epoch !== undefined && !isRevision(epoch)) return undefined
  const read: RevocationEntry[] = []
  for (const value of entries) {
    const entry = readEntry(value)
    if (entry === undefined) return undefined
    read.push(entry)
  }
  return { entries: read, tenants, epoch }
}

function readEntry(value: unknown): RevocationEntry | undefined {
  if (!isObject(value)) return undefined
  const { history, target, rev, expires_at } = value
  const expires_at_ms = readInstant(expires_at)
  if (!isText(history) || !isText(target) || !isRevision(rev) || expires_at_ms === undefined) return undefined
  return { history, target, rev, expires_at_ms }
}

function isTenants(value: unknown): value is readonly string[] | null | undefined {
  return value === undefined || value === null || (Array.isArray(value) && value.every(isText))
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isRevision(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
