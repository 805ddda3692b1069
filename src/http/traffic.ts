// The requests that are under way: what has to end before a server stops.
import type { Server } from 'node:http'

export class Traffic {
  #underWay = 0
  #whenQuiet: () => void = () => {}

  constructor(server: Server) {
    const end = (): void => {
      this.#underWay--
      if (this.#underWay === 0) this.#whenQuiet()
    }
    server.on('request', (_request, response) => {
      this.#underWay++
      response.on('close', end) // which comes once
    })
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
