// What a handler reads from the scope that authorization found.
import { PLATFORM } from '../database/schema.ts'
import type { Scope } from '../database/scope.ts'
import { Problem } from '../errors.ts'

/** The one tenant, or undefined for the platform and all tenants. */
export const tenantOf = (scope: Scope): string | undefined => (scope === 'platform' ? undefined : scope.tenant_id)

/** The history that a write in this scope belongs to. */
export const historyOf = (scope: Scope): string => tenantOf(scope) ?? PLATFORM

/** The one tenant that the operation cannot do without. @throws Problem `tenant.required` */
export const requireTenant = (scope: Scope): string => {
  const tenant_id = tenantOf(scope)
  if (tenant_id !== undefined) return tenant_id
  throw new Problem('tenant.required', { errors: [{ pointer: '/tenant_id', detail: 'This field is required.' }] })
}
