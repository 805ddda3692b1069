// Who is calling, as a verified token tells.

import type { Actor, TokenClaims } from './claims.ts'
import { TenantryError } from './errors.ts'
import { type Grant, holds } from './permissions.ts'
import { satisfiesRole } from './roles.ts'

/**
 * The bearer of a verified token. It stands for one request: what outlives `expires_at`, such as an open socket,
 * verifies a fresh token.
 *
 * @example
 * const principal = await verifier.verify(token)
 * principal.requireTenant(invoice.tenant_id)
 * if (principal.holds('invoice:write')) await save(invoice)
 */
export class Principal {
  /** Null for a machine. */
  readonly user_id: string | null
  readonly tenant_id: string
  /** For display only. */
  readonly tenant_slug: string
  /** Null for a machine. */
  readonly membership_id: string | null
  readonly client_id: string
  /** Who acts for the user (RFC 8693 §4.1); null when nobody does. */
  readonly actor: Actor | null
  readonly roles: readonly string[]
  /** The catalogue's permissions that are held, spelt out; empty without a catalogue. `holds` always works. */
  readonly permissions: readonly string[]
  readonly grants: readonly Grant[]
  /** The revision of each history that the token was minted at. */
  readonly rev: Readonly<Record<string, number>>
  /** RFC 3339 in UTC. */
  readonly expires_at: string
  /** The token's `jti`. */
  readonly token_id: string
  readonly claims: TokenClaims

  constructor(claims: TokenClaims) {
    this.user_id = claims.membership_id === null ? null : claims.sub
    this.tenant_id = claims.tenant_id
    this.tenant_slug = claims.tenant_slug
    this.membership_id = claims.membership_id
    this.client_id = claims.client_id
    this.actor = claims.act ?? null
    this.roles = claims.roles
    this.permissions = claims.permissions
    this.grants = claims.grants
    this.rev = claims.rev
    this.expires_at = new Date(claims.exp * 1_000).toISOString()
    this.token_id = claims.jti
    this.claims = claims
  }

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
   * @throws TenantryError `tenant_mismatch` (403) unless the token is for this tenant
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
