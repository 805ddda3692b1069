// HTTP in and out of tenants.
import type { components } from '@tenantry/client/contract'
import type { Database, PlatformTx, Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { afterId, DEFAULT_LIMIT, pageOf } from '../http/pagination.ts'
import { etagOf } from '../http/preconditions.ts'
import { requireSmall } from '../http/text.ts'
import { type By, type Write, writeHeaders } from '../http/write.ts'
import { type Changed, changeTenant, createTenant, moveTenant } from './operations.ts'
import { findTenant, listTenants, type TenantRow } from './queries.ts'

type Tenant = components['schemas']['Tenant']
type Mine =
  | 'createTenant'
  | 'listTenants'
  | 'getTenant'
  | 'updateTenant'
  | 'deleteTenant'
  | 'suspendTenant'
  | 'reactivateTenant'
  | 'restoreTenant'

const viewOf = (row: TenantRow): Tenant => row

const changedReply = ({ tenant, history }: Changed) => ({
  status: 200 as const,
  body: viewOf(tenant),
  headers: writeHeaders(history, tenant.revision),
})

export const tenantHandlers = ({ database, write }: { database: Database; write: Write }): Pick<Handlers, Mine> => {
  const move =
    (transition: 'suspend' | 'reactivate' | 'restore') =>
    (call: Call<'suspendTenant' | 'reactivateTenant' | 'restoreTenant'>) =>
      write(call, async (tx, by) =>
        changedReply(
          await moveTenant(tx, by, call.path.tenant_id, transition, {
            reason: call.body?.reason,
            ifMatch: call.if_match,
          }),
        ),
      )

  return {
    createTenant: (call) => {
      requireSmall({ settings: call.body.settings, metadata: call.body.metadata })
      return write(call, async (tx: Tx, by: By) => {
        // A platform operation without a tenant in its path runs in the platform's scope.
        const { tenant, history } = await createTenant(tx as PlatformTx, by, call.body)
        const headers = { ...writeHeaders(history, tenant.revision), Location: `/tenants/${tenant.id}` }
        return { status: 201, body: viewOf(tenant), headers }
      })
    },

    listTenants: async ({ query: { slug, status, q, limit = DEFAULT_LIMIT, cursor } }) => {
      const after = afterId(cursor)
      const rows = await database.asPlatform('list all tenants', (tx) =>
        listTenants(tx, { slug, status, q, after, limit: limit + 1 }),
      )
      return { status: 200, body: pageOf(rows, limit, viewOf, ({ id }) => id) }
    },

    getTenant: async ({ path }) => {
      const tenant = await database.forTenant(path, (tx) => findTenant(tx, path.tenant_id))
      if (!tenant) throw new Problem('tenant.not_found')
      return { status: 200, body: viewOf(tenant), headers: { ETag: etagOf(tenant.revision) } }
    },

    updateTenant: (call) => {
      requireSmall({ settings: call.body.settings, metadata: call.body.metadata })
      return write(call, async (tx, by) =>
        changedReply(await changeTenant(tx, by, call.path.tenant_id, call.body, call.if_match)),
      )
    },

    deleteTenant: (call) =>
      write(call, async (tx, by) => {
        const changed = await moveTenant(tx, by, call.path.tenant_id, 'delete', { ifMatch: call.if_match })
        return { ...changedReply(changed), status: 202 as const }
      }),

    suspendTenant: move('suspend'),
    reactivateTenant: move('reactivate'),
    restoreTenant: move('restore'),
  }
}
