// What somebody may do in one tenant, and the checks that throw. A principal has it, and so has a restored context.

import { TenantryError } from './errors.ts'
import { type Grant, holds } from './permissions.ts'
import { satisfiesRole } from './roles.ts'

export abstract class TenantRights {
  abstract readonly tenant_id: string
  abstract readonly roles: readonly string[]
  abstract readonly grants: readonly Grant[]

  /** @example principal.holds('invoice:read') */
  holds(permission: string): boolean {
    return holds(this.grants, permission)
  }

  /**
   * Built-in roles include those below them; a custom role is met only by itself.
   *
   * @example principal.hasRole('admin') // true for an owner as well
   */
  hasRole(role: string): boolean {
    return satisfiesRole(this.roles, role)
  }

  /**
   * @throws TenantryError `tenant_mismatch` (403) unless it is this tenant
   * @example principal.requireTenant(invoice.tenant_id)
   */
  requireTenant(tenant_id: string): void {
    if (tenant_id === this.tenant_id) return
    throw new TenantryError('tenant_mismatch', 'The token is for another tenant.')
  }

  /**
   * @throws TenantryError `permission_missing` (403), naming the permission
   * @example principal.requirePermission('invoice:write')
   */
  requirePermission(permission: string): void {
    if (this.holds(permission)) return
    throw new TenantryError('permission_missing', `The permission "${permission}" is missing.`)
  }

  /**
   * @throws TenantryError `role_missing` (403), naming the role
   * @example principal.requireRole('admin')
   */
  requireRole(role: string): void {
    if (this.hasRole(role)) return
    throw new TenantryError('role_missing', `The role "${role}" is missing.`)
  }
}
