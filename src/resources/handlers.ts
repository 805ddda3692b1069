// HTTP in and out of registered resources.
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { DEFAULT_LIMIT, decodeCursor, pageOf } from '../http/pagination.ts'
import { etagOf } from '../http/preconditions.ts'
import { requireTenant, tenantOf } from '../http/scope.ts'
import { requireSmall } from '../http/text.ts'
import { type Write, writeHeaders } from '../http/write.ts'
import { isId } from '../ids.ts'
import { findResource, listResources, putResource, removeResource, type Which } from './operations.ts'

type Mine = 'listResources' | 'getResource' | 'putResource' | 'deleteResource'

const whichOf = ({ scope, path }: Pick<Call<'getResource'>, 'scope' | 'path'>): Which => ({
  ...{ tenant_id: requireTenant(scope), type: path.resource_type, id: path.resource_id },
})

type Position = [string, string, string]

const isPosition = (value: unknown): value is Position =>
  Array.isArray(value) && value.length === 3 && isId(value[0]) && value.every((part) => typeof part === 'string')

const afterIn = (cursor: string | undefined): Which | undefined => {
  const position = decodeCursor(cursor, isPosition)
  return position && { tenant_id: position[0], type: position[1], id: position[2] }
}

export const resourceHandlers = ({ database, write }: { database: Database; write: Write }): Pick<Handlers, Mine> => ({
  listResources: async ({ scope, query: { limit = DEFAULT_LIMIT, cursor, type } }) => {
    const filter = { tenant_id: tenantOf(scope), type, after: afterIn(cursor), limit: limit + 1 }
    const rows = await database.within(scope, 'list resources of all tenants', (tx) => listResources(tx, filter))
    const view = (row: (typeof rows)[number]) => row
    return { status: 200, body: pageOf(rows, limit, view, ({ tenant_id, type, id }) => [tenant_id, type, id]) }
  },

  getResource: async (call) => {
    const which = whichOf(call)
    const resource = await database.forTenant(which, (tx) => findResource(tx, which))
    if (!resource) throw new Problem('resource.not_found')
    return { status: 200, body: resource, headers: { ETag: etagOf(resource.revision) } }
  },

  putResource: (call) => {
    const { properties } = call.body
    requireSmall({ properties })
    return write(call, async (tx, by) => {
      const which = whichOf(call)
      const { resource, is_new, history } = await putResource(tx, by, which, call.if_match, properties)
      const headers = writeHeaders(history, resource.revision)
      if (!is_new) return { status: 200 as const, body: resource, headers }
      const Location = `/resources/${which.type}/${encodeURIComponent(which.id)}`
      return { status: 201 as const, body: resource, headers: { ...headers, Location } }
    })
  },

  deleteResource: (call) =>
    write(call, async (tx, by) => ({
      ...{ status: 204, body: undefined },
      headers: writeHeaders(await removeResource(tx, by, whichOf(call), call.if_match)),
    })),
})
