// The composition root: what is plugged in, in which order. No process, no environment, no port: tests `inject`.
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import './http/fastify.ts'
import { ApiKeys } from './api-keys/authentication.ts'
import { apiKeyHandlers } from './api-keys/handlers.ts'
import { evaluateWith } from './authorization/evaluation.ts'
import { answerChecksFirst } from './authorization/first.ts'
import { authorizationHandlers } from './authorization/handlers.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Database } from './database/scope.ts'
import { EpochWatch } from './epochs/watch.ts'
import { eventHandlers } from './events/handlers.ts'
import { forwardAuthHandlers } from './forward-auth/handlers.ts'
import { withoutOriginal } from './forward-auth/original-uri.ts'
import { type Memory, openMemory } from './freshness/memory.ts'
import { type Pause, settleWith } from './freshness/settling.ts'
import { grantHandlers } from './grants/handlers.ts'
import { groupHandlers } from './groups/handlers.ts'
import { answeredOf, noteWith } from './http/answered.ts'
import { Attempts } from './http/attempts.ts'
import { authenticateWith, identifyWith } from './http/authentication.ts'
import { authorizeWith } from './http/authorization.ts'
import { bodySchemaOf, mountContract, operationNamed, operationsOf } from './http/contract.ts'
import { allowPages } from './http/cors.ts'
import { docsHandlers } from './http/docs.ts'
import type { Handlers } from './http/handlers.ts'
import { healthHandlers, type Lifecycle, Readiness } from './http/health.ts'
import { hook } from './http/hooks.ts'
import { acceptEmptyJson } from './http/json.ts'
import { logController, logRequests, noteTrace } from './http/logging.ts'
import { refuseUnderPressure } from './http/pressure.ts'
import { installProblems, problemsBeforeRouting } from './http/problems.ts'
import { rateLimitWith } from './http/rate-limit.ts'
import { requestIdOf } from './http/request-id.ts'
import { findFaultsOf } from './http/schemas.ts'
import { CONTRACT } from './http/shipped-contract.ts'
import { Traffic } from './http/traffic.ts'
import { writeWith } from './http/write.ts'
import { guardedFetch } from './issuers/guarded-fetch.ts'
import { issuerHandlers } from './issuers/handlers.ts'
import { IssuerKeys } from './issuers/keys.ts'
import { Strangers } from './issuers/strangers.ts'
import { meHandlers } from './me/handlers.ts'
import { membershipHandlers } from './memberships/handlers.ts'
import { gaugesOf } from './metrics/gauges.ts'
import { metricsHandlers, metricsWith, type ReadMetrics } from './metrics/handlers.ts'
import { countRevocations } from './metrics/instruments.ts'
import { oauthHandlers } from './oauth/handlers.ts'
import { permissionHandlers } from './permissions/handlers.ts'
import type { Platform } from './platform.ts'
import { policyHandlers } from './policies/handlers.ts'
import { resourceHandlers } from './resources/handlers.ts'
import { listResourcesWith } from './resources/operations.ts'
import { revocationHandlers } from './revocations/handlers.ts'
import { RevocationStreams } from './revocations/streams.ts'
import { roleSetHandlers } from './role-sets/handlers.ts'
import { roleHandlers } from './roles/handlers.ts'
import type { Seal } from './sealing.ts'
import type { Algorithm } from './signing-keys/generation.ts'
import { signingKeyHandlers } from './signing-keys/handlers.ts'
import type { KeyRing } from './signing-keys/key-ring.ts'
import { tenantHandlers } from './tenants/handlers.ts'
import { TokenHolders } from './tokens/authentication.ts'
import { tokenHandlers } from './tokens/handlers.ts'
import type { Tracing } from './tracing/tracing.ts'

const OPERATIONS = operationsOf(CONTRACT)
export const { version: VERSION } = CONTRACT.info as { version: string }
const CHECK = operationNamed(OPERATIONS, 'evaluateAccess')
/** An item of a batch is judged as the single check that it stands for. */
const FIND_FAULTS = findFaultsOf(bodySchemaOf(CHECK))

