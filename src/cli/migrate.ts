// tenantry migrate
import type { Command } from 'commander'
import { ConfigError, readDatabaseSettings } from '../config.ts'
import { print } from './output.ts'

interface Options {
  grantTo?: string
  json?: boolean
}

export const addMigrateCommand = (program: Command): void => {
  program
    .command('migrate')
    .description('bring the database to the schema of this version; harmless to repeat')
    .option(
      '--grant-to <role>',
      'let this login role work as the service; made with TENANTRY_SERVICE_PASSWORD if missing',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
DATABASE_URL is the DSN of the owner here: a role that may create schemas and roles. The service itself runs as the
role of --grant-to, which owns nothing, so that row-level security binds it.

  DATABASE_URL=postgres://owner@db/app TENANTRY_SERVICE_PASSWORD=… tenantry migrate --grant-to tenantry_service`,
    )
    .action(migrate)
}

const migrate = async ({ grantTo, ...options }: Options): Promise<void> => {
  const { database_url, data_dir } = readDatabaseSettings(process.env)
  if (database_url === undefined) {
    throw new ConfigError([
      `DATABASE_URL is not set: nothing was migrated; \`tenantry serve\` migrates the embedded database in ${data_dir} by itself`,
    ])
  }
  const { migratePostgres } = await import('../database/migrations.ts')
  const role = grantTo === undefined ? undefined : { name: grantTo, password: process.env.TENANTRY_SERVICE_PASSWORD }
  const { from, to, applied } = await migratePostgres(database_url, role)
  const steps = applied.length === 0 ? `${to} is current: nothing to do` : `${from ?? '(nothing)'} → ${to}`
  const granted = grantTo === undefined ? [] : [`${grantTo} may work as the service`]
  print(options, { from, to, applied, granted_to: grantTo ?? null }, [steps, ...granted])
}
