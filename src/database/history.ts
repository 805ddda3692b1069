// The spine: one numbered, hash-chained history for every tenant and one for the platform.
//
// A write locks its history FIRST, as a statement of its own; what it reads and decides after that is decided under the
// lock (READ COMMITTED gives the later statement a fresh snapshot). It ends by appending its events, which moves the
// revision and the head in the same statement. Lock and decision in one statement would decide on the snapshot from
// before the wait.
import { createHash, randomBytes } from 'node:crypto'
import canonicalize from 'canonicalize'
import { asc, eq, gt, type SQL, sql } from 'drizzle-orm'
import { eventPersonalData, events, histories, type JsonObject, PLATFORM, revocations } from './schema.ts'
import { announceChanges, announceRevocations, type PlatformTx, type Tx } from './scope.ts'

export interface Actor {
  type: 'api_key' | 'membership' | 'system'
  id: string | null
}

export interface NewEvent {
  /** `<resource>.<past participle>`, e.g. `membership.created`. */
  type: string
  actor: Actor
  at: Date
  /** Opaque ids and facts. No personal data: no e-mail, name, free text or user id. */
  data: JsonObject
  /** What is personal about it; kept beside the chain, which holds only a salted commitment. */
  personal?: JsonObject
  /** What it makes stale: tokens below this revision that fit one of these targets (`revocations/targets.ts`). */
  revokes?: string[]
}

/** The part of an event that its hash covers, besides the hash before it. */
export interface HashedEvent {
  history_id: string
  revision: number
  type: string
  actor: Actor
  data: JsonObject
  personal_commitment: string | null
  created_at: string
}

export const GENESIS = Buffer.alloc(32)