const LONGEST_REQUEST_MS = 30_000 // the database gives up before
/** Longer than load balancers keep an idle connection (60 s, mostly): one that they use again must still be open. */
const KEEP_ALIVE_MS = 75_000
/** A client that sends slower than this is broken, or holds connections open on purpose. */
const HEADERS_WITHIN_MS = 15_000
const SLOW_CLIENTS_CHECKED_MS = 5_000
const LARGEST_BODY_BYTES = 65_536
const LONGEST_URL = 16_384 // what Node.js lets a request's headers be, its URL included

/** The settings that protect the service from its callers. */
export type Protection = 'max_event_loop_delay_ms' | 'rate_limit' | 'bad_attempts' | 'trusted_proxies'

export interface Services {
  config: Pick<
    Config,
    | 'issuer'
    | 'audiences'
    | 'cors_origins'
    | 'allow_loopback_issuers'
    | 'staleness_ms'
    | 'ready_grace_ms'
    | 'failover'
    | 'access_log'
    | Protection
  >
  database: Database
  platform: Platform
  keys: KeyRing
  algorithm: Algorithm
  seal: Seal
  clock: Clock
  log: Logger
  lifecycle: Lifecycle
  /** Where traces are sent somewhere. */
  tracing?: Pick<Tracing, 'install'> | undefined
  /** What passes time before an answer; a timer. */
  pause?: Pause | undefined
}

export interface App {
  fastify: FastifyInstance
  traffic: Traffic
  streams: RevocationStreams
  /** Finishes what is under way, then closes every connection. */
  close(): Promise<void>
  api_keys: ApiKeys
  epochs: EpochWatch
  memory: Memory
  metrics: ReadMetrics
}

