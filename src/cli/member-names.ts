// The membership that a person means: by its id, or by the user and the tenant.
import type { TenantryClient } from '@tenantry/client'
import { isId } from '../ids.ts'
import { given } from './arguments.ts'
import { CommandError, UsageError } from './failures.ts'
import { tenantIdIfNamed } from './tenants.ts'

/** The membership's id. With a tenant the name is first a user's, whatever it looks like. @throws CommandError, UsageError */
export const membershipId = async (
  tenantry: TenantryClient,
  named: string,
  tenant: string | undefined,
): Promise<string> => {
  if (tenant === undefined && isId(named.toLowerCase())) return named
  const { unwrap } = await import('@tenantry/client')
  const tenant_id = await tenantIdIfNamed(tenantry, tenant)
  const query = { user_id: named, limit: 2, ...given({ tenant_id }) }
  const { data } = await unwrap(tenantry.GET('/memberships', { params: { query } }))
  if (data.length > 1) throw new UsageError(`${named} is a member of several tenants: say with --tenant which one`)
  if (data[0]) return data[0].id
  if (isId(named.toLowerCase())) return named
  throw new CommandError(`${named} is no member${tenant === undefined ? '' : ` of ${tenant}`}.`)
}
