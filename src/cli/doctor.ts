// tenantry doctor
import type { Command } from 'commander'
import { type Config, ConfigError, readConfig, readDatabaseSettings } from '../config.ts'
import type { Check } from '../database/doctor.ts'
import { reportChecks } from './checks.ts'
import { openToLook } from './database.ts'
import { examineDeployment } from './deployment.ts'
import { serviceUrl } from './service.ts'

interface Options {
  url?: string
  json?: boolean
}

export const addDoctorCommand = (program: Command): void => {
  program
    .command('doctor')
    .description('check the settings, the database and the keys, and say what to do about what is wrong')
    .option('--url <url>', 'a deployment to ask as well; without DATABASE_URL it is all that is looked at')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nTakes the same settings as `tenantry serve`. Changes nothing. The exit status is 1 if anything fails.',
    )
    .action(doctor)
}

const doctor = async (options: Options): Promise<void> => {
  const { url } = options
  const inside = url === undefined || process.env.DATABASE_URL ? await examine(options) : []
  const outside = url === undefined ? [] : await examineDeployment(serviceUrl(options, process.env))
  reportChecks(options, [...inside, ...outside])
}

const examine = async (options: Options): Promise<Check[]> => {
  const { config, checks } = examineSettings()
  try {
    return [...checks, ...(await examineOpened(config))]
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const { DirectoryInUse } = await import('../database/directory.ts')
    if (error instanceof DirectoryInUse) return [...checks, ...(await examineRunning(options, config?.data_dir))]
    return [...checks, ...failures('database', error.problems)]
  }
}

const failures = (name: string, details: string[]): Check[] => details.map((detail) => ({ name, ok: false, detail }))

const examineSettings = (): { config: Config | undefined; checks: Check[] } => {
  try {
    const config = readConfig(process.env)
    const detail = `complete; tokens are issued by ${config.issuer}`
    return { config, checks: [{ name: 'settings', ok: true, detail }] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { config: undefined, checks: failures('settings', error.problems) }
  }
}

/** The database is looked at even if other settings are wrong: one run shows everything. */
const examineOpened = async (config: Config | undefined): Promise<Check[]> => {
  const { database, encryption_key } = await openToLook(config ?? readDatabaseSettings(process.env))
  try {
    const { examineDatabase } = await import('../database/doctor.ts')
    const { examineSigningKey } = await import('../signing-keys/doctor.ts')
    const checks = await examineDatabase(database)
    if (checks.some(({ name, ok }) => !ok && name !== 'clock')) return checks
    const keys = [config?.encryption_key ?? encryption_key, config?.previous_encryption_key].filter(
      (key) => key !== undefined,
    )
    return [...checks, await examineSigningKey(database, keys)]
  } finally {
    await database.close()
  }
}

/** Embedded and in use: nobody else may look, so the service is asked. */
const examineRunning = async (options: Options, data_dir: string | undefined): Promise<Check[]> => {
  const detail = `${data_dir ?? 'the embedded directory'} is in use by a running service; stop it to look inside`
  return [{ name: 'database', ok: true, detail }, ...(await examineDeployment(serviceUrl(options, process.env)))]
}
