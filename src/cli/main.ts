// The `tenantry` command.
import { Command } from 'commander'
import { serve } from '../main.ts'

const program = new Command('tenantry').description('Tenants, memberships and roles as a service')

program
  .command('serve')
  .description('run the service; see the README for its settings')
  .option('--seed', 'fill in two demo tenants with a member of every role', false)
  .action((options: { seed: boolean }) => serve(options))

await program.parseAsync()
