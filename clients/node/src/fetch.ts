// The adapter for handlers of the fetch kind, `(Request) => Response`: route handlers of full-stack frameworks, edge
// functions, servers built on the standard's types.

import {
  type AdapterOptions,
  authenticate,
  principalOf,
  rememberPrincipal,
  requireSound,
  requireTenantOf,
  verifierFrom,
} from './adapters/authentication.ts'
import { refusalOf } from './adapters/refusal.ts'
import { contextOf } from './context/context.ts'
import { enterContext } from './context/current.ts'
import type { Principal } from './principal.ts'
import type { VerifyOptions } from './verifier.ts'

export type { AdapterOptions }

/** Whatever else the framework passes, such as the route's parameters, comes after the request. */
export type Handler<Rest extends unknown[]> = (request: Request, ...rest: Rest) => Response | Promise<Response>

/** Throws what is to be answered. */
export type Guard<Rest extends unknown[] = unknown[]> = (principal: Principal, request: Request, ...rest: Rest) => void

export type ProtectOptions<Rest extends unknown[]> = VerifyOptions & {
  readonly guards?: readonly Guard<Rest>[] | undefined
}

export type Protect = <Rest extends unknown[]>(
  handler: Handler<Rest>,
  options?: ProtectOptions<Rest>,
) => (request: Request, ...rest: Rest) => Promise<Response>

/**
 * Makes what handlers are wrapped in: the request is authenticated and its guards are asked before the handler is called,
 * in the tenant context. Refusals, also those that the handler throws, are answered as `application/problem+json` (RFC
 * 9457) with `WWW-Authenticate` (RFC 6750 §3). A verifier that is made here lives as long as the process does.
 *
 * @throws TenantryError `configuration`
 * @example
 * const protect = tenantry({ issuer: 'https://tenantry.example.com', audience: 'https://api.example.com' })
 * export const GET = protect(listInvoices, { guards: [requirePermission('invoice:read')] })
 * export const POST = protect(pay, { guards: [requirePermission('invoice:pay')], when_stale: 'introspect' })
 */
export function tenantry(options: AdapterOptions): Protect {
  requireSound(options)
  const verifier = verifierFrom(options)
  return (handler, { guards = [], when_stale = options.when_stale } = {}) => {
    requireSound({ when_stale })
    return async (request, ...rest) => {
      try {
        const principal = await authenticate(verifier, request.headers.get('authorization'), { when_stale })
        rememberPrincipal(request, principal)
        return await enterContext(contextOf(principal), async () => {
          for (const guard of guards) guard(principal, request, ...rest)
          return await handler(request, ...rest)
        })
      } catch (error) {
        const response = refusalResponse(error)
        if (response === undefined) throw error
        return response
      }
    }
  }
}

/**
 * A guard: the request must be about the token's own tenant.
 *
 * @example requireTenant((_request, { params }) => params.tenant_id)
 */
export function requireTenant<Rest extends unknown[]>(
  getTenantId: (request: Request, ...rest: Rest) => unknown,
): Guard<Rest> {
  return (principal, request, ...rest) => requireTenantOf(principal, getTenantId(request, ...rest))
}

/** A guard: the token must carry the role, or a built-in one above it. */
export function requireRole(role: string): Guard {
  return (principal) => principal.requireRole(role)
}

/** A guard: the token must hold the permission. */
export function requirePermission(permission: string): Guard {
  return (principal) => principal.requirePermission(permission)
}

/**
 * The principal of a request that was authenticated.
 *
 * @throws TenantryError `invalid_token` (401) for any other request
 */
export function getPrincipal(request: Request): Principal {
  return principalOf(request)
}

/** The answer that an error of ours stands for; undefined for any other, and for a mistake in the application. */
export function refusalResponse(error: unknown): Response | undefined {
  const refusal = refusalOf(error)
  return refusal && new Response(refusal.body, { status: refusal.status, headers: refusal.headers })
}
