// Many decisions in a row, each of which policies may make long: others get their turn in between.
import { setImmediate as turn } from 'node:timers/promises'

const LONGEST_MS = 10

/** Waits a turn of the event loop if the last one began long enough ago, and else not at all. */
export const breathing = (elapsed: () => number = () => performance.now()): (() => Promise<void> | undefined) => {
  let began_at = elapsed()
  return () => {
    if (elapsed() - began_at < LONGEST_MS) return undefined
    return turn().then(() => {
      began_at = elapsed()
    })
  }
}
