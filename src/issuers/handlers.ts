// HTTP in and out of trusted issuers.
import type { components } from '@tenantry/client/contract'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Handlers } from '../http/handlers.ts'
import { afterId, DEFAULT_LIMIT, pageOf } from '../http/pagination.ts'
import { etagOf } from '../http/preconditions.ts'
import { historyOf, tenantOf } from '../http/scope.ts'
import { type Write, writeHeaders } from '../http/write.ts'
import { type Addresses, type Changed, changeIssuer, createIssuer, removeIssuer } from './operations.ts'
import { findIssuer, type IssuerRow, listIssuers } from './queries.ts'

interface Services {
  database: Database
  write: Write
  addresses: Addresses
}

type Mine = 'createIssuer' | 'listIssuers' | 'getIssuer' | 'updateIssuer' | 'deleteIssuer'

const viewOf = ({ history_id: _, ...issuer }: IssuerRow): components['schemas']['Issuer'] => issuer

const changedReply = ({ issuer, history }: Changed) => ({
  status: 200 as const,
  body: viewOf(issuer),
  headers: writeHeaders(history, issuer.revision),
})

export const issuerHandlers = ({ database, write, addresses }: Services): Pick<Handlers, Mine> => ({
  createIssuer: (call) =>
    write(call, async (tx, by) => {
      const { tenant_id: _, ...input } = call.body
      const { issuer, history } = await createIssuer(tx, by, call.scope, input, addresses)
      const headers = { ...writeHeaders(history, issuer.revision), Location: `/issuers/${issuer.id}` }
      return { status: 201, body: viewOf(issuer), headers }
    }),

  listIssuers: async ({ scope, query: { limit = DEFAULT_LIMIT, cursor, shared } }) => {
    const after = afterId(cursor)
    const rows = await database.within(scope, 'list the issuers of the platform and all tenants', (tx) =>
      listIssuers(tx, { history_id: tenantOf(scope), shared, after, limit: limit + 1 }),
    )
    return { status: 200, body: pageOf(rows, limit, viewOf, ({ id }) => id) }
  },

  getIssuer: async ({ scope, path }) => {
    const issuer = await database.within(scope, 'get a shared issuer', (tx) =>
      findIssuer(tx, historyOf(scope), path.issuer_id),
    )
    if (!issuer) throw new Problem('issuer.not_found')
    return { status: 200, body: viewOf(issuer), headers: { ETag: etagOf(issuer.revision) } }
  },

  updateIssuer: (call) =>
    write(call, async (tx, by) => {
      const which = { id: call.path.issuer_id, ifMatch: call.if_match }
      return changedReply(await changeIssuer(tx, by, call.scope, which, call.body, addresses))
    }),

  deleteIssuer: (call) =>
    write(call, async (tx, by) => {
      const history = await removeIssuer(tx, by, call.scope, { id: call.path.issuer_id, ifMatch: call.if_match })
      return { status: 204, body: undefined, headers: writeHeaders(history) }
    }),
})
