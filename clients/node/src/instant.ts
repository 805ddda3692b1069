// Instants as the service writes them.

/** RFC 3339 in UTC. `Date.parse` alone would take much more. */
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/

/** Milliseconds since 1970, or undefined for anything that is no instant. */
export function readInstant(value: unknown): number | undefined {
  if (typeof value !== 'string' || !INSTANT.test(value)) return undefined
  const instant = Date.parse(value)
  return Number.isNaN(instant) ? undefined : instant
}
