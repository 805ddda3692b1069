// What somebody may do in one tenant, and the checks that throw. A principal has it, and so has a restored context.

import { TenantryError } from './errors.ts'
import { type Grant, holds, matches } from './permissions.ts'
import { satisfiesRole } from './roles.ts'

/** Whether a permission is held: surely, surely not, or only the service can tell, because it depends on what it is for. */
export type Answer = 'yes' | 'no' | 'ask'

export abstract class TenantRights {
  abstract readonly tenant_id: string
  abstract readonly roles: readonly string[]
  abstract readonly grants: readonly Grant[]
  /** Patterns of what may be held besides, such as by a grant on a single resource: the service knows. */
  abstract readonly ask: readonly string[]

  /**
   * Whether the permission is held for sure, whatever it is for.
   *
   * @example principal.holds('invoice:read')
   */
  holds(permission: string): boolean {
    return holds(this.grants, permission)
  }

  /**
   * The same with the third answer. On `ask`, put the question to `/access/v1/evaluation`, with the id of the resource.
   *
   * @example
   * const answer = principal.answerTo('project:write')
   * const may = answer === 'ask' ? await evaluate(principal, 'write', project) : answer === 'yes'
   */
  answerTo(permission: string): Answer {
    if (this.holds(permission)) return 'yes'
    return this.ask.some((pattern) => matches(pattern, permission)) ? 'ask' : 'no'
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
   * @throws TenantryError `permission_missing` (403), naming the permission; `permission_undecided` (403) where only the
   * service can tell
   * @example principal.requirePermission('invoice:write')
   */
  requirePermission(permission: string): void {
    const answer = this.answerTo(permission)
    if (answer === 'yes') return
    if (answer === 'ask') {
      const message = `Whether the permission "${permission}" is held depends on what it is for: ask the service.`
      throw new TenantryError('permission_undecided', message)
    }
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
