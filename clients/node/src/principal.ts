// Who is calling, as a verified token tells.

import type { Actor, TokenClaims } from './claims.ts'
import type { Grant } from './permissions.ts'
import { TenantRights } from './rights.ts'

/**
 * The bearer of a verified token. It stands for one request: what outlives `expires_at`, such as an open socket,
 * verifies a fresh token.
 *
 * @example
 * const principal = await verifier.verify(token)
 * principal.requireTenant(invoice.tenant_id)
 * if (principal.holds('invoice:write')) await save(invoice)
 */
export class Principal extends TenantRights {
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
  readonly ask: readonly string[]
  /** The revision of each history that the token was minted at. */
  readonly rev: Readonly<Record<string, number>>
  /** RFC 3339 in UTC. */
  readonly expires_at: string
  /** The token's `jti`. */
  readonly token_id: string
  readonly claims: TokenClaims

  constructor(claims: TokenClaims) {
    super()
    this.user_id = claims.membership_id === null ? null : claims.sub
    this.tenant_id = claims.tenant_id
    this.tenant_slug = claims.tenant_slug
    this.membership_id = claims.membership_id
    this.client_id = claims.client_id
    this.actor = claims.act ?? null
    this.roles = claims.roles
    this.permissions = claims.permissions
    this.grants = claims.grants
    this.ask = claims.ask ?? []
    this.rev = claims.rev
    this.expires_at = new Date(claims.exp * 1_000).toISOString()
    this.token_id = claims.jti
    this.claims = claims
  }
}
