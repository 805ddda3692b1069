// How the process stops. The first signal: readiness fails, so load balancers send nothing new, and each answer closes its
// connection; new requests are still taken for a while; what is under way is finished; then everything closes. The second signal: at once.
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { Service } from './service.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** A steady stream of requests never falls quiet: after this no new ones are taken. */
const QUIET_WITHIN_MS = 5_000
/** And after this, what is still under way is given up. */
const STOPPED_WITHIN_MS = 10_000

/** The first signal to stop. It is listened for from the start: what is process 1 in a container dies of none by itself. */
export const firstSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    const first = (signal: NodeJS.Signals): void => {
      for (const each of SIGNALS) process.off(each, first).on(each, stopAtOnce)
      resolve(signal)
    }
    for (const each of SIGNALS) process.on(each, first)
  })

const stopAtOnce = (signal: NodeJS.Signals): void => process.exit(128 + constants.signals[signal])

/** Ends the process. */
export const drain = async (
  service: Service,
  { drain_delay_ms }: Pick<Config, 'drain_delay_ms'>,
  log: Logger,
): Promise<never> => {
  setTimeout(() => {
    log.error('some requests did not end in time and were given up')
    process.exit(1)
  }, drain_delay_ms + STOPPED_WITHIN_MS)
  service.lifecycle.draining = true
  await sleep(drain_delay_ms) // load balancers notice, and go elsewhere
  service.app.streams.close() // they never end by themselves, and their readers find another replica
  await service.app.traffic.quiet(QUIET_WITHIN_MS)
  await service.close()
  process.exit(0)
}