const sha256 = (...parts: (Buffer | string)[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** @throws when the value has no canonical form (RFC 8785); such text is refused at the door (`http/text.ts`). */
const canonical = (value: unknown): string => {
  const text = canonicalize(value)
  if (text === undefined) throw new Error('the value has no canonical JSON form')
  return text
}

export const eventHash = (previous: Buffer, event: HashedEvent): Buffer => sha256(previous, canonical(event))

export const commitmentOf = (salt: Buffer, personal: JsonObject): Buffer => sha256(salt, canonical(personal))

/** The head of a history, held under its lock by this transaction. */
export class History {
  readonly id: string
  #revision: number
  #head: Buffer

  private constructor(id: string, revision: number, head: Buffer) {
    this.id = id
    this.#revision = revision
    this.#head = head
  }

  /** Waits for the lock. Undefined when there is no such history in this scope. */
  static async lock(tx: Tx, id: string): Promise<History | undefined> {
    const [row] = await tx.select().from(histories).where(eq(histories.id, id)).for('no key update')
    return row && new History(row.id, row.revision, row.head_hash)
  }

  /** The platform's history, which the service makes at its first start. */
  static async lockPlatform(tx: Tx): Promise<History> {
    const history = await History.lock(tx, PLATFORM)
    if (!history) throw new Error('the platform has no history')
    return history
  }

  /** A new tenant's history; nobody else can see it before the commit. */
  static async create(tx: PlatformTx, id: string): Promise<History> {
    await tx.insert(histories).values({ id, revision: 0, head_hash: GENESIS })
    return new History(id, 0, GENESIS)
  }

  /** Locks a history that may not exist yet; of two that come first at once, one makes it and the other waits. */
  static async ensure(tx: PlatformTx, id: string): Promise<History> {
    await tx.insert(histories).values({ id, revision: 0, head_hash: GENESIS }).onConflictDoNothing()
    const history = await History.lock(tx, id)
    if (!history) throw new Error('a history was made and is not there')
    return history
  }

  /** The revision of the last event. */
  get revision(): number {
    return this.#revision
  }

  /** The revision that the next event will have: what a row written now carries. */
  get next(): number {
    return this.#revision + 1
  }

  /** How a revision is named: always with its history. */
  get position(): string {
    return `${this.id === PLATFORM ? 'platform' : this.id}:${this.#revision}`
  }

  /** One statement: the new head, the events, and what goes beside them. */
  async append(tx: Tx, ...added: NewEvent[]): Promise<void> {
    const links = added.map((event) => this.#link(event))
    const beside = [personalOf(this.id, links), revocationsOf(this.id, links)].filter((part) => part !== undefined)
    await tx.execute(sql`
      with head as (
        update ${histories} set revision = ${this.#revision}, head_hash = ${this.#head} where id = ${this.id}
      )${sql.join(beside.map((part) => sql`, ${part}`))}
      insert into ${events} (history_id, revision, type, actor_type, actor_id, data, personal_commitment, hash, created_at)
      values ${rowsOf(links, ({ hashed, hash, personal }) => [
        sql`${this.id}, ${hashed.revision}, ${hashed.type}, ${hashed.actor.type}, ${hashed.actor.id}`,
        sql`${JSON.stringify(hashed.data)}::jsonb, ${personal?.commitment ?? null}, ${hash}, ${hashed.created_at}`,
      ])}`)
    announceChanges(
      tx,
      links.map(({ hashed: { history_id, type, data }, revokes }) => ({ history_id, type, data, revokes })),
    )
    if (links.some(({ revokes }) => revokes.length > 0)) announceRevocations(tx)
  }

  /** The same event in many histories, each of which this transaction has locked: one statement for all. */
  static async appendToEach(tx: PlatformTx, held: History[], event: NewEvent): Promise<void> {
    const links = held.map((history) => history.#link(event))
    await tx.execute(sql`
      with heads as (
        update ${histories} h set revision = v.revision, head_hash = v.hash
        from (values ${rowsOf(links, ({ hashed, hash }) => [
          sql`${hashed.history_id}::uuid, ${hashed.revision}::bigint, ${hash}::bytea`,
        ])}) as v (id, revision, hash)
        where h.id = v.id
      )
      insert into ${events} (history_id, revision, type, actor_type, actor_id, data, hash, created_at)
      values ${rowsOf(links, ({ hashed, hash }) => [
        sql`${hashed.history_id}, ${hashed.revision}, ${hashed.type}, ${hashed.actor.type}, ${hashed.actor.id}`,
        sql`${JSON.stringify(hashed.data)}::jsonb, ${hash}, ${hashed.created_at}`,
      ])}`)
    announceChanges(
      tx,
      links.map(({ hashed: { history_id, type, data } }) => ({ history_id, type, data })),
    )
  }

  /** Waits for the locks of some tenants' histories: those after this one, in the order of their ids. */
  static async lockTenants(tx: PlatformTx, after: string, limit: number): Promise<History[]> {
    const rows = await tx
      .select()
      .from(histories)
      .where(gt(histories.id, after))
      .orderBy(asc(histories.id))
      .limit(limit)
      .for('no key update')
    return rows.map((row) => new History(row.id, row.revision, row.head_hash))
  }

  #link({ type, actor, at, data, personal, revokes = [] }: NewEvent): Link {
    const kept = personal && commit(personal)
    const hashed: HashedEvent = {
      history_id: this.id,
      revision: this.next,
      type,
      actor,
      data,
      personal_commitment: kept ? kept.commitment.toString('hex') : null,
      created_at: at.toISOString(),
    }
    this.#revision = hashed.revision
    this.#head = eventHash(this.#head, hashed)
    return { hashed, hash: this.#head, personal: kept, revokes }
  }
}

/** An event in its place in the chain. */
interface Link {
  hashed: HashedEvent
  hash: Buffer
  personal: Commitment | undefined
  revokes: string[]
}

interface Commitment {
  salt: Buffer
  data: JsonObject
  commitment: Buffer
}

const commit = (data: JsonObject): Commitment => {
  const salt = randomBytes(16)
  return { salt, data, commitment: commitmentOf(salt, data) }
}

const rowsOf = <T>(items: T[], columnsOf: (item: T) => SQL[]): SQL =>
  sql.join(
    items.map((item) => sql`(${sql.join(columnsOf(item), sql`, `)})`),
    sql`, `,
  )

const personalOf = (history_id: string, links: Link[]): SQL | undefined => {
  const kept = links.flatMap(({ hashed, personal }) => (personal ? [{ ...personal, revision: hashed.revision }] : []))
  if (kept.length === 0) return undefined
  return sql`personal as (
    insert into ${eventPersonalData} (history_id, revision, salt, data)
    values ${rowsOf(kept, ({ revision, salt, data }) => [sql`${history_id}, ${revision}, ${salt}, ${JSON.stringify(data)}::jsonb`])})`
}

const revocationsOf = (history_id: string, links: Link[]): SQL | undefined => {
  const revoked = links.flatMap(({ hashed, revokes }) => revokes.map((target) => ({ hashed, target })))
  if (revoked.length === 0) return undefined
  return sql`revoked as (
    insert into ${revocations} (history_id, revision, target, expires_at)
    values ${rowsOf(revoked, ({ hashed, target }) => [
      sql`${history_id}, ${hashed.revision}, ${target}, ${endOfRevocation(hashed.created_at)}`,
    ])})`
}

// As long as the longest possible token lives, whatever is configured today, and a minute for clocks.
const REVOCATION_MS = (3_600 + 60) * 1_000

const endOfRevocation = (at: string): string => new Date(Date.parse(at) + REVOCATION_MS).toISOString()
