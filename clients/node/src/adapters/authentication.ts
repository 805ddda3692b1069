// How every adapter authenticates: from the Bearer credential of the `Authorization` header, by one verifier.

import { invalidToken } from '../errors.ts'
import type { Principal } from '../principal.ts'
import { limitOf } from '../revocations/staleness.ts'
import { createVerifier, type Verifier, type VerifyOptions } from '../verifier.ts'
import type { VerifierOptions } from '../verifier-options.ts'

/** Either a verifier that exists, or what to make one from. */
export type VerifierSource = { readonly verifier: Verifier } | VerifierOptions

/** The same, and how tokens are verified wherever nothing else is said. */
export type AdapterOptions = VerifierSource & VerifyOptions

export function verifierFrom(source: VerifierSource): Verifier {
  return 'verifier' in source ? source.verifier : createVerifier(source)
}

/**
 * The principal of a request.
 *
 * @throws TenantryError what `verify` throws, and `invalid_token`, reason `missing`
 */
export async function authenticate(
  verifier: Verifier,
  authorization: string | null | undefined,
  options: VerifyOptions | undefined,
): Promise<Principal> {
  return verifier.verify(bearerIn(authorization ?? ''), options)
}

/** Another scheme than Bearer counts as no credential at all (RFC 6750 §3.1). Schemes compare without case. */
function bearerIn(authorization: string): string {
  const match = /^bearer(?: +|$)/i.exec(authorization)
  return match === null ? refuseStranger() : authorization.slice(match[0].length)
}

/** Who is calling, by request: nobody else can put somebody in here. */
const principals = new WeakMap<object, Principal>()

export function rememberPrincipal(request: object, principal: Principal): void {
  principals.set(request, principal)
}

export function isAuthenticated(request: object): boolean {
  return principals.has(request)
}

/** @throws TenantryError `invalid_token`, reason `missing` */
export function principalOf(request: object): Principal {
  return principals.get(request) ?? refuseStranger()
}

export function refuseStranger(): never {
  throw invalidToken('missing', 'A Bearer token is required.')
}

/** What is not there is no tenant's, so it fails like another tenant's id. */
export function requireTenantOf(principal: Principal, tenant_id: unknown): void {
  principal.requireTenant(typeof tenant_id === 'string' ? tenant_id : '')
}

/**
 * A route that is set up wrongly must not start.
 *
 * @throws TenantryError `configuration`
 */
export function requireSound(options: VerifyOptions | undefined): void {
  if (options?.when_stale !== undefined) limitOf(options.when_stale, 0)
}
