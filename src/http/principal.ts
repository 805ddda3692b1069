// Who is calling. Made by authentication, read by authorization and by the operations.
import { type Grant, holds, type TokenClaims } from '@tenantry/client'
import type { TenantStatus } from '../tenants/status.ts'

/** Rights may end before the principal does: those that a grant gives for a time. */
export type Right = Grant & { readonly expires_at?: string | null }

/**
 * What the caller may do: held only where every one of these sets holds it. An API key has one set; a token has two, the
 * member's current roles and what the token was narrowed to.
 */
export type Rights = readonly (readonly Right[])[]

interface TenantBound {
  tenant_id: string
  tenant_status: TenantStatus
}

interface PlatformWide {
  tenant_id: null
  tenant_status: null
}

interface Empowered {
  id: string
  rights: Rights
  /** What the catalogue has granted by name only, as it was when the rights were read (permissions/by-name.ts). */
  by_name: readonly string[]
  /** When the rights end by themselves: the end of the key, or of the membership behind a token. */
  ends_at: string | null
}

export type ApiKeyPrincipal = Empowered & { kind: 'api_key' } & (TenantBound | PlatformWide)
export type MemberPrincipal = Empowered & { kind: 'membership'; user_id: string; token: TokenClaims } & TenantBound
export type Principal = ApiKeyPrincipal | MemberPrincipal

/** Whom a credential shows its bearer to be: before any tenant is chosen, and whatever he may do in it. */
export interface Identity {
  type: 'user' | 'api_key'
  id: string
  /** The only tenant it is good for; null for any. */
  tenant_id: string | null
  issuer_id: string | null
  email: string | null
  email_verified: boolean | null
  /** In seconds; null for a key. */
  auth_time: number | null
}

/** Several where several issuers, the shared one and tenants' own, vouch for one token. */
export type Identities = readonly [Identity, ...Identity[]]

export const mayDo = ({ rights }: { rights: Rights }, permission: string): boolean =>
  rights.every((grants) => holds(grants, permission))
