// What leaves the process in a span is no more than what is logged. A database error's message holds the statement with its
// values, and the plugin puts it into the status of the request's span; a refusal (4xx) is no error of the service's.
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base'

const UNSET = 0
const LOWEST_ERROR = 500

const scrubbed = (span: ReadableSpan): ReadableSpan => {
  const status = Number(span.attributes['http.response.status_code'] ?? LOWEST_ERROR)
  const code = status < LOWEST_ERROR ? UNSET : span.status.code
  return Object.create(span, { status: { value: { code }, enumerable: true } })
}

export const withoutValues = (exporter: SpanExporter): SpanExporter => ({
  export: (spans, done) => exporter.export(spans.map(scrubbed), done),
  shutdown: () => exporter.shutdown(),
  forceFlush: async () => exporter.forceFlush?.(),
})
