// Which web pages may read the answers: browsers ask before they let a page of another origin do so (Fetch standard, §3.2).
// There are no cookies here, so a page can do nothing but with a credential that it was given.
import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'

const DAY_SECONDS = 86_400

/** What gateways ask is none of a page's business, and no preflight must look to them like a yes. */
const isForGateways = (url = ''): boolean => /^\/forward-auth\b/.test(url)

/** @param origins `*` for pages of any origin; nothing where no page may */
export const allowPages = (app: FastifyInstance, origins: readonly string[] | undefined): void => {
  if (origins === undefined) return
  const options = {
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: [
      ...['Authorization', 'Content-Type', 'If-Match', 'If-None-Match', 'Idempotency-Key'],
      ...['Tenantry-Min-Revision', 'X-Request-ID'],
    ],
    exposedHeaders: [
      ...['ETag', 'Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'Tenantry-Revision'],
      ...['WWW-Authenticate', 'X-Request-ID'],
    ],
    maxAge: DAY_SECONDS,
  }
  app.register(cors, {
    delegator: (request, done) => done(null, isForGateways(request.url) ? { origin: false } : options),
  })
}
