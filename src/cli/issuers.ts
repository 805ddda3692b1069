// tenantry issuers add | list | remove
import type { components } from '@tenantry/client/contract'
import { type Command, Option } from 'commander'
import { given, several, wholeNumber } from './arguments.ts'
import { fieldsOf, print, tableOf } from './output.ts'
import { readAll, sayIfCut } from './pages.ts'
import { onService, type ServiceOptions, withService } from './service.ts'
import { tenantIdIfNamed } from './tenants.ts'

type Issuer = components['schemas']['Issuer']
type Algorithm = components['schemas']['IssuerAlgorithms'][number]
const ALGORITHMS: Algorithm[] = ['RS256', 'ES256', 'EdDSA']

interface Add extends ServiceOptions {
  audience: string[]
  tenant?: string
  jwksUri?: string
  algorithm?: Algorithm[]
  userIdClaim?: string
  userIdPrefix?: string
  sharesUserIds?: boolean
  clientAuthRequired?: boolean
}

export const addIssuerCommands = (program: Command): void => {
  const issuers = program.command('issuers').description('trust identity providers, list them, trust them no longer')
  onService(
    issuers.command('add').description('trust an identity provider: its tokens are exchanged for those of tenants'),
  )
    .argument('<issuer>', 'its URL, as it writes it itself')
    .requiredOption('--audience <audience>', 'whom its tokens are for; may be given several times', several)
    .option('--tenant <tenant>', 'for this tenant alone: its id or slug')
    .option('--jwks-uri <url>', 'where its keys are (default: found by discovery)')
    .addOption(new Option('--algorithm <algorithm...>', 'what it signs with (default: all three)').choices(ALGORITHMS))
    .option('--user-id-claim <claim>', 'which claim is the user id (default: sub)')
    .option('--user-id-prefix <prefix>', 'put before its user ids')
    .option('--shares-user-ids', 'another issuer with the same prefix names the same people')
    .option('--client-auth-required', 'only an authenticated client may exchange its tokens')
    .action(add)
  onService(issuers.command('list').description('list trusted issuers, oldest first'))
    .option('--tenant <tenant>', 'only of this tenant: its id or slug')
    .option('--limit <n>', 'stop after so many', wholeNumber)
    .action(list)
  onService(issuers.command('remove').description('trust an issuer no longer'))
    .argument('<id>', "the issuer's id, as `issuers list` shows it")
    .action(remove)
}

const describe = ({ id, tenant_id, issuer, audiences, jwks_uri, algorithms, user_id_prefix }: Issuer): string[] =>
  fieldsOf({ id, tenant_id, issuer, audiences, jwks_uri, algorithms, user_id_prefix })

const add = (issuer: string, { audience: audiences, tenant, ...options }: Add): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenant_id = await tenantIdIfNamed(tenantry, tenant)
    const optional = given({
      tenant_id,
      jwks_uri: options.jwksUri,
      algorithms: options.algorithm,
      user_id_claim: options.userIdClaim,
      user_id_prefix: options.userIdPrefix,
      shares_user_ids: options.sharesUserIds,
      client_auth_required: options.clientAuthRequired,
    })
    const added = await unwrap(tenantry.POST('/issuers', { body: { issuer, audiences, ...optional } }))
    print(options, added, describe(added))
  })

const list = ({ tenant, limit, ...options }: ServiceOptions & { tenant?: string; limit?: number }): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenant_id = await tenantIdIfNamed(tenantry, tenant)
    const issuers = await readAll(limit, (page) =>
      unwrap(tenantry.GET('/issuers', { params: { query: { ...given({ tenant_id }), ...page } } })),
    )
    print(options, issuers, tableOf(issuers.data, ['id', 'tenant_id', 'issuer', 'audiences', 'user_id_prefix']))
    sayIfCut(issuers)
  })

const remove = (issuer_id: string, options: ServiceOptions): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    await unwrap(tenantry.DELETE('/issuers/{issuer_id}', { params: { path: { issuer_id } } }))
    print(options, { id: issuer_id, removed: true }, [`${issuer_id} is removed`])
  })
