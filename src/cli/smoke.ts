// tenantry smoke: does a deployment answer as Tenantry does? Needs no credential and changes nothing.
import type { Command } from 'commander'
import { reportChecks } from './checks.ts'
import { examineDeployment } from './deployment.ts'
import { type ServiceOptions, serviceUrl } from './service.ts'

export const addSmokeCommand = (program: Command): void => {
  program
    .command('smoke')
    .description('ask a deployment for what it must answer to strangers: readiness, keys, discovery, and a refusal')
    .option('--url <url>', 'where the service is (default: TENANTRY_URL, else the service started here)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nNeeds no key and changes nothing. The exit status is 1 if anything fails.')
    .action(smoke)
}

const smoke = async (options: ServiceOptions): Promise<void> => {
  reportChecks(options, await examineDeployment(serviceUrl(options, process.env)))
}
