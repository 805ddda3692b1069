// Trying again. Each pause is drawn at random up to a bound that grows, so that many who failed at the same moment do not
// come back at the same moment.
import { setTimeout as sleep } from 'node:timers/promises'

const FIRST_MS = 200
const LONGEST_MS = 5_000

/** How long to pause after the nth failure, in milliseconds. */
export const pauseAfter = (failures: number, random = Math.random()): number => {
  const bound = Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS)
  return Math.round(bound / 2 + (bound / 2) * random)
}

interface Patience {
  /** Whether trying again may help. */
  isWorthIt(error: unknown): boolean
  /** No try begins later than this after the first. */
  within_ms: number
  onFailure?(error: unknown, failures: number): void
}

/** @throws the last error, when it is not worth it or takes too long */
export const persist = async <T>(work: () => Promise<T>, { isWorthIt, within_ms, onFailure }: Patience): Promise<T> => {
  const began_at = performance.now()
  for (let failures = 1; ; failures++) {
    try {
      return await work()
    } catch (error) {
      const pause_ms = pauseAfter(failures)
      if (!isWorthIt(error) || performance.now() - began_at + pause_ms > within_ms) throw error
      onFailure?.(error, failures)
      await sleep(pause_ms)
    }
  }
}
