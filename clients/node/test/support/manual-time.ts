// Time in the hands of a test: a clock and timers that move only when told to. What is asynchronous for real, such as
// the network, is waited for by its effect.

import type { Timer } from '../../src/index.ts'
import { NOW } from './tokens.ts'

type Waiting = { readonly delay_ms: number; readonly due_ms: number; readonly work: () => void }

export class ManualTime {
  #now_ms = NOW.getTime()
  readonly #waiting = new Set<Waiting>()
  /** How many timers were ever set. */
  timers_set = 0

  readonly clock = (): Date => new Date(this.#now_ms)

  readonly timer: Timer = (delay_ms, work) => {
    const waiting = { delay_ms, due_ms: this.#now_ms + delay_ms, work }
    this.timers_set++
    this.#waiting.add(waiting)
    return () => this.#waiting.delete(waiting)
  }

  /** What the timers that are set were set to. */
  get delays_ms(): number[] {
    return Array.from(this.#waiting, ({ delay_ms }) => delay_ms)
  }

  /** Moves on, and does on the way what has fallen due. */
  advance(seconds: number): void {
    const end_ms = this.#now_ms + seconds * 1_000
    for (let next = this.#nextUntil(end_ms); next !== undefined; next = this.#nextUntil(end_ms)) {
      this.#now_ms = Math.max(this.#now_ms, next.due_ms)
      this.#waiting.delete(next)
      next.work()
    }
    this.#now_ms = end_ms
  }

  /** Lets time pass until the effect is there: slowly, as what is on its way through the network takes real time. */
  async passUntil(holds: () => boolean | Promise<boolean>): Promise<void> {
    await until(async () => {
      this.advance(0.1)
      return await holds()
    })
  }

  #nextUntil(end_ms: number): Waiting | undefined {
    const [next] = [...this.#waiting].sort((a, b) => a.due_ms - b.due_ms)
    return next !== undefined && next.due_ms <= end_ms ? next : undefined
  }
}

const PATIENCE_MS = 10_000

/** Waits for an effect; fails loudly if it does not come. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const start = performance.now()
  while (!(await holds())) {
    if (performance.now() - start > PATIENCE_MS) throw new Error(`it never came true: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
