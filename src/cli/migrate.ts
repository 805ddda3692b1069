// tenantry migrate
import type { Command } from 'commander'
import { ConfigError, readDatabaseSettings } from '../config.ts'
import type { Plan } from '../database/migrations.ts'
import type { PlannedStatement, Waits } from '../database/planning.ts'
import { wholeNumber } from './arguments.ts'
import { print } from './output.ts'

interface Options {
  grantTo?: string
  plan?: boolean
  wait: number
  json?: boolean
}

/** As long as a database takes to start. */
const WAIT_SECONDS = 60

export const addMigrateCommand = (program: Command): void => {
  program
    .command('migrate')
    .description('bring the database to the schema of this version; harmless to repeat')
    .option(
      '--grant-to <role>',
      'let this login role work as the service; made with TENANTRY_SERVICE_PASSWORD if missing',
    )
    .option('--plan', 'only say what would be done, and whom each statement keeps waiting')
    .option('--wait <seconds>', 'how long the database may take to answer', wholeNumber, WAIT_SECONDS)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
It may run while the service does: docs/upgrades.md. A migration that does not get its lock within a second lets everybody
pass and tries again, for four minutes at most. DATABASE_URL is the DSN of the owner here: a role that may create schemas and roles. The service itself runs as the
role of --grant-to, which owns nothing, so that row-level security binds it. Where DATABASE_DIRECT_URL is set, it is used
instead: through a pooler nothing can be migrated.

  DATABASE_URL=postgres://owner@db/app TENANTRY_SERVICE_PASSWORD=… tenantry migrate --grant-to tenantry_service`,
    )
    .action(migrate)
}

const migrate = async ({ grantTo, plan, wait, ...options }: Options): Promise<void> => {
  const url = requireServer()
  const { migratePostgres, planMigrations } = await import('../database/migrations.ts')
  const progress = { wait_ms: wait * 1_000, onWait: (what: string) => process.stderr.write(`${what}\n`) }
  if (plan) {
    const planned = await planMigrations(url, progress)
    return print(options, planned, linesOf(planned))
  }
  const role = grantTo === undefined ? undefined : { name: grantTo, password: process.env.TENANTRY_SERVICE_PASSWORD }
  const { from, to, applied } = await migratePostgres(url, role, progress)
  const granted = grantTo === undefined ? [] : [`${grantTo} may work as the service`]
  print(options, { from, to, applied, granted_to: grantTo ?? null }, [stepsOf(from, to, applied.length), ...granted])
}

/** @throws ConfigError */
const requireServer = (): string => {
  const { database_url, database_direct_url, data_dir } = readDatabaseSettings(process.env)
  if (database_url !== undefined) return database_direct_url ?? database_url
  throw new ConfigError([
    `DATABASE_URL is not set: nothing was migrated; \`tenantry serve\` migrates the embedded database in ${data_dir} by itself`,
  ])
}

const stepsOf = (from: string | null, to: string, steps: number): string =>
  steps === 0 ? `${to} is current: nothing to do` : `${from ?? '(nothing)'} → ${to}`

const WAITING: Record<Waits, string> = {
  nobody: 'nobody waits',
  writers: 'WRITERS wait, readers do not',
  everybody: 'EVERYBODY waits, for a moment',
  unknown: 'cannot be told: read it with --json',
}

const linesOf = ({ from, to, pending }: Plan): string[] => [
  stepsOf(from, to, pending.length),
  ...pending.flatMap(({ name, statements }) => ['', name, ...statements.map(lineOf)]),
]

const lineOf = ({ does, waits }: PlannedStatement): string => `  ${does.padEnd(72)}  ${WAITING[waits]}`
