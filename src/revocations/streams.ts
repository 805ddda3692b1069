// Server-sent events of revocations: what one connection gets, and how all end.
import { PassThrough, type Readable } from 'node:stream'
import { revocationTargetsOf } from '@tenantry/client'
import { type Clock, isWithin } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { HistoryTail } from '../events/tail.ts'
import type { Principal } from '../http/principal.ts'
import { type Batch, type Entry, readEntries } from './entries.ts'
import { apiKeyTarget } from './targets.ts'
import { eventOf, newsOf, type Resume } from './wire.ts'

const ALIVE_MS = 5_000
const RETRY_MS = 1_000
const AT_ONCE_MS = 100 // nothing is wrong, so there is nothing to wait for
const LASTS_MS = 600_000 // a new connection shows a credential that is still good
const MOST_OF_ONE = 200 // credential: a service has one stream a process
const MOST_UNREAD_BYTES = 1_048_576 // who reads this slowly is not following; the connection ends and it starts over

export interface Wish {
  principal: Principal
  tenant_id: string | undefined
  /** The snapshot to resume from. */
  since: Resume | undefined
}

export class RevocationStreams {
  readonly #database: Database
  readonly #tail: HistoryTail
  readonly #clock: Clock
  readonly #open = new Set<PassThrough>()
  /** How many each credential has, those that are being opened with them. */
  readonly #counts = new Map<string, number>()

  constructor(database: Database, tail: HistoryTail, clock: Clock) {
    this.#database = database
    this.#tail = tail
    this.#clock = clock
  }

  /**
   * Listens first and reads what came before second, so nothing falls in between; what comes twice does no harm.
   * @throws Problem `stream.too_many`
   */
  async open({ principal, tenant_id, since }: Wish): Promise<Readable> {
    const leave = this.#takePlace(principal)
    const early: Batch[] = []
    let hear = (batch: Batch): void => void early.push(batch)
    let stop = (): void => {}
    try {
      stop = await this.#tail.listen((batch) => hear(batch))
      const { kind, first } = await this.#catchUp(tenant_id, since)
      const stream = this.#connect(() => {
        stop()
        leave()
      })
      stream.write(`retry: ${RETRY_MS}\n\n${eventOf(kind, first)}`)
      hear = this.#writer(stream, principal, tenant_id)
      for (const batch of early) hear(batch)
      return stream
    } catch (error) {
      stop()
      leave()
      throw error
    }
  }

  get size(): number {
    return this.#open.size
  }

  /** What came since; everything where that cannot be told, because it was in another epoch. */
  async #catchUp(
    tenant_id: string | undefined,
    since: Resume | undefined,
  ): Promise<{ kind: 'snapshot' | 'revocations'; first: Batch }> {
    const now = this.#clock()
    if (since !== undefined) {
      const first = await readEntries(this.#database, { since: since.snapshot, tenant_id, now })
      if (first.epoch.number === since.epoch) return { kind: 'revocations', first }
    }
    return { kind: 'snapshot', first: await readEntries(this.#database, { since: undefined, tenant_id, now }) }
  }

  /** Ends every stream: the process stops. */
  close(): void {
    for (const stream of this.#open) stream.end()
  }

  /** Answers how to give it back. @throws Problem `stream.too_many` */
  #takePlace(principal: Principal): () => void {
    const owner = ownerOf(principal)
    const count = this.#counts.get(owner) ?? 0
    if (count >= MOST_OF_ONE) throw new Problem('stream.too_many', { headers: { 'Retry-After': '60' } })
    this.#counts.set(owner, count + 1)
    return () => {
      const left = (this.#counts.get(owner) ?? 0) - 1
      if (left > 0) this.#counts.set(owner, left)
      else this.#counts.delete(owner)
    }
  }

  #connect(stop: () => void): PassThrough {
    const stream = new PassThrough()
    this.#open.add(stream)
    stream.once('close', () => {
      stop()
      this.#open.delete(stream)
    })
    return stream
  }

  #writer(stream: PassThrough, principal: Principal, tenant_id: string | undefined): (batch: Batch) => void {
    let wroteAt = this.#clock().getTime()
    const endsAt = Math.min(wroteAt + LASTS_MS, endOf(principal))
    return (batch) => {
      const now = this.#clock().getTime()
      if (now >= endsAt) return void stream.end(`retry: ${AT_ONCE_MS}\n\n`)
      const { entries, bytes } = newsOf(batch, tenant_id)
      if (entries.length === 0 && isWithin(ALIVE_MS, wroteAt, now)) return
      wroteAt = now
      stream.write(bytes)
      if (stream.readableLength + stream.writableLength > MOST_UNREAD_BYTES) stream.destroy()
      else if (entries.some((entry) => concerns(entry, principal))) stream.end()
    }
  }
}

const ownerOf = ({ kind, id }: Principal): string => `${kind}:${id}`

/** When the credential is over, in milliseconds. */
const endOf = (principal: Principal): number => {
  const rights = principal.ends_at === null ? Number.POSITIVE_INFINITY : Date.parse(principal.ends_at)
  return principal.kind === 'membership' ? Math.min(rights, principal.token.exp * 1_000) : rights
}

/** Whether the entry ends the credential that listens: after it, a new connection has to show a good one. */
const concerns = ({ history, target }: Entry, principal: Principal): boolean => {
  if (principal.kind === 'membership') return revocationTargetsOf(principal.token).includes(target)
  return history === (principal.tenant_id ?? 'platform') && target === apiKeyTarget(principal.id)
}
