// The requests that are under way: what has to end before a server stops.
import type { ServerResponse } from 'node:http'

export class Traffic {
  #underWay = 0
  #whenQuiet: () => void = () => {}
  readonly #end = (): void => {
    this.#underWay--
    if (this.#underWay === 0) this.#whenQuiet()
  }

  /** From now until it is answered, or nobody waits for the answer any more. */
  watch(response: ServerResponse): void {
    this.#underWay++
    response.on('close', this.#end) // which comes once
  }

  /** Resolves when nothing is under way, or after that time. A steady stream of requests never falls quiet. */
  quiet(within_ms: number): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, within_ms)
      this.#whenQuiet = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
