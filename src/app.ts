// The composition root: what is plugged in, in which order. No process, no environment, no port: tests `inject`.
import { randomUUID } from 'node:crypto'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import './http/fastify.ts'
import { ApiKeys } from './api-keys/authentication.ts'
import { apiKeyHandlers } from './api-keys/handlers.ts'
import { authorizationHandlers } from './authorization/handlers.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Database } from './database/scope.ts'
import { eventHandlers } from './events/handlers.ts'
import { authenticateWith } from './http/authentication.ts'
import { authorizeWith } from './http/authorization.ts'
import { mountContract, operationsOf, readContract } from './http/contract.ts'
import { docsHandlers } from './http/docs.ts'
import type { Handlers } from './http/handlers.ts'
import { healthHandlers, type Lifecycle } from './http/health.ts'
import { acceptEmptyJson } from './http/json.ts'
import { installAccessLog, logController } from './http/logging.ts'
import { installProblems, problemsBeforeRouting } from './http/problems.ts'
import { writeWith } from './http/write.ts'
import { membershipHandlers } from './memberships/handlers.ts'
import type { Platform } from './platform.ts'
import { roleHandlers } from './roles/handlers.ts'
import type { Seal } from './sealing.ts'
import { tenantHandlers } from './tenants/handlers.ts'
import { TokenHolders } from './tokens/authentication.ts'
import { tokenHandlers } from './tokens/handlers.ts'
import { installSigner } from './tokens/signer.ts'

const CONTRACT = new URL('../openapi.yaml', import.meta.url)
const LARGEST_BODY_BYTES = 65_536
const LONGEST_URL = 16_384 // what Node.js lets a request's headers be, its URL included
const REQUEST_ID = /^[\w.:+/=-]{1,128}$/

export interface Services {
  config: Pick<Config, 'issuer' | 'audiences'>
  database: Database
  platform: Platform
  seal: Seal
  clock: Clock
  log: FastifyBaseLogger
  lifecycle: Lifecycle
}

export interface App {
  fastify: FastifyInstance
  api_keys: ApiKeys
}

export const buildApp = async ({ config, database, platform, seal, clock, log, lifecycle }: Services): Promise<App> => {
  const fastify = Fastify({
    loggerInstance: log,
    bodyLimit: LARGEST_BODY_BYTES,
    genReqId: ({ headers }) => {
      const given = headers['x-request-id']
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
    },
    logController,
    // Nothing is cut here: a value that is too long fails its schema like any other.
    routerOptions: { maxParamLength: LONGEST_URL },
    ...problemsBeforeRouting(config.issuer),
  })
  fastify.decorateRequest('principal')
  fastify.decorateRequest('scope')
  fastify.addHook('onRequest', async (request, reply) => void reply.header('X-Request-ID', request.id))
  installAccessLog(fastify)
  acceptEmptyJson(fastify)
  installProblems(fastify, config.issuer)

  const { keys } = platform
  const sign = await installSigner(fastify, platform.active_key)
  const write = writeWith(database, clock, seal)
  const contract = readContract(CONTRACT) as { [key: string]: unknown }
  const handlers: Handlers = {
    ...tenantHandlers({ database, write }),
    ...membershipHandlers({ database, write, clock }),
    ...roleHandlers({ database }),
    ...apiKeyHandlers({ database, write }),
    ...tokenHandlers({ config, database, clock, sign, keys }),
    ...authorizationHandlers({ database, clock }),
    ...eventHandlers({ database }),
    ...healthHandlers(database, lifecycle),
    ...docsHandlers(contract),
  }
  const api_keys = new ApiKeys(database, clock, platform.root)
  const token_holders = new TokenHolders({ database, clock, issuer: config.issuer, keys })
  mountContract(fastify, operationsOf(contract), handlers, {
    authenticate: authenticateWith(api_keys, token_holders),
    authorize: authorizeWith(database),
  })
  return { fastify, api_keys }
}
