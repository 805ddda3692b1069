// The spine: one numbered, hash-chained history for every tenant and one for the platform.
//
// A write locks its history FIRST, as a statement of its own; what it reads and decides after that is decided under the
// lock (READ COMMITTED gives the later statement a fresh snapshot). It ends by appending its events, which moves the
// revision and the head in the same statement. Lock and decision in one statement would decide on the snapshot from
// before the wait.
import { createHash, randomBytes } from 'node:crypto'
import canonicalize from 'canonicalize'
import { eq, sql } from 'drizzle-orm'
import { events, histories, type JsonObject, PLATFORM } from './schema.ts'
import type { PlatformTx, Tx } from './scope.ts'

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

  async append(tx: Tx, ...added: NewEvent[]): Promise<void> {
    const rows = added.map((event) => this.#link(event))
    const personal = rows.flatMap(({ revision, personal }) => (personal ? [{ revision, ...personal }] : []))
    await tx.execute(sql`
      with head as (
        update ${histories} set revision = ${this.#revision}, head_hash = ${this.#head} where id = ${this.id}
      )${
        personal.length > 0
          ? sql`, personal as (
        insert into tenantry.event_personal_data (history_id, revision, salt, data)
        values ${sql.join(
          personal.map((row) => sql`(${this.id}, ${row.revision}, ${row.salt}, ${JSON.stringify(row.data)}::jsonb)`),
          sql`, `,
        )}
      )`
          : sql``
      }
      insert into ${events} (history_id, revision, type, actor_type, actor_id, data, personal_commitment, hash, created_at)
      values ${sql.join(
        rows.map(
          ({ hashed, hash, personal }) => sql`(${this.id}, ${hashed.revision}, ${hashed.type}, ${hashed.actor.type},
          ${hashed.actor.id}, ${JSON.stringify(hashed.data)}::jsonb, ${personal?.commitment ?? null}, ${hash}, ${hashed.created_at})`,
        ),
        sql`, `,
      )}`)
  }

  #link({ type, actor, at, data, personal }: NewEvent) {
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
    return { revision: hashed.revision, hashed, hash: this.#head, personal: kept }
  }
}

const commit = (data: JsonObject): { salt: Buffer; data: JsonObject; commitment: Buffer } => {
  const salt = randomBytes(16)
  return { salt, data, commitment: commitmentOf(salt, data) }
}
