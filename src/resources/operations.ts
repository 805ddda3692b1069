// What happens to a registered resource, inside one scope.
import type { History } from '../database/history.ts'
import type { JsonObject } from '../database/schema.ts'
import type { Database, Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { requireMatch } from '../http/preconditions.ts'
import type { By } from '../http/write.ts'
import { isSame } from '../same.ts'
import { lockWritableTenant } from '../tenants/locking.ts'
import { deleteResource, findResource, listResources, type ResourceRow, upsertResource, type Which } from './queries.ts'

export { findResource, listResources, type ResourceRow, type Which } from './queries.ts'

/** A tenant's resources of a type, in the order of their ids: what a search decides on. */
export const listResourcesWith =
  (database: Database) =>
  ({
    tenant_id,
    type,
    after,
    limit,
  }: {
    tenant_id: string
    type: string
    after: string | undefined
    limit: number
  }) => {
    const position = after === undefined ? undefined : { tenant_id, type, id: after }
    return database.forTenant({ tenant_id }, (tx) => listResources(tx, { tenant_id, type, after: position, limit }))
  }

/** A resource after a change, whether it was not there before, and its tenant's history. */
export interface Put {
  resource: ResourceRow
  is_new: boolean
  history: History
}

interface Locked {
  before: ResourceRow | undefined
  history: History
}

/** What is not there matches no tag. */
const lockResource = async (tx: Tx, by: By, which: Which, ifMatch: string | undefined): Promise<Locked> => {
  const { history } = await lockWritableTenant(tx, which.tenant_id, by)
  const before = await findResource(tx, which)
  if (before) requireMatch(ifMatch, before.revision)
  return { before, history }
}

export const putResource = async (
  tx: Tx,
  by: By,
  which: Which,
  ifMatch: string | undefined,
  properties: JsonObject,
): Promise<Put> => {
  const { before, history } = await lockResource(tx, by, which, ifMatch)
  if (before === undefined && ifMatch !== undefined) throw new Problem('precondition.failed')
  if (before && isSame(before, { properties })) return { resource: before, is_new: false, history }
  const at = by.now.toISOString()
  const times = { created_at: before?.created_at ?? at, updated_at: at }
  const resource = await upsertResource(tx, { ...which, properties, revision: history.next, ...times })
  await tell(tx, by, history, before ? 'resource.updated' : 'resource.created', which)
  return { resource, is_new: before === undefined, history }
}

export const removeResource = async (tx: Tx, by: By, which: Which, ifMatch: string | undefined): Promise<History> => {
  const { before, history } = await lockResource(tx, by, which, ifMatch)
  if (before === undefined) throw new Problem('resource.not_found')
  await deleteResource(tx, which)
  await tell(tx, by, history, 'resource.deleted', which)
  return history
}

/** The id may say who it is about, so it is kept where it can be erased. */
const tell = (tx: Tx, by: By, history: History, type: string, { type: resource_type, id }: Which): Promise<void> =>
  history.append(tx, {
    ...{ type, actor: by.actor, at: by.now, data: { resource_type }, personal: { resource_id: id } },
  })
