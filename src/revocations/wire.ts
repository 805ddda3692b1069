// Revocations as server-sent events, each made once for all the streams that get it: a thousand streams share its bytes.
import { isSnapshot } from '../database/snapshots.ts'
import type { Batch, Entry } from './entries.ts'

/** Where a stream resumes: a snapshot means nothing in another epoch. */
export interface Resume {
  epoch: number
  snapshot: string
}

const idOf = (epoch: number, snapshot: string): string => `${epoch}/${snapshot}`

/** Undefined for what is no id of ours: the stream then starts over. */
export const resumeFrom = (id: string | undefined): Resume | undefined => {
  const [, epoch, snapshot = ''] = /^(\d{1,9})\/(.+)$/.exec(id ?? '') ?? []
  return epoch !== undefined && isSnapshot(snapshot) ? { epoch: Number(epoch), snapshot } : undefined
}

type Kind = 'snapshot' | 'revocations' | 'alive'

export const eventOf = (
  kind: Kind,
  { snapshot, entries, epoch }: Pick<Batch, 'snapshot' | 'entries' | 'epoch'>,
): string =>
  `event: ${kind}\nid: ${idOf(epoch.number, snapshot)}\ndata: ${JSON.stringify({ entries, epoch: epoch.restored })}\n\n`

/** What a batch says to those who follow one tenant, or all. */
export interface News {
  entries: Entry[]
  bytes: Buffer
}

const ALL = 'all'
const made = new WeakMap<Batch, Map<string, News>>()

/** Of a batch without entries for them it is a sign of life; an empty batch is the same for everybody. */
export const newsOf = (batch: Batch, tenant_id: string | undefined): News => {
  const whom = batch.entries.length === 0 ? ALL : (tenant_id ?? ALL)
  const known = made.get(batch) ?? new Map<string, News>()
  const news = known.get(whom) ?? make(batch, tenant_id)
  made.set(batch, known.set(whom, news))
  return news
}

const make = ({ snapshot, entries: all, epoch }: Batch, tenant_id: string | undefined): News => {
  const entries =
    tenant_id === undefined ? all : all.filter(({ history }) => history === tenant_id || history === 'platform')
  const kind = entries.length === 0 ? 'alive' : 'revocations'
  return { entries, bytes: Buffer.from(eventOf(kind, { snapshot, entries, epoch })) }
}
