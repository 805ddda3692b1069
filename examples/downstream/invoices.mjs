// @ts-check
// A service of the product: invoices, each belonging to a tenant. It never asks Tenantry about a request; who is calling
// and what they may do is in the token, which it verifies by itself.

import { randomUUID } from 'node:crypto'
import { getPrincipal, requirePermission, requireRole, requireTenant, tenantry } from '@tenantry/client/fastify'
import Fastify from 'fastify'

/** @typedef {{ tenant_id: string, id: string, title: string, amount_cents: number, created_by: string | null }} Invoice */
/** @typedef {{ issuer: string, audience: string, fetch?: typeof globalThis.fetch, clock?: () => Date }} Settings */

const NEW_INVOICE = {
  type: 'object',
  required: ['title', 'amount_cents'],
  properties: {
    title: { type: 'string', minLength: 1, maxLength: 200 },
    amount_cents: { type: 'integer', minimum: 1 },
  },
}

/**
 * The application, not yet listening.
 *
 * @param {Settings} settings `issuer` is Tenantry's public address, `audience` this service's own name
 */
export async function buildInvoices(settings) {
  const app = Fastify()
  // Authenticates every request of this app. Without an issuer or an audience it refuses to start.
  await app.register(tenantry, settings)

  /** @type {Invoice[]} In memory; in a database this is a column and a condition of every query. */
  const invoices = []
  /** @type {(tenant_id: string) => Invoice[]} The only way to rows: there is no "all of them". */
  const invoicesOf = (tenant_id) => invoices.filter((invoice) => invoice.tenant_id === tenant_id)

  app.get(
    '/tenants/:tenant_id/invoices',
    { onRequest: [requireTenant(), requirePermission('invoice:read')] },
    async (request) => ({ data: invoicesOf(getPrincipal(request).tenant_id) }),
  )

  app.post(
    '/tenants/:tenant_id/invoices',
    { onRequest: [requireTenant(), requirePermission('invoice:write')], schema: { body: NEW_INVOICE } },
    async (request, reply) => {
      const { tenant_id, user_id } = getPrincipal(request)
      const { title, amount_cents } = /** @type {Pick<Invoice, 'title' | 'amount_cents'>} */ (request.body)
      const invoice = { tenant_id, id: randomUUID(), title, amount_cents, created_by: user_id }
      invoices.push(invoice)
      return reply.code(201).send(invoice)
    },
  )

  app.delete(
    '/tenants/:tenant_id/invoices/:invoice_id',
    { onRequest: [requireTenant(), requireRole('admin')] },
    async (request, reply) => {
      const { invoice_id } = /** @type {{ invoice_id: string }} */ (request.params)
      const invoice = invoicesOf(getPrincipal(request).tenant_id).find(({ id }) => id === invoice_id)
      if (invoice === undefined) return reply.code(404).send({ status: 404, title: 'There is no such invoice.' })
      invoices.splice(invoices.indexOf(invoice), 1)
      return reply.code(204).send()
    },
  )

  app.get('/livez', { config: { public: true } }, async () => ({ status: 'ok' }))
  return app
}
