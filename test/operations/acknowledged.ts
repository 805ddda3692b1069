// A stream of writes to a service that is about to be killed, and what it acknowledged of them.
import { EventEmitter, once } from 'node:events'

import { request } from './processes.ts'

const WRITERS = 4
const MOST_WRITES = 2_000 // bounded: it ends even when nobody kills the service

export interface Stream {
  /** Settles when so many writes are acknowledged; more are under way. */
  acknowledged: Promise<unknown>
  /** The ids that were answered with 201, when the stream has broken off. */
  ended: Promise<string[]>
}

export const writeMemberships = (address: string, credential: string, tenant_id: string, enough: number): Stream => {
  const ids: string[] = []
  const progress = new EventEmitter()
  const write = async (writer: number): Promise<void> => {
    for (let number = 0; ids.length < MOST_WRITES; number++) {
      const user_id = `user_${writer}_${number}`
      const { status, body } = await request(address, credential, 'POST /memberships', { tenant_id, user_id })
      if (status !== 201) throw new Error(`a write was answered ${status}: ${JSON.stringify(body)}`)
      if (ids.push(body.id) === enough) progress.emit('enough')
    }
  }
  const acknowledged = once(progress, 'enough')
  const ended = Promise.allSettled(Array.from({ length: WRITERS }, (_, writer) => write(writer))).then((writers) => {
    for (const writer of writers) {
      const reason = writer.status === 'rejected' ? writer.reason : undefined
      if (!(reason instanceof TypeError)) throw reason ?? new Error('the service was never killed') // fetch's own error
    }
    return ids
  })
  return { acknowledged, ended }
}

/** The ids of all memberships of the tenant, page by page. */
export const membershipIds = async (address: string, credential: string, tenant_id: string): Promise<Set<string>> => {
  const ids = new Set<string>()
  for (let cursor = ''; ; ) {
    const { body } = await request(address, credential, `GET /memberships?tenant_id=${tenant_id}&limit=200${cursor}`)
    for (const { id } of body.data) ids.add(id)
    if (body.next_cursor === null) return ids
    cursor = `&cursor=${body.next_cursor}`
  }
}
