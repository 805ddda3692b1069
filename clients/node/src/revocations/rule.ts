// Which tokens are stale: the rule of revocation, over the entries that were heard. No I/O and no clock.

import type { TokenClaims } from '../claims.ts'
import type { RevocationEntry } from './entries.ts'

/** What of a token its staleness depends on, apart from the key that signed it. */
export type Revocable = Pick<
  TokenClaims,
  'tenant_id' | 'membership_id' | 'roles' | 'narrowed_from' | 'client_id' | 'issuer_id' | 'sub' | 'jti' | 'rev'
>

/** The history of what belongs to no tenant. */
export const PLATFORM = 'platform'

/** About 100 MB. In the hour that an entry lives, that is 70 narrowing changes per second. */
const MAX_ENTRIES = 250_000

/** Who changes more than that in an hour, or wants to fill everybody's memory, has all tokens of that tenant taken as stale. */
const MAX_TARGETS_OF_TENANT = 1_000

type Bound = Pick<RevocationEntry, 'rev' | 'expires_at_ms'>
type Targets = Map<string, readonly Bound[]>
type History = {
  readonly targets: Targets
  /** No entry has a higher revision. */
  readonly newest_rev: number
}

/**
 * The live entries, by history and target. Entries only ever add up: one that was heard counts until it expires, in
 * whichever order and however often it comes, so nobody can take one back by telling an older story.
 *
 * @example
 * revocations.add(entries, Date.now())
 * revocations.findStale(claims, kid, Date.now()) // 'membership:0197a0c3-…', or undefined if the token is not stale
 */
export class Revocations {
  readonly #max_entries: number
  readonly #histories = new Map<string, History>()
  #size = 0

  constructor(max_entries = MAX_ENTRIES) {
    this.#max_entries = max_entries
  }

  /** How many entries are held. */
  get size(): number {
    return this.#size
  }

  /** @throws RangeError when there are more live entries than are kept; those that fitted in are held */
  add(entries: readonly RevocationEntry[], now_ms: number): void {
    if (this.#size + entries.length > this.#max_entries) this.sweep(now_ms)
    for (const entry of entries) if (entry.expires_at_ms > now_ms) this.#add(entry)
  }

  /** The target that makes the token stale, if any does. */
  findStale(token: Revocable, kid: string, now_ms: number): string | undefined {
    return this.#findIn(token.tenant_id, token, kid, now_ms) ?? this.#findIn(PLATFORM, token, kid, now_ms)
  }

  /** Whether nothing that this key signed is to be believed. */
  isRevokedKey(kid: string, now_ms: number): boolean {
    const platform = this.#histories.get(PLATFORM)
    return platform !== undefined && isRevoked(platform.targets, `key:${kid}`, ANY_REV, now_ms)
  }

  /** Forgets what was about revisions. What was signed with the keys of then stays revoked. */
  keepOnlyKeys(): void {
    for (const [history, { targets }] of this.#histories) {
      for (const [target, bounds] of targets) {
        if (target.startsWith('key:')) continue
        this.#size -= bounds.length
        targets.delete(target)
      }
      if (targets.size === 0) this.#histories.delete(history)
    }
  }

  /** Forgets the entries that are over. */
  sweep(now_ms: number): void {
    for (const [history, { targets }] of this.#histories) {
      for (const [target, bounds] of targets) {
        const live = bounds.filter(({ expires_at_ms }) => expires_at_ms > now_ms)
        this.#size -= bounds.length - live.length
        if (live.length === 0) targets.delete(target)
        else if (live.length < bounds.length) targets.set(target, live)
      }
      if (targets.size === 0) this.#histories.delete(history)
    }
  }

  /**
   * Later revisions end later, so that one bound per target is nearly always all: the highest. Only when clocks of the
   * service disagree is a lower one kept beside it, for as long as it outlives the higher.
   */
  #add({ history, target, rev, expires_at_ms }: RevocationEntry): void {
    const { targets, newest_rev }: History = this.#histories.get(history) ?? { targets: new Map(), newest_rev: 0 }
    if (history !== PLATFORM && targets.size >= MAX_TARGETS_OF_TENANT && !targets.has(target)) this.#collapse(targets)
    const known = targets.get(target) ?? []
    if (known.some((bound) => bound.rev >= rev && bound.expires_at_ms >= expires_at_ms)) return
    const kept = known.filter((bound) => bound.rev > rev || bound.expires_at_ms > expires_at_ms)
    if (this.#size + kept.length - known.length >= this.#max_entries) {
      throw new RangeError(`there are more than ${this.#max_entries} live entries`)
    }
    this.#size += kept.length + 1 - known.length
    targets.set(target, [...kept, { rev, expires_at_ms }])
    this.#histories.set(history, { targets, newest_rev: Math.max(newest_rev, rev) })
  }

  /** One entry for the whole tenant says at least what all of them said. Only keys are no matter of revisions. */
  #collapse(targets: Targets): void {
    let whole: Bound = { rev: 0, expires_at_ms: 0 }
    for (const [target, bounds] of targets) {
      if (target.startsWith('key:')) continue
      for (const { rev, expires_at_ms } of bounds) {
        whole = { rev: Math.max(whole.rev, rev), expires_at_ms: Math.max(whole.expires_at_ms, expires_at_ms) }
      }
      this.#size -= bounds.length
      targets.delete(target)
    }
    targets.set('tenant', [whole])
    this.#size++
  }

  /** Most histories have no entry at all, and most tokens are younger than the last: then little is looked up. */
  #findIn(history: string, token: Revocable, kid: string, now_ms: number): string | undefined {
    const known = this.#histories.get(history)
    if (known === undefined) return undefined
    const { targets, newest_rev } = known
    const key = `key:${kid}`
    if (isRevoked(targets, key, ANY_REV, now_ms)) return key
    const rev = Object.hasOwn(token.rev, history) ? (token.rev[history] ?? 0) : 0
    if (rev >= newest_rev) return undefined
    return targetsOf(token).find((target) => isRevoked(targets, target, rev, now_ms))
  }
}

/** Below every revision: what a key signed is not believed, and so neither is the revision that it says. */
const ANY_REV = -1

function isRevoked(targets: Targets, target: string, rev: number, now_ms: number): boolean {
  return targets.get(target)?.some((bound) => rev < bound.rev && now_ms < bound.expires_at_ms) === true
}

/**
 * What an entry can name to mean this token, apart from its signing key. A machine's `sub` is spelt like the target that
 * names its key.
 */
export function targetsOf({
  membership_id,
  roles,
  narrowed_from = [],
  client_id,
  issuer_id,
  sub,
  jti,
}: Omit<Revocable, 'tenant_id' | 'rev'>): string[] {
  return [
    'tenant',
    membership_id === null ? sub : `membership:${membership_id}`,
    `api_key:${client_id}`,
    `token:${jti}`,
    ...(issuer_id === undefined ? [] : [`issuer:${issuer_id}`]),
    ...[...roles, ...narrowed_from].map((role) => `role:${role}`),
  ]
}
