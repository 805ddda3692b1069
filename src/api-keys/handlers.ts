// HTTP in and out of API keys.
import type { components } from '@tenantry/client/contract'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Handlers } from '../http/handlers.ts'
import { afterId, DEFAULT_LIMIT, pageOf } from '../http/pagination.ts'
import { etagOf } from '../http/preconditions.ts'
import { historyOf, tenantOf } from '../http/scope.ts'
import { type Write, writeHeaders } from '../http/write.ts'
import { createApiKey, revokeApiKey } from './operations.ts'
import { type ApiKeyRow, findApiKey, listApiKeys } from './queries.ts'

const viewOf = ({ history_id: _, hash: __, ...key }: ApiKeyRow): components['schemas']['ApiKey'] => key

type Mine = 'createApiKey' | 'listApiKeys' | 'getApiKey' | 'deleteApiKey'

export const apiKeyHandlers = ({ database, write }: { database: Database; write: Write }): Pick<Handlers, Mine> => ({
  createApiKey: (call) =>
    write(call, async (tx, by) => {
      const { key, secret, history } = await createApiKey(tx, by, call.scope, call.body)
      const headers = { ...writeHeaders(history, key.revision), Location: `/api-keys/${key.id}` }
      return { status: 201, body: { ...viewOf(key), secret }, headers }
    }),

  listApiKeys: async ({ scope, query: { limit = DEFAULT_LIMIT, cursor, shared } }) => {
    const after = afterId(cursor)
    const history_id = tenantOf(scope)
    const rows = await database.within(scope, 'list API keys of the platform and all tenants', (tx) =>
      listApiKeys(tx, { history_id, shared, after, limit: limit + 1 }),
    )
    return { status: 200, body: pageOf(rows, limit, viewOf, ({ id }) => id) }
  },

  getApiKey: async ({ scope, path }) => {
    const key = await database.within(scope, 'get a platform key', (tx) =>
      findApiKey(tx, historyOf(scope), path.api_key_id),
    )
    if (!key) throw new Problem('api_key.not_found')
    return { status: 200, body: viewOf(key), headers: { ETag: etagOf(key.revision) } }
  },

  deleteApiKey: (call) =>
    write(call, async (tx, by) => {
      const history = await revokeApiKey(tx, by, call.scope, call.path.api_key_id, call.if_match)
      return { status: 204, body: undefined, headers: writeHeaders(history) }
    }),
})
