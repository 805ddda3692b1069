// Notices, while the service runs, that the database is not where its epoch began: a standby was promoted. Nobody need be
// there at three in the morning: the service goes on, in a new epoch. Unless it was told that a failover loses nothing, all
// tokens from before are dead, as after a restore; their holders get fresh ones.
import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import type { Seal } from '../sealing.ts'
import type { Algorithm } from '../signing-keys/generation.ts'
import { beginEpoch } from './operations.ts'
import { type Epoch, readEpoch } from './queries.ts'

/** Whether a promoted standby has all that was acknowledged; undefined where nobody said. */
export type Failover = 'synchronous' | 'asynchronous'

interface Options {
  database: Database
  seal: Seal
  algorithm: Algorithm
  clock: Clock
  failover: Failover | undefined
  log: FastifyBaseLogger
  /** Another epoch than before: all that is in memory is of another time. */
  onNew(): void
}

export class EpochWatch {
  readonly #options: Options
  #known: number | undefined
  #beginning: Promise<void> | undefined

  constructor(options: Options) {
    this.#options = options
  }

  /** Hears of the present epoch. False: what was read with it is not to be relied on. */
  hear(epoch: Epoch): boolean {
    if (epoch.moved !== null) {
      this.#beginning ??= this.#begin(epoch).finally(() => {
        this.#beginning = undefined
      })
      return false
    }
    const isNew = this.#known !== undefined && this.#known !== epoch.number
    this.#known = epoch.number
    if (isNew) {
      this.#options.log.warn({ epoch: epoch.number }, 'a new epoch has begun: all that was kept in memory is forgotten')
      this.#options.onNew()
    }
    return true
  }

  /** For a service that follows nothing. */
  async look(): Promise<void> {
    this.hear(await readEpoch(this.#options.database))
    await this.#beginning
  }

  async #begin({ moved, number }: Epoch): Promise<void> {
    const { log, clock, failover, ...tools } = this.#options
    const nothing_lost = moved === 'timeline' && failover === 'synchronous'
    log.error({ moved, epoch: number, nothing_lost }, 'the database is another one than before: beginning a new epoch')
    try {
      const isDue = (epoch: Epoch): boolean => epoch.moved !== null
      await beginEpoch({ ...tools, now: clock(), nothing_lost, in_tenants: false, isDue })
    } catch (error) {
      log.error({ err: error }, 'could not begin a new epoch yet')
    }
  }
}
