// Refuses before the process collapses: when its event loop lags so far behind that every answer would come too late, or its
// memory is nearly used up. Probes and metrics are answered all the same: whoever looks must see why.
import { getHeapStatistics } from 'node:v8'
import underPressure, { TYPE_EVENT_LOOP_DELAY } from '@fastify/under-pressure'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../errors.ts'
import { countRefusal } from '../metrics/instruments.ts'

const ALWAYS_ANSWERED = new Set<string | undefined>(['/livez', '/readyz', '/metrics'])
/** Past this, V8 does little but collect garbage. */
const FULLEST_HEAP = 0.95
/** So long that something that blocks once, or a machine that was busy for a moment, is not taken for overload. */
const LOOKED_AT_EACH_MS = 3_000

/** @param most_delay_ms of the event loop, on average over three seconds, or twice that delay if this is longer; 0 for no limit */
export const refuseUnderPressure = async (app: FastifyInstance, most_delay_ms: number): Promise<void> => {
  if (most_delay_ms === 0) return
  const sampleInterval = Math.max(LOOKED_AT_EACH_MS, 2 * most_delay_ms)
  // A start keeps the event loop from everything, and is over when the first request comes: what tells of it does not count.
  let counts_from = Number.POSITIVE_INFINITY
  app.addHook('onListen', async () => {
    counts_from = performance.now() + 2 * sampleInterval
  })
  const refuse = ({ routeOptions, log }: FastifyRequest, _: unknown, type?: string, value?: number): undefined => {
    if (ALWAYS_ANSWERED.has(routeOptions.url)) return
    if (type === TYPE_EVENT_LOOP_DELAY && performance.now() < counts_from) return
    countRefusal('overloaded')
    log.debug({ type, value }, 'refused under pressure')
    throw new Problem('overloaded')
  }
  await app.register(underPressure, {
    maxEventLoopDelay: most_delay_ms,
    maxHeapUsedBytes: getHeapStatistics().heap_size_limit * FULLEST_HEAP,
    sampleInterval,
    pressureHandler: refuse,
  })
}
