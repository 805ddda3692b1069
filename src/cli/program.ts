// The `tenantry` command: which commands there are. Each loads what it needs when it runs, so that --help is quick.
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addAfterRestoreCommand } from './after-restore.ts'
import { addApplyCommand } from './apply.ts'
import { addDoctorCommand } from './doctor.ts'
import { addEventCommands } from './events.ts'
import { addExplainCommand } from './explain.ts'
import { addExportCommand } from './export.ts'
import { reportFailure } from './failures.ts'
import { addIssuerCommands } from './issuers.ts'
import { addKeyCommands } from './keys.ts'
import { addMemberCommands } from './members.ts'
import { addMigrateCommand } from './migrate.ts'
import { addRoleCommands } from './roles.ts'
import { addServeCommand } from './serve.ts'
import { addSmokeCommand } from './smoke.ts'
import { addTenantCommands } from './tenants.ts'
import { addTokenCommands } from './tokens.ts'
import { addVerifyHistoryCommand } from './verify-history.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const programOf = (): Command => {
  const program = new Command('tenantry')
    .description('Tenants, memberships and roles as a service.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(--help says more)')
    .addHelpText(
      'after',
      `
Where to find a running service:
  TENANTRY_URL       its address (default: the service started here, else http://127.0.0.1:3000), or --url
  TENANTRY_API_KEY   the API key to use, or a file with it as --api-key-file. Where neither is given, DATABASE_URL is not
                     set and the address is on this machine, the root key in TENANTRY_DATA_DIR (./.tenantry) is used.

Exit status: 0 done; 1 refused, failed, or found not to be right; 2 wrong usage; 78 wrong settings.`,
    )

  program.commandsGroup('The service and its database:')
  addServeCommand(program)
  addMigrateCommand(program)
  addAfterRestoreCommand(program)
  addDoctorCommand(program)
  addSmokeCommand(program)
  addVerifyHistoryCommand(program)
  program.commandsGroup('On a running service:')
  addTenantCommands(program)
  addMemberCommands(program)
  addRoleCommands(program)
  addKeyCommands(program)
  addIssuerCommands(program)
  addTokenCommands(program)
  addExplainCommand(program)
  addEventCommands(program)
  program.commandsGroup('Access as a file:')
  addApplyCommand(program)
  addExportCommand(program)
  return program
}

/** Runs one command. Answers the exit status; what there is to say is on stdout and stderr. */
export const runCommand = async (args: string[]): Promise<number> => {
  try {
    await programOf().parseAsync(args, { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    return reportFailure(error, args.includes('--json'))
  }
}
