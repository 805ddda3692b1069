// tenantry tokens issue
import type { Command } from 'commander'
import { given, wholeNumber } from './arguments.ts'
import { print } from './output.ts'
import { onService, type ServiceOptions, withService } from './service.ts'
import { tenantIdIfNamed } from './tenants.ts'

interface Issue extends ServiceOptions {
  tenant?: string
  audience?: string
  ttl?: number
}

export const addIssueCommand = (tokens: Command): void => {
  onService(tokens.command('issue').description('issue a token for a user in a tenant, and print it alone on a line'))
    .argument('<user_id>', 'the user, as the identity provider names them')
    .option('--tenant <tenant>', "its id or slug (a tenant's own key may leave it out)")
    .option('--audience <audience>', 'the service that it is for (default: Tenantry itself)')
    .option('--ttl <seconds>', 'how long it is good (default: 300)', wholeNumber)
    .addHelpText(
      'after',
      '\nThe key needs tenantry.token:issue. Whoever has the token is the user: keep it out of logs.',
    )
    .action(issue)
}

const issue = (user_id: string, { tenant, audience, ttl, ...options }: Issue): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenant_id = await tenantIdIfNamed(tenantry, tenant)
    const body = { user_id, ...given({ tenant_id, audience, ttl_seconds: ttl }) }
    const token = await unwrap(tenantry.POST('/tokens', { body }))
    print(options, token, [token.access_token])
  })
