// What Tenantry adds to Fastify's types.
import type { Scope } from '../database/scope.ts'
import type { Operation } from './contract.ts'
import type { Principal } from './principal.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by authentication. A public operation has none and must not ask. */
    principal: Principal
    /** Set by authorization. */
    scope: Scope
  }
  interface FastifyContextConfig {
    operation?: Operation
  }
}
