// The adapter for Fastify 5: authenticates each request from its Bearer token, and gives routes their guards.

import { STATUS_CODES } from 'node:http'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { invalidToken, TenantryError } from './errors.ts'
import type { Principal } from './principal.ts'
import { limitOf } from './revocations/staleness.ts'
import { createVerifier, type Verifier, type VerifyOptions } from './verifier.ts'
import type { VerifierOptions } from './verifier-options.ts'

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
export type TenantryPluginOptions = { readonly verifier: Verifier } | VerifierOptions

/** Usable as `onRequest` or `preHandler` of a route. */
export type Guard = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

/**
 * Authenticates every request of the instance it is registered on, before any body is read, and puts the principal
 * into `request.tenant`. Answers 401 or 503 as `application/problem+json` (RFC 9457) with `WWW-Authenticate` (RFC
 * 6750 §3). Routes with `config: { public: true }` are let through. A verifier that is made here is closed with the
 * application; one that is given is its owner's to close.
 *
 * @throws TenantryError `configuration`, when registered with wrong options
 * @example
 * await app.register(tenantry, { issuer: 'https://tenantry.example.com', audience: 'https://api.example.com' })
 * app.get('/tenants/:tenant_id/invoices', { onRequest: [requireTenant(), requirePermission('invoice:read')] }, list)
 * app.get('/livez', { config: { public: true } }, () => 'ok')
 * app.get('/help', { config: { tenantry: { when_stale: { accept_up_to_seconds: 600 } } } }, showHelp)
 */
export const tenantry: FastifyPluginAsync<TenantryPluginOptions> = async (app: FastifyInstance, options) => {
  const verifier = 'verifier' in options ? options.verifier : createVerifier(options)
  if (!('verifier' in options)) app.addHook('onClose', async () => verifier.close())
  app.addHook('onRoute', ({ config }) => requireSound(config?.tenantry))
  app.decorateRequest('tenant', null)
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.public === true) return
    await answering(reply, async () => {
      request.tenant = await verifier.verify(bearerToken(request), request.routeOptions.config.tenantry)
    })
  })
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
  return guard((principal, request) => {
    const tenant_id = getTenantId(request)
    // What is not there is no tenant's, so it fails like another tenant's id.
    principal.requireTenant(typeof tenant_id === 'string' ? tenant_id : '')
  })
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
  return (request, reply) => answering(reply, async () => check(getPrincipal(request), request))
}

function tenantIdOfRoute(request: FastifyRequest): unknown {
  const { params } = request
  return typeof params === 'object' && params !== null && 'tenant_id' in params ? params.tenant_id : undefined
}

/** A route that is set up wrongly must not start. */
function requireSound(options: VerifyOptions | undefined): void {
  if (options?.when_stale !== undefined) limitOf(options.when_stale, 0)
}

function refuseStranger(): never {
  throw invalidToken('missing', 'A Bearer token is required.')
}

/** Another scheme than Bearer counts as no credential at all (RFC 6750 §3.1). Schemes compare without case. */
function bearerToken(request: FastifyRequest): string {
  const match = /^bearer(?: +|$)/i.exec(request.headers.authorization ?? '')
  return match === null ? refuseStranger() : (request.headers.authorization ?? '').slice(match[0].length)
}

/** Our own errors are answered here; any other is left to the application's error handler. */
async function answering(reply: FastifyReply, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof TenantryError) || error.code === 'configuration') throw error
    await sendProblem(reply, error)
  }
}

/** Seconds until it is worth asking again; about the pause between two attempts at the issuer's keys. */
const RETRY_AFTER_SECONDS = 5

async function sendProblem(reply: FastifyReply, error: TenantryError): Promise<void> {
  const { code, status, reason, message } = error
  if (status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS)
  else reply.header('www-authenticate', challengeFor(error))
  const problem = { type: 'about:blank', title: STATUS_CODES[status], status, code, reason, detail: message }
  await reply.code(status).type('application/problem+json').send(problem)
}

/** RFC 6750 §3.1: no `error` for those who sent no credential. It has no error of its own for a token that is stale. */
function challengeFor({ code, status, reason }: TenantryError): string {
  if (reason === 'missing') return 'Bearer'
  if (code === 'stale_token') return 'Bearer error="invalid_token", error_description="stale"'
  return status === 401 ? 'Bearer error="invalid_token"' : 'Bearer error="insufficient_scope"'
}
