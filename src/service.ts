// Opens everything a running service needs, in order, and closes it again. The process around it is main.ts.
import type { Logger } from 'pino'
import { type App, buildApp, type Protection, VERSION } from './app.ts'
import type { Clock } from './clock.ts'
import { type Config, ConfigError } from './config.ts'
import { type Connection, openPostgres } from './database/connection.ts'
import { openDirectory } from './database/directory.ts'
import { isStarting, wordsOf } from './database/faults.ts'
import { roleFault, schemaFault } from './database/migrations.ts'
import { Database } from './database/scope.ts'
import { epochFault } from './epochs/faults.ts'
import { readEpoch } from './epochs/queries.ts'
import type { Pause } from './freshness/settling.ts'
import type { Lifecycle } from './http/health.ts'
import { forgetOldAnswers } from './http/write.ts'
import { preparePlatform } from './platform.ts'
import { forgetEntries } from './revocations/entries.ts'
import { Seal, SealError } from './sealing.ts'
import type { Algorithm } from './signing-keys/generation.ts'
import { KeyRing } from './signing-keys/key-ring.ts'
import { turnKeysIfDue } from './signing-keys/schedule.ts'
import type { Obstacle } from './starting.ts'
import { eraseDueTenants } from './tenants/erasure.ts'
import type { Tracing } from './tracing/tracing.ts'

const MINUTE_MS = 60_000

export interface Service {
  app: App
  database: Database
  lifecycle: Lifecycle
  root_api_key: string
  /** Where embedded mode keeps the root key that it made; undefined when the environment gave one. */
  root_api_key_file: string | undefined
  close(): Promise<void>
}

/** A database and the secrets that go with it. */
export interface Opened {
  database: Database
  root_api_key: string
  encryption_key: Buffer
  root_api_key_file: string | undefined
  /** Where traces are sent somewhere. */
  tracing?: Tracing | undefined
}

const databaseOn = (connection: Connection, tracing: Tracing | undefined): Database =>
  new Database(tracing?.traced(connection) ?? connection)

const openEmbedded = async (config: Config, tracing: Tracing | undefined): Promise<Opened> => {
  const directory = await openDirectory(config.data_dir)
  return {
    database: databaseOn(directory.connection, tracing),
    tracing,
    root_api_key: config.root_api_key ?? directory.root_api_key,
    encryption_key: config.encryption_key ?? directory.encryption_key,
    root_api_key_file: config.root_api_key === undefined ? directory.root_api_key_file : undefined,
  }
}

/** Told of what is in the way; the next try follows when it resolves. */
export type Wait = (obstacle: Obstacle) => Promise<void>

interface Surroundings {
  log: Logger
  wait: Wait
  tracing: Tracing | undefined
}

/** @throws ConfigError when the role is not one that the service may use, and what `wait` throws */
const openServer = async (url: string, config: Config, { log, wait, tracing }: Surroundings): Promise<Opened> => {
  const { root_api_key, encryption_key, database_direct_url: direct_url, database_pool: pool } = config
  if (root_api_key === undefined || encryption_key === undefined)
    throw new Error('readConfig demands both with DATABASE_URL')
  const onIdleError = (error: Error): void => log.warn({ err: error }, 'an idle database connection broke')
  const database = databaseOn(openPostgres(url, onIdleError, { direct_url, pool }), tracing)
  try {
    const find = () => findObstacle(database, config)
    for (let obstacle = await find(); obstacle; obstacle = await find()) await wait(obstacle)
  } catch (error) {
    await database.close()
    throw error
  }
  return { database, root_api_key, encryption_key, root_api_key_file: undefined, tracing }
}

/** What is in the way of serving from this database and may pass. @throws what does not pass by waiting */
const findObstacle = async (
  database: Database,
  { failover }: Pick<Config, 'failover'>,
): Promise<Obstacle | undefined> => {
  try {
    const role = await roleFault(database)
    if (role !== undefined) throw new ConfigError([role])
    const schema = await schemaFault(database)
    if (schema !== undefined) return { name: 'schema', detail: schema }
    const epoch = epochFault(await readEpoch(database), failover)
    return epoch === undefined ? undefined : { name: 'epoch', detail: epoch }
  } catch (error) {
    if (!isStarting(error)) throw error
    return { name: 'database', detail: `the database does not answer (${wordsOf(error)})` }
  }
}

