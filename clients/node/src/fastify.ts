// The adapter for Fastify 5: authenticates each request from its Bearer token, and gives routes their guards.

import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import {
  authenticate,
  refuseStranger,
  requireSound,
  requireTenantOf,
  type VerifierSource,
  verifierFrom,
} from './adapters/authentication.ts'
import { refusalOf } from './adapters/refusal.ts'
import { contextOf } from './context/context.ts'
import { enterContext, keepContext } from './context/current.ts'
import type { Principal } from './principal.ts'
import type { VerifyOptions } from './verifier.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is calling; null on public routes. */
    tenant: Principal | null
  }
  interface FastifyContextConfig {
    /** Lets everybody in, unauthenticated. */
    public?: boolean
    /** How tokens are verified on this route, where that differs. */
    tenantry?: VerifyOptions
  }
}

/** Either a verifier that exists, or what to make one from. */
export type TenantryPluginOptions = VerifierSource

/** Usable as `onRequest` or `preHandler` of a route. */
export type Guard = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

/**
 * Authenticates every request of the instance it is registered on, before any body is read, puts the principal into
 * `request.tenant`, and enters the tenant context. Answers 401 or 503 as `application/problem+json` (RFC 9457) with
 * `WWW-Authenticate` (RFC 6750 §3). Routes with `config: { public: true }` are let through. A verifier that is made here
 * is closed with the application; one that is given is its owner's to close.
 *
 * @throws TenantryError `configuration`, when registered with wrong options
 * @example
 * await app.register(tenantry, { issuer: 'https://tenantry.example.com', audience: 'https://api.example.com' })
 * app.get('/tenants/:tenant_id/invoices', { onRequest: [requireTenant(), requirePermission('invoice:read')] }, list)
 * app.get('/livez', { config: { public: true } }, () => 'ok')
 * app.get('/help', { config: { tenantry: { when_stale: { accept_up_to_seconds: 600 } } } }, showHelp)
 */
export const tenantry: FastifyPluginAsync<TenantryPluginOptions> = async (app: FastifyInstance, options) => {
  const verifier = verifierFrom(options)
  if (!('verifier' in options)) app.addHook('onClose', async () => verifier.close())
  app.addHook('onRoute', ({ config }) => requireSound(config?.tenantry))
  app.decorateRequest('tenant', null)
  // In the callback style: what `done` goes on with runs in the context, which a promise would end with itself.
  app.addHook('onRequest', (request, reply, done) => {
    const { config } = request.routeOptions
    if (config.public === true) return done()
    authenticate(verifier, request.headers.authorization, config.tenantry).then(
      (principal) => enter(request, reply, principal, done),
      (error: unknown) => refuse(reply, error, done),
    )
  })
}

function enter(request: FastifyRequest, reply: FastifyReply, principal: Principal, done: () => void): void {
  const context = contextOf(principal)
  request.tenant = principal
  keepContext(request.raw, context)
  keepContext(reply.raw, context)
  enterContext(context, done)
}

// Fastify's documented way (reference, Plugins, "Handle the scope") to decorate the instance that registers the plugin
// instead of a child of it. That is all fastify-plugin would do, so importing this file loads no package whatever.
Object.assign(tenantry, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@tenantry/client',
  [Symbol.for('plugin-meta')]: { name: '@tenantry/client', fastify: '5.x' },
})

/**
 * A guard: the request must be about the token's own tenant. By default that is the route's `:tenant_id`.
 *
 * @example
 * app.get('/tenants/:tenant_id/invoices', { onRequest: requireTenant() }, list)
 * app.get('/invoices', { onRequest: requireTenant((request) => request.headers['x-tenant-id']) }, list)
 */
export function requireTenant(getTenantId: (request: FastifyRequest) => unknown = tenantIdOfRoute): Guard {
  return guard((principal, request) => requireTenantOf(principal, getTenantId(request)))
}

/**
 * A guard: the token must carry the role, or a built-in one above it.
 *
 * @example app.delete('/projects/:id', { onRequest: requireRole('admin') }, remove)
 */
export function requireRole(role: string): Guard {
  return guard((principal) => principal.requireRole(role))
}

/**
 * A guard: the token must hold the permission.
 *
 * @example app.post('/invoices', { onRequest: requirePermission('invoice:write') }, create)
 */
export function requirePermission(permission: string): Guard {
  return guard((principal) => principal.requirePermission(permission))
}

/**
 * The principal of a request that was authenticated, for handlers of routes that are not public.
 *
 * @throws TenantryError `invalid_token` (401) on a public route
 * @example const { tenant_id } = getPrincipal(request)
 */
export function getPrincipal(request: FastifyRequest): Principal {
  return request.tenant ?? refuseStranger()
}

function guard(check: (principal: Principal, request: FastifyRequest) => void): Guard {
  return (request, reply, done) => {
    try {
      check(getPrincipal(request), request)
    } catch (error) {
      return refuse(reply, error, done)
    }
    done()
  }
}

function tenantIdOfRoute(request: FastifyRequest): unknown {
  const { params } = request
  return typeof params === 'object' && params !== null && 'tenant_id' in params ? params.tenant_id : undefined
}

/** Our own errors are answered here; any other is left to the application's error handler. */
function refuse(reply: FastifyReply, error: unknown, done: (error: Error) => void): void {
  const refusal = refusalOf(error)
  if (refusal !== undefined) reply.code(refusal.status).headers(refusal.headers).send(refusal.body)
  else done(error instanceof Error ? error : new Error('What was thrown is no error.', { cause: error }))
}
