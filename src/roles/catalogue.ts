// The signed role catalogue: what the roles that a tenant can use grant, for verifiers of tokens that do not carry it.
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import type { Handlers } from '../http/handlers.ts'
import { isKnown, tagOf } from '../http/preconditions.ts'
import { requireTenant } from '../http/scope.ts'
import type { KeyRing } from '../signing-keys/key-ring.ts'
import { readRolesOf } from './queries.ts'

export type RoleCatalogue = components['schemas']['RoleCatalogue']

interface Services {
  database: Database
  clock: Clock
  issuer: string
  keys: KeyRing
}

export const roleCatalogueHandler =
  ({ database, clock, issuer, keys }: Services): Handlers['getRoleCatalogue'] =>
  async ({ scope, if_none_match }) => {
    const tenant_id = requireTenant(scope)
    const { roles, platform_revision } = await database.forTenant({ tenant_id }, (tx) => readRolesOf(tx, tenant_id))
    const headers = { ETag: tagOf({ tenant_id, roles }), 'Cache-Control': 'private, no-cache' }
    if (isKnown(if_none_match, headers.ETag)) return { status: 304, body: undefined, headers }
    const signers = await keys.signersAt(platform_revision)
    const body = signers.roles({ iss: issuer, iat: Math.floor(clock().getTime() / 1_000), tenant_id, roles })
    return { status: 200, body, headers }
  }
