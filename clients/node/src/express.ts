// The adapter for Express 4 and 5, Connect, and plain `http`: whatever speaks `(request, response, next)`. It needs none of
// them, not even their types.

import type { IncomingMessage, ServerResponse } from 'node:http'
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
import { refusalOf } from './adapters/refusal.ts'
import { contextOf } from './context/context.ts'
import { enterContext, keepContext } from './context/current.ts'
import type { Principal } from './principal.ts'

export type { AdapterOptions }

declare module 'node:http' {
  interface IncomingMessage {
    /** Who is calling, where `tenantry()` has authenticated the request. */
    tenant?: Principal
  }
}

export type Next = (error?: unknown) => void

export type Middleware<Request extends IncomingMessage = IncomingMessage> = (
  request: Request,
  response: ServerResponse,
  next: Next,
) => void

/**
 * Makes the middleware that authenticates every request that comes to it, puts the principal into `request.tenant`, and
 * enters the tenant context. Answers 401 or 503 as `application/problem+json` (RFC 9457) with `WWW-Authenticate` (RFC 6750
 * §3). What is mounted before it is public. A verifier that is made here lives as long as the process does; make your own
 * to close it, and to share it between several of these with a `when_stale` each. Where two of them meet on a request, both
 * verify, and the context is entered once.
 *
 * @throws TenantryError `configuration`
 * @example
 * app.get('/livez', (_request, response) => response.send('ok'))
 * app.use(tenantry({ verifier }))
 * app.get('/tenants/:tenant_id/invoices', requireTenant(), requirePermission('invoice:read'), list)
 * app.post('/payouts', tenantry({ verifier, when_stale: 'introspect' }), pay)
 */
export function tenantry(options: AdapterOptions): Middleware {
  requireSound(options)
  const verifier = verifierFrom(options)
  const { when_stale } = options
  return (request, response, next) => {
    authenticate(verifier, request.headers.authorization, { when_stale }).then(
      (principal) => (isAuthenticated(request) ? next() : enter(request, response, principal, next)),
      (error: unknown) => answerRefusals(error, request, response, next),
    )
  }
}

function enter(request: IncomingMessage, response: ServerResponse, principal: Principal, next: Next): void {
  const context = contextOf(principal)
  rememberPrincipal(request, principal)
  request.tenant = principal
  keepContext(request, context)
  keepContext(response, context)
  enterContext(context, next)
}

/**
 * A guard: the request must be about the token's own tenant. By default that is the route's `:tenant_id`.
 *
 * @example
 * app.get('/tenants/:tenant_id/invoices', requireTenant(), list)
 * app.get('/invoices', requireTenant((request) => request.headers['x-tenant-id']), list)
 */
export function requireTenant<Request extends IncomingMessage = IncomingMessage>(
  getTenantId: (request: Request) => unknown = tenantIdOfRoute,
): Middleware<Request> {
  return guard((principal, request) => requireTenantOf(principal, getTenantId(request)))
}

/**
 * A guard: the token must carry the role, or a built-in one above it.
 *
 * @example app.delete('/projects/:id', requireRole('admin'), remove)
 */
export function requireRole(role: string): Middleware {
  return guard((principal) => principal.requireRole(role))
}

/**
 * A guard: the token must hold the permission.
 *
 * @example app.post('/invoices', requirePermission('invoice:write'), create)
 */
export function requirePermission(permission: string): Middleware {
  return guard((principal) => principal.requirePermission(permission))
}

/**
 * The principal of a request that was authenticated.
 *
 * @throws TenantryError `invalid_token` (401) on a public route
 * @example const { tenant_id } = getPrincipal(request)
 */
export function getPrincipal(request: IncomingMessage): Principal {
  return principalOf(request)
}

/**
 * Error middleware, to be mounted last: what handlers throw of ours is answered like a guard's refusal. Any other error
 * goes on to the application's own.
 *
 * @example app.use(answerRefusals)
 */
export function answerRefusals(error: unknown, _request: IncomingMessage, response: ServerResponse, next: Next): void {
  const refusal = refusalOf(error)
  if (refusal === undefined || response.headersSent) next(error)
  else response.writeHead(refusal.status, refusal.headers).end(refusal.body)
}

function guard<Request extends IncomingMessage>(
  check: (principal: Principal, request: Request) => void,
): Middleware<Request> {
  return (request, response, next) => {
    try {
      check(getPrincipal(request), request)
    } catch (error) {
      return void answerRefusals(error, request, response, next)
    }
    next()
  }
}

function tenantIdOfRoute(request: IncomingMessage & { params?: unknown }): unknown {
  const { params } = request
  return typeof params === 'object' && params !== null && 'tenant_id' in params ? params.tenant_id : undefined
}
