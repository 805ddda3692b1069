// Writers of one tenant queue for its lock. Were each to wait for it with a connection in its hand, one busy tenant would
// take the whole pool from all the others: here they wait before they have one.
import { Problem } from '../errors.ts'

const ABREAST = 2 // one holds the lock, the next waits for it with its connection ready
const MOST_WAITING = 500
const LONGEST_WAIT_MS = 10_000 // as for a lock: longer is not a queue but a fault

interface Waiter {
  enter(): void
  refuse(fault: unknown): void
}

interface Lane {
  running: number
  waiting: Set<Waiter>
}

const isAway = (fault: unknown): boolean => fault instanceof Problem && fault.code === 'database.unavailable'

export class Lanes {
  readonly #lanes = new Map<string, Lane>()

  /**
   * Runs `work` when its turn in the lane has come.
   * @throws Problem `database.busy` when that takes too long, `database.unavailable` when it was so for the one before
   */
  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(name) ?? { running: 0, waiting: new Set() }
    this.#lanes.set(name, lane)
    if (lane.running < ABREAST) lane.running++
    else await turnIn(lane)
    try {
      return await work()
    } catch (fault) {
      // Each finding out for himself would take the last a very long time.
      if (isAway(fault)) for (const { refuse } of lane.waiting) refuse(fault)
      throw fault
    } finally {
      const [next] = lane.waiting
      if (next) next.enter()
      else if (--lane.running === 0) this.#lanes.delete(name)
    }
  }
}

/** The place of one who has finished goes to the one who waits longest. */
const turnIn = (lane: Lane): Promise<void> => {
  if (lane.waiting.size >= MOST_WAITING) throw new Problem('database.busy')
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      lane.waiting.delete(waiter)
      clearTimeout(timer)
    }
    const waiter: Waiter = {
      enter: () => {
        leave()
        resolve()
      },
      refuse: (fault) => {
        leave()
        reject(fault)
      },
    }
    const timer = setTimeout(() => waiter.refuse(new Problem('database.busy')), LONGEST_WAIT_MS)
    lane.waiting.add(waiter)
  })
}
