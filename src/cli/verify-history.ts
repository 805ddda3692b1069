// tenantry verify-history
import type { Command } from 'commander'
import { ConfigError, readDatabaseSettings } from '../config.ts'
import type { Database } from '../database/scope.ts'
import type { HistoryReport } from '../events/verification.ts'
import { isId } from '../ids.ts'
import { openToLook } from './database.ts'
import { CommandError, EXIT } from './failures.ts'
import { printLines } from './output.ts'

interface Options {
  tenant?: string
  json?: boolean
}

export const addVerifyHistoryCommand = (program: Command): void => {
  program
    .command('verify-history')
    .description('check that the histories say what was written: no event missing, none changed')
    .option('--tenant <tenant>', 'only the history of this tenant: its id or slug')
    .option('--json', 'print a line of JSON for each history')
    .addHelpText(
      'after',
      `
Computes every hash chain again, from DATABASE_URL or the embedded directory, which nobody else may use meanwhile. The
exit status is 1 if any history does not hold. Whoever owns the database can rewrite a whole chain: keep the
revision and head_hash of --json somewhere else now and then, and compare.`,
    )
    .action(verify)
}

interface Totals {
  histories: number
  events: number
  kept: number
  erased: number
  broken: number
}

const verify = async (options: Options): Promise<void> => {
  const { database } = await openToLook(readDatabaseSettings(process.env))
  try {
    await requireSchema(database)
    const totals = await verifyAll(database, options)
    if (!options.json) printLines(summaryOf(totals))
    if (totals.broken > 0) process.exitCode = EXIT.failed
  } finally {
    await database.close()
  }
}

/** @throws ConfigError */
const requireSchema = async (database: Database): Promise<void> => {
  const { schemaFault } = await import('../database/migrations.ts')
  const fault = await schemaFault(database)
  if (fault !== undefined) throw new ConfigError([fault])
}

const verifyAll = async (database: Database, { tenant, json }: Options): Promise<Totals> => {
  const { verifyHistories } = await import('../events/verification.ts')
  const only = tenant === undefined ? undefined : await tenantId(database, tenant)
  const totals: Totals = { histories: 0, events: 0, kept: 0, erased: 0, broken: 0 }
  for await (const report of verifyHistories(database, only)) {
    add(totals, report)
    if (json) printLines([JSON.stringify(report)])
    else if (report.fault) printLines([`BROKEN  ${report.history}:${report.fault.revision}  ${report.fault.reason}`])
    else if (only !== undefined) printLines([`ok  ${report.history}:${report.revision}  ${report.head_hash}`])
  }
  if (only !== undefined && totals.histories === 0) throw new CommandError(`There is no tenant with the id ${only}.`)
  return totals
}

const tenantId = async (database: Database, named: string): Promise<string> => {
  if (isId(named.toLowerCase())) return named
  const { findTenantBySlug } = await import('../tenants/operations.ts')
  const tenant = await database.asPlatform('find a tenant by its slug', (tx) => findTenantBySlug(tx, named))
  if (!tenant) throw new CommandError(`There is no tenant with the slug "${named}".`)
  return tenant.id
}

const add = (totals: Totals, { revision, personal, fault }: HistoryReport): void => {
  totals.histories++
  totals.events += fault ? 0 : revision
  totals.kept += personal.kept
  totals.erased += personal.erased
  totals.broken += fault ? 1 : 0
}

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

const summaryOf = ({ histories, events, kept, erased, broken }: Totals): string[] => [
  broken === 0
    ? `${counted(histories, 'history holds', 'histories hold')}, ${counted(events, 'event', 'events')} in all.`
    : `${broken} of ${counted(histories, 'history does', 'histories do')} not hold; the first broken revision of each is named.`,
  `Personal data beside the events: ${kept} match their commitment, ${erased} erased.`,
]