export const buildApp = async ({
  config,
  database,
  platform,
  keys,
  algorithm,
  seal,
  clock,
  log,
  lifecycle,
  tracing,
  pause,
}: Services): Promise<App> => {
  const fastify = Fastify({
    loggerInstance: log as FastifyBaseLogger, // what Fastify needs of it: its types would follow us everywhere
    bodyLimit: LARGEST_BODY_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: LONGEST_REQUEST_MS,
    http: { headersTimeout: HEADERS_WITHIN_MS, connectionsCheckingInterval: SLOW_CLIENTS_CHECKED_MS },
    return503OnClosing: false, // what comes on a connection that is still open is answered
    genReqId: ({ headers }) => requestIdOf(headers),
    logController,
    trustProxy: config.trusted_proxies?.join(',') ?? false,
    rewriteUrl: ({ url = '/' }) => withoutOriginal(url),
    // Nothing is cut here: a value that is too long fails its schema like any other.
    routerOptions: { maxParamLength: LONGEST_URL },
    ...problemsBeforeRouting(config.issuer),
  })
  logRequests(fastify)
  await tracing?.install(fastify, OPERATIONS)
  fastify.decorateRequest('principal')
  fastify.decorateRequest('scope')
  fastify.decorateRequest('operation')
  fastify.addHook(
    'onRequest',
    hook((request, reply) => {
      noteTrace(request)
      reply.header('X-Request-ID', request.id)
      // Each connection ends with its next answer, so that none is cut off in the end.
      if (lifecycle.draining) reply.header('Connection', 'close')
    }),
  )
  await refuseUnderPressure(fastify, config.max_event_loop_delay_ms)
  const traffic = new Traffic()
  fastify.server.prependListener('request', (_, response) => traffic.watch(response))
  const note = noteWith(config.access_log ? log : undefined)
  fastify.addHook(
    'onResponse',
    hook((request, reply) => note(answeredOf(request, reply))),
  )
  allowPages(fastify, config.cors_origins)
  acceptEmptyJson(fastify)
  installProblems(fastify, config.issuer)

  const memory = openMemory({
    ...{ database, clock, staleness_ms: config.staleness_ms },
    onRevision: (revision) => keys.hear(revision),
    onEpoch: (epoch) => epochs.hear(epoch),
    onFault: (error) => log.warn({ err: error }, 'cannot follow what other replicas change'),
  })
  const { cache, facts } = memory
  const onNew = (): void => {
    keys.forget()
    cache.evictAll()
    facts.policies.forget()
  }
  const epochs = new EpochWatch({ database, seal, algorithm, clock, failover: config.failover, log, onNew })
  const streams = new RevocationStreams(database, memory.tail, clock)
  fastify.addHook('preClose', async () => streams.close())
  fastify.addHook('onClose', async () => memory.stop())
  const readiness = new Readiness({ database, keys, lifecycle, clock, grace_ms: config.ready_grace_ms })
  database.onCommit((changes, _, committed) => committed && countRevocations(changes))
  const metrics = metricsWith(
    gaugesOf({
      ...{ version: VERSION, memory: memory.stats, faults: database.faults },
      ...{
        pool: () => database.pool(),
        streams: () => streams.size,
        ready: () => readiness.ready && !lifecycle.draining,
      },
    }),
  )
  const attempts = new Attempts({ most: config.bad_attempts, clock, log })
  const api_keys = new ApiKeys({ database, clock, root: platform.root, cache, attempts })
  const token_holders = new TokenHolders({ database, clock, issuer: config.issuer, keys, cache })
  const limit = config.rate_limit === 0 ? undefined : rateLimitWith(config.rate_limit, clock)
  const { allow_loopback_issuers: allow_loopback } = config
  const issuer_keys = new IssuerKeys(guardedFetch({ allow_loopback }), clock)
  const strangers = new Strangers({ database, clock, issuer: config.issuer, keys: issuer_keys })
  const evaluate = evaluateWith(facts, clock)
  const write = writeWith(database, clock, seal, settleWith(database, config.staleness_ms, pause))
  const handlers: Handlers = {
    ...tenantHandlers({ database, write }),
    ...membershipHandlers({ database, write, clock }),
    ...groupHandlers({ database, write, clock }),
    ...grantHandlers({ database, write }),
    ...resourceHandlers({ database, write }),
    ...meHandlers({ database, clock }),
    ...roleHandlers({ database, write, clock, issuer: config.issuer, keys }),
    ...roleSetHandlers({ database, write }),
    ...permissionHandlers({ database, write }),
    ...policyHandlers({ database, write }),
    ...apiKeyHandlers({ database, write }),
    ...issuerHandlers({ database, write, addresses: { allow_loopback, own: config.issuer } }),
    ...signingKeyHandlers({ database, write, seal, algorithm }),
    ...tokenHandlers({ config, database, clock, keys }),
    ...oauthHandlers({ config, database, write, clock, keys, api_keys, token_holders, issuer_keys }),
    ...authorizationHandlers({
      ...{ database, facts, clock, evaluate, issuer: config.issuer, findFaults: FIND_FAULTS },
      listResources: listResourcesWith(database),
    }),
    ...forwardAuthHandlers({ issuer: config.issuer, clock, facts, api_keys, token_holders }),
    ...eventHandlers({ database }),
    ...revocationHandlers({ database, clock, issuer: config.issuer, keys, streams }),
    ...healthHandlers(readiness),
    ...metricsHandlers(metrics),
    ...docsHandlers(CONTRACT),
  }
  const authorize = authorizeWith(database)
  mountContract(fastify, OPERATIONS, handlers, {
    authenticate: authenticateWith(api_keys, token_holders, limit),
    identify: identifyWith(api_keys, token_holders, strangers),
    authorize,
  })
  // Traces tell of what passes through Fastify.
  if (tracing === undefined)
    answerChecksFirst(fastify.server, {
      ...{ operation: CHECK, api_keys, authorize, limit, evaluate, findFaults: FIND_FAULTS, note, traffic },
      isBusy: () => lifecycle.draining || (config.max_event_loop_delay_ms > 0 && fastify.isUnderPressure()),
    })
  return { fastify, traffic, streams, api_keys, epochs, memory, metrics, close: () => closeServer(fastify, traffic) }
}

/** Node by itself would also wait for connections that were opened in advance and never used, as pools and browsers do. */
const closeServer = async (fastify: FastifyInstance, traffic: Traffic): Promise<void> => {
  const closed = fastify.close() // from here on, new requests get 503
  await traffic.quiet(LONGEST_REQUEST_MS)
  fastify.server.closeAllConnections()
  await closed
}
