// OpenTelemetry traces, sent by OTLP over HTTP. Nothing imports this file but by `import()`, and only where an endpoint is set:
// without one, none of the libraries is loaded. What a span says is kept as short as the log: no query string, no values.
import { setTimeout as sleep } from 'node:timers/promises'
import FastifyOtel from '@fastify/otel'
import { context, propagation, SpanKind, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Connection } from '../database/connection.ts'
import { pathOf } from '../http/access-log.ts'
import type { Operation } from '../http/contract.ts'
import type { RequestLog } from '../http/logging.ts'
import { tracedConnection } from './database.ts'
import { withoutValues } from './scrubbing.ts'

/** Where nobody takes the last spans, the process does not wait for long. */
const STOPPED_WITHIN_MS = 3_000

export interface Tracing {
  /** Before anything else is added to the app. */
  install(app: FastifyInstance, operations: readonly Operation[]): Promise<void>
  traced(connection: Connection): Connection
  /** Sends what has not been sent. */
  stop(): Promise<void>
}

/** Everything else is told by OpenTelemetry's own variables: the endpoint, its headers, the sampler, the service's name. */
export const startTracing = (version: string): Tracing => {
  const named = resourceFromAttributes({ 'service.name': 'tenantry', 'service.version': version })
  const provider = new BasicTracerProvider({
    resource: named.merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(withoutValues(new OTLPTraceExporter()))],
  })
  trace.setGlobalTracerProvider(provider)
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const tracer = provider.getTracer('tenantry', version)
  return {
    install: async (app, operations) => void (await app.register(instrumentation(operations).plugin())),
    traced: (connection) =>
      tracedConnection(connection, (name, work) =>
        // Only as part of a request: what the service does for itself is no trace of anybody's.
        trace.getActiveSpan() === undefined
          ? work()
          : tracer.startActiveSpan(
              name,
              { kind: SpanKind.CLIENT, attributes: { 'db.system.name': 'postgresql' } },
              (span) => work().finally(() => span.end()),
            ),
      ),
    stop: async () =>
      void (await Promise.race([
        provider.shutdown().catch(() => {}),
        sleep(STOPPED_WITHIN_MS, undefined, { ref: false }),
      ])),
  }
}

/** One span for the request and one for its handler; an error's message may hold values that went to the database. */
const instrumentation = (operations: readonly Operation[]): FastifyOtel.FastifyOtelInstrumentation => {
  const ids = new Map(operations.map(({ method, url, operation_id }) => [`${method} ${url}`, operation_id]))
  return new FastifyOtel.FastifyOtelInstrumentation({
    instrumentHooks: false,
    recordExceptions: false,
    ignorePaths: ({ url }) => /^\/(?:livez|readyz|metrics)$/.test(url),
    requestHook: (span, request) => {
      const { method, routeOptions } = request
      describe(span, request as unknown as FastifyRequest, ids.get(`${method} ${routeOptions.url}`))
    },
  })
}

type Span = NonNullable<ReturnType<typeof trace.getActiveSpan>>

const describe = (span: Span, request: FastifyRequest, operation_id: string | undefined): void => {
  span.setAttributes({
    'url.path': pathOf(request.url), // the library has put the whole URL there
    'tenantry.request_id': request.id,
    ...(operation_id !== undefined && { 'tenantry.operation': operation_id }),
  })
  ;(request.log as RequestLog).follow(span.spanContext().traceId) // as `logging.ts` makes it
}
