// Waiting, in a way that tests can hurry along and that keeps no process alive.

/**
 * Does the work after that time, and answers how to call it off. Something `awaited` keeps the process alive until
 * then; what happens in the `background` does not.
 */
export type Timer = (delay_ms: number, work: () => void, kind: 'background' | 'awaited') => () => void

export const platformTimer: Timer = (delay_ms, work, kind) => {
  const timeout = setTimeout(work, delay_ms)
  if (kind === 'background') timeout.unref()
  return () => clearTimeout(timeout)
}

/** Waits in the background; ends early when the signal is given. */
export function pause(delay_ms: number, timer: Timer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const end = (): void => {
      callOff()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const callOff = timer(delay_ms, end, 'background')
    signal.addEventListener('abort', end)
  })
}

/** Half of it to all of it, so that what broke for many at once is not asked by all of them at once. */
export function jittered(delay_ms: number): number {
  return delay_ms * (0.5 + Math.random() / 2)
}

/**
 * A signal that is given when nothing was heard for that long, or when everything closes. An AbortController of its own
 * per attempt: `AbortSignal.any` and `AbortSignal.timeout` are not for a signal that lives as long as the process, nor
 * for a clock that a test has in hand.
 */
export class Deadline {
  readonly #delay_ms: number
  readonly #timer: Timer
  readonly #closing: AbortSignal
  readonly #controller = new AbortController()
  #callOff: () => void
  #isOver = false

  constructor(delay_ms: number, timer: Timer, closing: AbortSignal) {
    this.#delay_ms = delay_ms
    this.#timer = timer
    this.#closing = closing
    this.#callOff = this.#arm()
    closing.addEventListener('abort', this.end)
    if (closing.aborted) this.end()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether it was time that ended it. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Something was heard: the time starts anew. */
  extend(): void {
    this.#callOff()
    this.#callOff = this.#arm()
  }

  /** Gives the signal, if it was not given yet; whatever still goes on stops. */
  readonly end = (): void => {
    this.#callOff()
    this.#closing.removeEventListener('abort', this.end)
    this.#controller.abort()
  }

  #arm(): () => void {
    const fall = (): void => {
      this.#isOver = true
      this.end()
    }
    return this.#timer(this.#delay_ms, fall, 'background')
  }
}
