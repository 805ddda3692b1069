// More than one service on one database, each with connections of its own: what a deployment with replicas is.
import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { openPostgres } from '../../src/database/connection.ts'
import { Database } from '../../src/database/scope.ts'
import type { Failover } from '../../src/epochs/watch.ts'
import type { Pause } from '../../src/freshness/settling.ts'
import { makeLog } from '../../src/http/logging.ts'
import { assembleService, type Service } from '../../src/service.ts'
import { Caller, injected, TEST_CONFIG } from '../support/service.ts'

export const ISSUER = TEST_CONFIG.issuer

export interface Secrets {
  root_api_key: string
  encryption_key: Buffer
}

export const someSecrets = (): Secrets => ({
  root_api_key: `root-${randomBytes(24).toString('base64url')}`,
  encryption_key: randomBytes(32),
})

export interface Replica {
  service: Service
  root: Caller
  as(credential: string): Caller
  stop(): Promise<void>
}

interface Options {
  failover?: Failover | undefined
  pause?: Pause
  staleness_ms?: number
  /** Past the pooler that the other address leads through. */
  direct_url?: string | undefined
}

/** A service with a pool of its own on this database; stopped when the test ends, if not before. */
export const aReplica = async (
  t: Test,
  url: string | undefined,
  secrets: Secrets,
  { pause, staleness_ms = TEST_CONFIG.staleness_ms, direct_url, failover }: Options = {},
): Promise<Replica> => {
  if (url === undefined) throw new Error('replicas need a server')
  const log = makeLog('silent')
  const database = new Database(openPostgres(url, () => {}, { direct_url }))
  const opened = { database, ...secrets, root_api_key_file: undefined }
  const service = await assembleService(
    opened,
    { ...TEST_CONFIG, staleness_ms, failover },
    log,
    () => new Date(),
    pause,
  )
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= service.close()
    return stopped
  }
  t.teardown(stop)
  const as = (credential: string) => new Caller(injected(service), credential)
  return { service, root: as(secrets.root_api_key), as, stop }
}
