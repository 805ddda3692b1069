// The process: read the settings, open the service, listen, and stop in order when told to.

import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Logger } from 'pino'
import { banner } from './cli/banner.ts'
import { CommandError } from './cli/failures.ts'
import { type SeededTenant, seed } from './cli/seed.ts'
import { type Config, readConfig } from './config.ts'
import { noteAddress } from './database/directory-address.ts'
import { makeLog, standardOutput } from './http/logging.ts'
import { metricsServer } from './metrics/handlers.ts'
import { type Service, startService } from './service.ts'
import { WaitingRoom } from './starting.ts'
import { drain, firstSignal } from './stopping.ts'

export interface ServeOptions {
  /** Fill in the two demo tenants. */
  seed: boolean
}

/**
 * Answers when the service listens; then the process runs until SIGTERM or SIGINT. On a terminal it prints a banner,
 * elsewhere it logs JSON.
 * @throws ConfigError, DirectoryInUse, CommandError
 */
export const serve = async (options: ServeOptions): Promise<void> => {
  const signal = firstSignal()
  const config = await readSettings()
  const onTerminal = process.stdout.isTTY === true
  // A terminal shows the banner and what goes wrong; every request would drown it.
  const log = makeLog(onTerminal && !process.env.LOG_LEVEL ? 'warn' : config.log_level, standardOutput())
  const service = await open(config, log, signal)
  const started = await start(service, config, options).catch(async (error: unknown) => {
    await service.close()
    throw error
  })
  if (onTerminal) process.stdout.write(banner({ ...started, config, root_api_key_file: service.root_api_key_file }))
  else announce(log, service, started)
  signal
    .then((name) => {
      log.info(`${name}: finishing what is under way`)
      return drain(service, config, log)
    })
    .catch((error: unknown) => {
      log.fatal({ err: error }, 'could not stop in order')
      process.exit(1)
    })
}

/** Waits for the database, however long that takes; the first signal ends the waiting. */
const open = async (config: Config, log: Logger, signal: Promise<NodeJS.Signals>): Promise<Service> => {
  const stopping = new AbortController()
  signal.then(() => stopping.abort(new CommandError('told to stop before the service could start')))
  const room = new WaitingRoom(config, log, stopping.signal)
  try {
    return await startService(config, log, (obstacle) => room.wait(obstacle))
  } finally {
    await room.close()
  }
}

/**
 * Whether the address is free is asked before the database is opened, so that the answer comes at once. Port 0 becomes a
 * real one first: without TENANTRY_ISSUER the port is part of the issuer.
 */
const readSettings = async (): Promise<Readonly<Config>> => {
  const config = readConfig(process.env)
  const port = await requireFreePort(config)
  if (config.metrics_port !== undefined) await requireFreePort({ host: config.host, port: config.metrics_port })
  return port === config.port ? config : readConfig({ ...process.env, PORT: String(port) })
}

const REFUSALS: Record<string, string> = {
  EADDRINUSE: 'another program listens there already. Stop it, or set PORT to another port',
  EACCES: 'this user may not listen there. Set PORT to a port from 1024 on',
  EADDRNOTAVAIL: 'HOST is no address of this machine',
  ENOTFOUND: 'HOST is not known',
}

/** The port, and for port 0 one that is free. @throws CommandError */
const requireFreePort = async ({ host, port }: Pick<Config, 'host' | 'port'>): Promise<number> => {
  const server = createServer().listen(port, host)
  await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
    const why = REFUSALS[error.code ?? ''] ?? error.message
    throw new CommandError(`Cannot listen on ${host}, port ${port}: ${why}.`, { cause: error })
  })
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a listening server has an address')
  return address.port
}

interface Started {
  address: string
  seeded: SeededTenant[]
}

const start = async (service: Service, config: Config, options: ServeOptions): Promise<Started> => {
  const { host, port, data_dir, metrics_port } = config
  const seeded = options.seed ? await seed(service) : []
  // Open until the process ends: how a drain goes is worth seeing.
  if (metrics_port !== undefined) metricsServer(service.app.metrics).listen(metrics_port, host).unref()
  const address = await service.app.fastify.listen({ host, port })
  if (service.database.kind === 'embedded') noteAddress(data_dir, address)
  return { address, seeded }
}

const announce = (log: Logger, { database, root_api_key_file }: Service, { address, seeded }: Started): void => {
  for (const tenant of seeded) log.info({ tenant }, 'demo tenant')
  log.info({ address, database: database.kind, root_api_key_file }, 'listening')
}
