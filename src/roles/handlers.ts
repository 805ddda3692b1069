// HTTP in and out of roles.
import type { components } from '@tenantry/client/contract'
import { Problem } from '../errors.ts'
import type { Handlers } from '../http/handlers.ts'
import { afterId, DEFAULT_LIMIT, pageOf } from '../http/pagination.ts'
import { etagOf } from '../http/preconditions.ts'
import { tenantOf } from '../http/scope.ts'
import { roleCatalogueHandler } from './catalogue.ts'
import { findRole, listRoles, type RoleRow } from './queries.ts'

type Services = Parameters<typeof roleCatalogueHandler>[0]

const viewOf = ({ history_id: _, ...role }: RoleRow): components['schemas']['Role'] => role

export const roleHandlers = (services: Services): Pick<Handlers, 'listRoles' | 'getRole' | 'getRoleCatalogue'> => ({
  getRoleCatalogue: roleCatalogueHandler(services),

  listRoles: async ({ scope, query: { limit = DEFAULT_LIMIT, cursor } }) => {
    const after = afterId(cursor)
    const tenant_id = tenantOf(scope)
    const rows = await services.database.within(scope, 'list roles of all tenants', (tx) =>
      listRoles(tx, { tenant_id, after, limit: limit + 1 }),
    )
    return { status: 200, body: pageOf(rows, limit, viewOf, ({ id }) => id) }
  },

  getRole: async ({ scope, path }) => {
    const role = await services.database.within(scope, 'get a shared role', (tx) => findRole(tx, path.role_id))
    if (!role) throw new Problem('role.not_found')
    return { status: 200, body: viewOf(role), headers: { ETag: etagOf(role.revision) } }
  },
})
