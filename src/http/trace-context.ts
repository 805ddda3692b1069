// Of which trace a request is part, as its caller says (W3C Trace Context, §3.2). For the log; traces are in src/tracing.
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/
const NO_TRACE = '0'.repeat(32)

export const traceIdIn = (traceparent: unknown): string | undefined => {
  const [, trace_id] = typeof traceparent === 'string' ? (TRACEPARENT.exec(traceparent) ?? []) : []
  return trace_id === NO_TRACE ? undefined : trace_id
}
