// While the service cannot start yet: its database does not answer, is not migrated, or is not the one that it was. The
// process stays and says why it is not ready, because ending it again and again would help nobody.
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { pauseAfter } from './patience.ts'

/** Why the service cannot start yet; named like the checks of /readyz. */
export interface Obstacle {
  name: 'database' | 'schema' | 'epoch'
  detail: string
}

const LOGGED_AGAIN_AFTER = 12 // tries, so about once a minute

export class WaitingRoom {
  readonly #config: Pick<Config, 'host' | 'port'>
  readonly #log: Logger
  readonly #signal: AbortSignal
  #server: FastifyInstance | undefined
  #obstacle: Obstacle | undefined
  #tries = 0

  constructor(config: Pick<Config, 'host' | 'port'>, log: Logger, signal: AbortSignal) {
    this.#config = config
    this.#log = log
    this.#signal = signal
  }

  /** Waits a while, and answers probes meanwhile. @throws what the signal says, when told to stop */
  async wait(obstacle: Obstacle): Promise<void> {
    this.#signal.throwIfAborted()
    this.#say(obstacle)
    this.#server ??= await this.#listen()
    await sleep(pauseAfter(this.#tries), undefined, { signal: this.#signal }).catch(() => {})
    this.#signal.throwIfAborted()
  }

  async close(): Promise<void> {
    await this.#server?.close()
    this.#server = undefined
  }

  #say(obstacle: Obstacle): void {
    const isNew = this.#obstacle?.detail !== obstacle.detail
    this.#tries = isNew ? 1 : this.#tries + 1
    this.#obstacle = obstacle
    if (isNew || this.#tries % LOGGED_AGAIN_AFTER === 0) this.#log.error(`not ready: ${obstacle.detail}`)
  }

  async #listen(): Promise<FastifyInstance> {
    const fastify = Fastify({ forceCloseConnections: true })
    fastify.get('/livez', async () => ({ status: 'ok', checks: [] }))
    fastify.setNotFoundHandler(async (_, reply) => {
      const checks = [{ ...this.#obstacle, ok: false }]
      return reply.code(503).headers({ 'retry-after': '2' }).send({ status: 'unavailable', checks })
    })
    const { host, port } = this.#config
    const address = await fastify.listen({ host, port })
    this.#log.warn({ address }, 'answering probes until the service can start')
    return fastify
  }
}
