// Looks behind the service's back whether the histories are what they promise: no revision missing, no link broken.
import { eventHash } from '../../src/database/history.ts'
import type { TestDatabase } from '../support/databases.ts'

type Look = TestDatabase['superuser']

const EVENTS = `
  select history_id, revision::int as revision, type, actor_type, actor_id, data, personal_commitment, hash, created_at
  from tenantry.events order by history_id, revision`
const HEADS = 'select id, revision::int as revision, head_hash from tenantry.histories'

const hex = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString('hex')

const hashOf = (previous: Buffer, event: Record<string, unknown>): Buffer =>
  eventHash(previous, {
    history_id: String(event.history_id),
    revision: Number(event.revision),
    type: String(event.type),
    actor: { type: event.actor_type as 'system', id: event.actor_id as string | null },
    data: event.data as { [key: string]: unknown },
    personal_commitment: event.personal_commitment === null ? null : hex(event.personal_commitment),
    created_at: (event.created_at as Date).toISOString(),
  })

/** One sentence for everything that is wrong with any history; empty when all are perfect. */
export const faultsOfHistories = async (look: Look): Promise<string[]> => {
  const faults: string[] = []
  const ends = new Map<string, { revision: number; hash: Buffer }>()
  for (const event of await look(EVENTS)) {
    const id = String(event.history_id)
    const before = ends.get(id) ?? { revision: 0, hash: Buffer.alloc(32) }
    const revision = Number(event.revision)
    const hash = Buffer.from(event.hash as Uint8Array)
    if (revision !== before.revision + 1) faults.push(`${id}: revision ${before.revision} is followed by ${revision}`)
    if (!hashOf(before.hash, event).equals(hash)) faults.push(`${id}:${revision}: its hash does not follow`)
    ends.set(id, { revision, hash })
  }
  for (const { id, revision, head_hash } of await look(HEADS)) {
    const end = ends.get(String(id))
    if (end?.revision !== revision) faults.push(`${id}: its head is at ${revision}, its last event at ${end?.revision}`)
    else if (hex(head_hash) !== end?.hash.toString('hex')) faults.push(`${id}: its head is not its last event`)
  }
  return faults
}
