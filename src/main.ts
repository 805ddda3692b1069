// The process: read the settings, open the service, listen, and stop in order when told to.

import { banner } from './cli/banner.ts'
import { seed } from './cli/seed.ts'
import { ConfigError, readConfig } from './config.ts'
import { DirectoryInUse } from './database/directory.ts'
import { makeLog } from './http/logging.ts'
import { startService } from './service.ts'

const EX_CONFIG = 78 // sysexits.h: the settings are wrong, and starting again will not help
const DRAIN_MS = 10_000

export interface ServeOptions {
  /** Fill in the two demo tenants. */
  seed: boolean
}

/** Runs until SIGTERM or SIGINT. On a terminal it prints a banner, elsewhere it logs JSON. */
export const serve = async (options: ServeOptions): Promise<void> => {
  try {
    await run(options)
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof DirectoryInUse)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = EX_CONFIG
  }
}

const run = async (options: ServeOptions): Promise<void> => {
  const config = readConfig(process.env)
  const onTerminal = process.stdout.isTTY === true
  // A terminal shows the banner and what goes wrong; every request would drown it.
  const log = makeLog(onTerminal && !process.env.LOG_LEVEL ? 'warn' : config.log_level)
  const service = await startService(config, log)
  stopOnSignal(service.close, log.info.bind(log))
  if (options.seed) await seed(service)
  const address = await service.app.fastify.listen({ host: config.host, port: config.port })
  if (onTerminal) process.stdout.write(banner({ address, config, root_api_key_file: service.root_api_key_file }))
  else log.info({ address, database: service.database.kind, root_api_key_file: service.root_api_key_file }, 'listening')
}

const stopOnSignal = (close: () => Promise<void>, say: (text: string) => void): void => {
  const stop = (signal: NodeJS.Signals): void => {
    say(`${signal}: finishing what is under way`)
    setTimeout(() => process.exit(1), DRAIN_MS).unref()
    close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`could not stop in order: ${error}\n`)
        process.exit(1)
      },
    )
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
