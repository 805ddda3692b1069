// Opens everything a running service needs, in order, and closes it again. The process around it is main.ts.
import type { Logger } from 'pino'
import { type App, buildApp } from './app.ts'
import type { Clock } from './clock.ts'
import { type Config, ConfigError } from './config.ts'
import { openPostgres } from './database/connection.ts'
import { openDirectory } from './database/directory.ts'
import { roleFault, schemaFault } from './database/migrations.ts'
import { Database } from './database/scope.ts'
import type { Pause } from './freshness/settling.ts'
import type { Lifecycle } from './http/health.ts'
import { forgetOldAnswers } from './http/write.ts'
import { preparePlatform } from './platform.ts'
import { forgetEntries } from './revocations/entries.ts'
import { Seal, SealError } from './sealing.ts'
import type { Algorithm } from './signing-keys/generation.ts'
import { KeyRing } from './signing-keys/key-ring.ts'
import { turnKeysIfDue } from './signing-keys/schedule.ts'
import { eraseDueTenants } from './tenants/erasure.ts'

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
}

const openEmbedded = async (config: Config): Promise<Opened> => {
  const directory = await openDirectory(config.data_dir)
  return {
    database: new Database(directory.connection),
    root_api_key: config.root_api_key ?? directory.root_api_key,
    encryption_key: config.encryption_key ?? directory.encryption_key,
    root_api_key_file: config.root_api_key === undefined ? directory.root_api_key_file : undefined,
  }
}

/** @throws ConfigError when the role or the schema is not what the service needs */
const openServer = async (url: string, { root_api_key, encryption_key }: Config, log: Logger): Promise<Opened> => {
  if (root_api_key === undefined || encryption_key === undefined)
    throw new Error('readConfig demands both with DATABASE_URL')
  const database = new Database(
    openPostgres(url, (error) => log.warn({ err: error }, 'an idle database connection broke')),
  )
  try {
    const faults = [await roleFault(database), await schemaFault(database)].filter((fault) => fault !== undefined)
    if (faults.length > 0) throw new ConfigError(faults)
  } catch (error) {
    await database.close()
    throw error
  }
  return { database, root_api_key, encryption_key, root_api_key_file: undefined }
}

export const startService = async (config: Config, log: Logger): Promise<Service> => {
  const { database_url } = config
  const opened = database_url === undefined ? await openEmbedded(config) : await openServer(database_url, config, log)
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
    | 'signing_algorithm'
    | 'previous_encryption_key'
  >,
  log: Logger,
  clock: Clock,
  pause?: Pause,
): Promise<Service> => {
  const { database, root_api_key, root_api_key_file } = opened
  try {
    const { signing_algorithm: algorithm, previous_encryption_key: previous } = config
    const seal = new Seal(opened.encryption_key, ...(previous ? [previous] : []))
    const platform = await preparePlatform(database, { root_api_key, seal, algorithm, now: clock() })
    const keys = new KeyRing(database, seal, clock)
    await keys.publicKeys() // in memory from the start: a database that is away then takes them from nobody
    const lifecycle: Lifecycle = { draining: false }
    const app = await buildApp({ config, database, platform, keys, algorithm, seal, clock, log, lifecycle, pause })
    const stopChores = startChores(choresOf(app, { database, seal, algorithm, clock }), log)
    const close = async (): Promise<void> => {
      lifecycle.draining = true
      await app.close()
      await stopChores()
      await database.close()
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
const choresOf = ({ api_keys }: App, { database, seal, algorithm, clock }: ChoreTools): Chores => ({
  'note when API keys were used': () => api_keys.flush(),
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
  const timer = setInterval(() => {
    running = running.then(() => run(all))
  }, MINUTE_MS)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await running
    await run(all.slice(0, 1))
  }
}
