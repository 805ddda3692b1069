// Counts by name, in windows of time that begin with their first count. As many names as there is room for: those that were
// counted least recently are forgotten.
import { LRUCache } from 'lru-cache'
import { type Clock, isWithin } from '../clock.ts'

export interface Counted {
  count: number
  /** Until the window ends, in whole seconds. */
  left_seconds: number
}

interface Window {
  began_at: number
  count: number
}

const MOST_NAMES = 50_000

export class Windows {
  readonly #windows = new LRUCache<string, Window>({ max: MOST_NAMES })
  readonly #seconds: number
  readonly #clock: Clock

  constructor(seconds: number, clock: Clock) {
    this.#seconds = seconds
    this.#clock = clock
  }

  /** With one more. */
  count(name: string): Counted {
    const now = this.#clock().getTime()
    const window = this.#open(name, now) ?? { began_at: now, count: 0 }
    if (window.count++ === 0) this.#windows.set(name, window)
    return this.#told(window, now)
  }

  look(name: string): Counted {
    const now = this.#clock().getTime()
    return this.#told(this.#open(name, now) ?? { began_at: now, count: 0 }, now)
  }

  #open(name: string, now: number): Window | undefined {
    const window = this.#windows.get(name)
    return window !== undefined && isWithin(this.#seconds * 1_000, window.began_at, now) ? window : undefined
  }

  #told({ began_at, count }: Window, now: number): Counted {
    return { count, left_seconds: Math.ceil(this.#seconds - (now - began_at) / 1000) }
  }
}
