// tenantry after-restore
import type { Command } from 'commander'
import { ConfigError, readConfig } from '../config.ts'
import { openToLook } from './database.ts'
import { CommandError } from './failures.ts'
import { print } from './output.ts'

interface Options {
  nothingLost: boolean
  json?: boolean
}

export const addAfterRestoreCommand = (program: Command): void => {
  program
    .command('after-restore')
    .description('begin a new epoch on a database that was restored, so that nothing from before is taken for new')
    .option('--nothing-lost', 'every acknowledged commit is there: keys and tokens stay good', false)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Takes the same settings as \`tenantry serve\`; stop the service, or leave it waiting. In one transaction every signing key is
replaced (tokens from before are dead), cursors and what services keep in memory end, and the event is written into the
platform's history and each tenant's. Then start the service, if it does not wait. See docs/recovery.md.`,
    )
    .action(afterRestore)
}

const afterRestore = async ({ nothingLost: nothing_lost, ...options }: Options): Promise<void> => {
  const config = readConfig(process.env)
  const { database, encryption_key = config.encryption_key } = await openToLook(config)
  try {
    const { schemaFault } = await import('../database/migrations.ts')
    const fault = await schemaFault(database)
    if (fault !== undefined || encryption_key === undefined)
      throw new ConfigError([fault ?? 'there is no encryption key'])
    const { examineSigningKey } = await import('../signing-keys/doctor.ts')
    // With another key the new signing keys would be sealed so that no service could open them.
    const keys_given = [encryption_key, config.previous_encryption_key].filter((key) => key !== undefined)
    const { ok, detail } = await examineSigningKey(database, keys_given)
    if (!ok) throw new ConfigError([detail])
    const { beginEpoch } = await import('../epochs/operations.ts')
    const { Seal } = await import('../sealing.ts')
    const { signing_algorithm: algorithm } = config
    const how = { nothing_lost, in_tenants: true, isDue: () => true }
    const begun = await beginEpoch({ database, seal: new Seal(encryption_key), algorithm, now: new Date(), ...how })
    if (begun === undefined) throw new CommandError('Nothing was done.')
    const keys = nothing_lost ? 'keys and tokens stay good' : 'every signing key is new'
    print(options, { ...begun, nothing_lost }, [
      `epoch ${begun.epoch}: ${keys}; ${begun.tenants} tenants' histories say so`,
    ])
  } finally {
    await database.close()
  }
}