export const startService = async (config: Config, log: Logger, wait: Wait): Promise<Service> => {
  const { database_url } = config
  const tracing = config.traces ? (await import('./tracing/tracing.ts')).startTracing(VERSION) : undefined
  const opened = await (database_url === undefined
    ? openEmbedded(config, tracing)
    : openServer(database_url, config, { log, wait, tracing }))
  return assembleService(opened, config, log, () => new Date())
}

/**
 * The service on a database that is open already. Closing it closes the database too.
 * @throws ConfigError when the encryption key is not the database's
 */
export const assembleService = async (
  opened: Opened,
  config: Pick<
    Config,
    | 'issuer'
    | 'audiences'
    | 'cors_origins'
    | 'allow_loopback_issuers'
    | 'staleness_ms'
    | 'ready_grace_ms'
    | 'access_log'
    | Protection
    | 'failover'
    | 'signing_algorithm'
    | 'previous_encryption_key'
  >,
  log: Logger,
  clock: Clock,
  pause?: Pause,
): Promise<Service> => {
  const { database, root_api_key, root_api_key_file, tracing } = opened
  try {
    const { signing_algorithm: algorithm, previous_encryption_key: previous } = config
    const seal = new Seal(opened.encryption_key, ...(previous ? [previous] : []))
    const platform = await preparePlatform(database, { root_api_key, seal, algorithm, now: clock() })
    const keys = new KeyRing(database, seal, clock)
    await keys.publicKeys() // in memory from the start: a database that is away then takes them from nobody
    const lifecycle: Lifecycle = { draining: false }
    const services = { config, database, platform, keys, algorithm, seal, clock, log, lifecycle, tracing, pause }
    const app = await buildApp(services)
    await app.epochs.look()
    const stopChores = startChores(choresOf(app, { database, seal, algorithm, clock }), log)
    const close = async (): Promise<void> => {
      lifecycle.draining = true
      await app.close()
      await stopChores()
      await database.close()
      await tracing?.stop()
    }
    return { app, database, lifecycle, root_api_key, root_api_key_file, close }
  } catch (error) {
    await database.close()
    throw error instanceof SealError ? new ConfigError([wrongEncryptionKey(error)]) : error
  }
}

const wrongEncryptionKey = ({ message }: SealError): string =>
  `TENANTRY_ENCRYPTION_KEY (or the file encryption-key in TENANTRY_DATA_DIR) does not open this database's signing keys: ${message}; give the key that the database was first used with`

type Chores = Record<string, () => Promise<unknown>>

interface ChoreTools {
  database: Database
  seal: Seal
  algorithm: Algorithm
  clock: Clock
}

/** What happens once a minute, off the path of any request; the first also at the end. */
const choresOf = ({ api_keys, epochs }: App, { database, seal, algorithm, clock }: ChoreTools): Chores => ({
  'note when API keys were used': () => api_keys.flush(),
  'see whether the database is where it was': () => epochs.look(),
  'turn the signing keys': () => turnKeysIfDue(database, seal, algorithm, clock()),
  'forget old idempotency keys': () => forgetOldAnswers(database, clock()),
  'forget revocations that are over': () => forgetEntries(database, clock()),
  'erase tenants': () => eraseDueTenants(database, clock()),
})

/** A chore that fails is logged and comes round again. */
const startChores = (chores: Chores, log: Logger): (() => Promise<void>) => {
  const run = async (names: string[]): Promise<void> => {
    for (const name of names) {
      await chores[name]?.().catch((error: unknown) => log.error({ err: error }, `chore failed: ${name}`))
    }
  }
  const all = Object.keys(chores)
  let running = Promise.resolve()
  const goOn = (): void => {
    timer = setTimeout(goOn, MINUTE_MS).unref()
    running = running.then(() => run(all))
  }
  // Replicas that started together must not all come at the same second, every minute.
  let timer = setTimeout(goOn, Math.random() * MINUTE_MS).unref()
  return async () => {
    clearTimeout(timer)
    await running
    await run(all.slice(0, 1))
  }
}
