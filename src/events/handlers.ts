// HTTP in and out of the histories.
import type { components } from '@tenantry/client/contract'
import type { Database, PlatformTx } from '../database/scope.ts'
import { isSnapshot } from '../database/snapshots.ts'
import { readEpochIn } from '../epochs/queries.ts'
import { Problem } from '../errors.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { DEFAULT_LIMIT, decodeCursor, pageOf } from '../http/pagination.ts'
import { currentSnapshot, type EventRow, listEventsOf, listEventsOfAll } from './queries.ts'

type Reply = Awaited<ReturnType<Handlers['listEvents']>>
type Query = Call<'listEvents'>['query']

const viewOf = ({
  tenant_id,
  revision,
  type,
  actor_type,
  actor_id,
  data,
  personal_commitment,
  hash,
  created_at,
}: EventRow): components['schemas']['Event'] => ({
  ...{ tenant_id, revision, type, actor: { type: actor_type, id: actor_id }, data, created_at },
  ...{ personal_commitment: personal_commitment?.toString('hex') ?? null, hash: hash.toString('hex') },
})

interface Window {
  epoch: number
  snapshot: string
  after: number
}

const isRevision = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const isWindow = (value: unknown): value is Window => {
  const { epoch, snapshot, after } = (value ?? {}) as Partial<Window>
  return isRevision(epoch) && typeof snapshot === 'string' && isSnapshot(snapshot) && isRevision(after)
}

export const eventHandlers = ({ database }: { database: Database }): Pick<Handlers, 'listEvents'> => {
  const ofTenant = async (
    tenant_id: string,
    { after = 0, type, limit = DEFAULT_LIMIT, cursor }: Query,
  ): Promise<Reply> => {
    const from = decodeCursor(cursor, isRevision) ?? after
    const rows = await database.forTenant({ tenant_id }, (tx) =>
      listEventsOf(tx, { history_id: tenant_id, after: from, type, limit: limit + 1 }),
    )
    return { status: 200, body: pageOf(rows, limit, viewOf, ({ revision }) => revision) }
  }

  const ofAll = (tx: PlatformTx, cursor: Window | undefined, { type, limit = DEFAULT_LIMIT }: Query): Promise<Reply> =>
    readWindow(tx, cursor).then(async ({ epoch, snapshot, after }) => {
      const rows = await listEventsOfAll(tx, { snapshot, after, type, limit: limit + 1 })
      return {
        status: 200,
        body: pageOf(rows, limit, viewOf, ({ position }) => ({ epoch, snapshot, after: position })),
      }
    })

  return {
    listEvents: async ({ scope, query }) => {
      if (scope !== 'platform') return ofTenant(scope.tenant_id, query)
      if (query.after !== undefined) {
        throw new Problem('tenant.required', {
          detail: 'Revisions of different histories are not compared: `after` needs `tenant_id`.',
        })
      }
      const cursor = decodeCursor(query.cursor, isWindow)
      return database.asPlatform('list the events of all histories', (tx) => ofAll(tx, cursor, query))
    },
  }
}

/** A cursor of another epoch points at places that are taken by other events now. @throws Problem `cursor.invalid` */
const readWindow = async (tx: PlatformTx, cursor: Window | undefined): Promise<Window> => {
  const { number: epoch } = await readEpochIn(tx)
  if (cursor === undefined) return { epoch, snapshot: await currentSnapshot(tx), after: 0 }
  if (cursor.epoch === epoch) return cursor
  throw new Problem('cursor.invalid', {
    detail: 'The database was restored since this cursor was made: start again, without one.',
  })
}
