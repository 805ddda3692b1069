// tenantry apply
import type { Command } from 'commander'
import { several } from './arguments.ts'
import { UsageError } from './failures.ts'
import { onService, type ServiceOptions, withService } from './service.ts'

interface Options extends ServiceOptions {
  dryRun: boolean
  check: boolean
  prune: boolean
  remap?: string[]
  secretsOut?: string
}

export const addApplyCommand = (program: Command): void => {
  onService(
    program
      .command('apply')
      .description('bring catalogue, roles, role sets, policies, issuers and API keys to what a file says'),
  )
    .argument('<file>', 'the access file, YAML; - reads standard input')
    .option('--dry-run', 'only say what would change', false)
    .option('--check', 'only say what differs, and end with 1 if anything does', false)
    .option('--prune', 'also take away what the file does not name, and replace what cannot be changed', false)
    .option('--remap <role=heir>', 'who holds a role that goes gets that one; may be given several times', several)
    .option('--secrets-out <file>', 'a new file, mode 0600, for the secrets of new API keys; - prints them')
    .addHelpText(
      'after',
      `
A section that the file leaves out is left alone; one that is there is the whole truth. \`tenantry export\` writes such a
file. It asks nothing, and is safe to repeat: what is so already is not touched. Without --prune it does nothing at all if
anything would be taken away.`,
    )
    .action(apply)
}

const apply = (file: string, { remap = [], ...options }: Options): Promise<void> =>
  withService(options, async (tenantry) => {
    const { applyFile } = await import('./access/application.ts')
    await applyFile(tenantry, file, new Map(remap.map(heirOf)), options)
  })

const heirOf = (text: string): [string, string] => {
  const [role, heir, ...more] = text.split('=')
  if (role && heir && more.length === 0) return [role, heir]
  throw new UsageError('--remap is given as <role>=<heir>, e.g. --remap reviewer=approver')
}
