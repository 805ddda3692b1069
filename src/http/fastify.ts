// What Tenantry adds to Fastify's types.
import type { Scope } from '../database/scope.ts'
import type { Operation } from './contract.ts'
import type { Identities, Principal } from './principal.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by authentication. A public operation has none and must not ask. */
    principal: Principal
    /** Set in place of it where the operation is about the caller alone. */
    identities: Identities
    /** Set by authorization. */
    scope: Scope
    /** Set by the contract before anything else of the route; to read it from the route makes an object each time. */
    operation: Operation | undefined
  }
  interface FastifyContextConfig {
    operation?: Operation
  }
}
