// The adapter for Hono 4: the fetch kind as middleware, with the principal among the context's variables.

import type { Context, MiddlewareHandler } from 'hono'
import {
  type AdapterOptions,
  authenticate,
  isAuthenticated,
  principalOf,
  rememberPrincipal,
  requireSound,
  requireTenantOf,
  verifierFrom,
} from './adapters/authentication.ts'
import { contextOf } from './context/context.ts'
import { enterContext } from './context/current.ts'
import { refusalResponse } from './fetch.ts'
import type { Principal } from './principal.ts'

export { type AdapterOptions, refusalResponse }

declare module 'hono' {
  interface ContextVariableMap {
    /** Who is calling; undefined where `tenantry()` has not authenticated the request. */
    tenant: Principal | undefined
  }
}

/**
 * Makes the middleware that authenticates every request that comes to it, sets `tenant`, and enters the tenant context.
 * Answers 401 or 503 as `application/problem+json` (RFC 9457) with `WWW-Authenticate` (RFC 6750 §3). What is routed before
 * it is public. A verifier that is made here lives as long as the process does; share your own between several of these to
 * give routes a `when_stale` each: then both verify, and the context is entered once.
 *
 * @throws TenantryError `configuration`
 * @example
 * app.use(tenantry({ verifier }))
 * app.get('/tenants/:tenant_id/invoices', requireTenant(), requirePermission('invoice:read'), list)
 * app.post('/payouts', tenantry({ verifier, when_stale: 'introspect' }), pay)
 * app.onError((error, c) => refusalResponse(error) ?? c.text('Something is wrong here.', 500))
 */
export function tenantry(options: AdapterOptions): MiddlewareHandler {
  requireSound(options)
  const verifier = verifierFrom(options)
  const { when_stale } = options
  return answering(async (c, next) => {
    const principal = await authenticate(verifier, c.req.header('authorization'), { when_stale })
    if (isAuthenticated(c)) return next
    rememberPrincipal(c, principal)
    c.set('tenant', principal)
    return () => enterContext(contextOf(principal), next)
  })
}

/**
 * A guard: the request must be about the token's own tenant. By default that is the route's `:tenant_id`.
 *
 * @example app.get('/invoices', requireTenant((c) => c.req.header('x-tenant-id')), list)
 */
export function requireTenant(
  getTenantId: (c: Context) => unknown = (c) => c.req.param('tenant_id'),
): MiddlewareHandler {
  return guard((principal, c) => requireTenantOf(principal, getTenantId(c)))
}

/** A guard: the token must carry the role, or a built-in one above it. */
export function requireRole(role: string): MiddlewareHandler {
  return guard((principal) => principal.requireRole(role))
}

/** A guard: the token must hold the permission. */
export function requirePermission(permission: string): MiddlewareHandler {
  return guard((principal) => principal.requirePermission(permission))
}

/**
 * The principal of a request that was authenticated.
 *
 * @throws TenantryError `invalid_token` (401) on a public route
 */
export function getPrincipal(c: Context): Principal {
  return principalOf(c)
}

function guard(check: (principal: Principal, c: Context) => void): MiddlewareHandler {
  return answering(async (c, next) => {
    check(getPrincipal(c), c)
    return next
  })
}

type Next = () => Promise<void>

/** Only what is judged here is answered here: what comes after has the application's own error handler. */
function answering(judge: (c: Context, next: Next) => Promise<Next>): MiddlewareHandler {
  return async (c, next) => {
    let proceed: Next
    try {
      proceed = await judge(c, next)
    } catch (error) {
      const response = refusalResponse(error)
      if (response === undefined) throw error
      return response
    }
    await proceed()
  }
}
