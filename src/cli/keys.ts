// tenantry keys create | rotate
import type { Command } from 'commander'
import { given, several } from './arguments.ts'
import { fieldsOf, print, tableOf } from './output.ts'
import { onService, type ServiceOptions, withService } from './service.ts'
import { tenantId } from './tenants.ts'

interface Create extends ServiceOptions {
  permission: string[]
  exclude?: string[]
  tenant?: string
  expiresAt?: string
}

export const addKeyCommands = (program: Command): void => {
  const keys = program.command('keys').description('create API keys, turn the signing keys')
  onService(keys.command('create').description('create an API key; its secret is shown now and never again'))
    .argument('<name>', 'what it is for')
    .requiredOption('--permission <pattern>', "what it may do, e.g. 'tenantry.*'; may be given several times", several)
    .option('--exclude <pattern>', 'what it may not do all the same; may be given several times', several)
    .option('--tenant <tenant>', 'a key of this tenant alone: its id or slug')
    .option('--expires-at <instant>', 'when it ends, e.g. 2027-01-31T18:00:00Z')
    .action(create)
  onService(keys.command('rotate').description('publish a successor of the signing key, which signs in an hour'))
    .option('--emergency', 'throw every signing key away now and revoke what they signed', false)
    .action(rotate)
}

const rotate = ({ emergency, ...options }: ServiceOptions & { emergency: boolean }): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const keys = await unwrap(tenantry.POST('/signing-keys/rotate', { body: { emergency } }))
    print(options, keys, tableOf(keys.data, ['kid', 'algorithm', 'status', 'activates_at']))
  })

const create = (name: string, { permission, exclude, tenant, expiresAt, ...options }: Create): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenant_id = tenant === undefined ? undefined : await tenantId(tenantry, tenant)
    const optional = given({ tenant_id, excludes: exclude, expires_at: expiresAt })
    const key = await unwrap(tenantry.POST('/api-keys', { body: { name, permissions: permission, ...optional } }))
    const { id, permissions, excludes, expires_at, secret } = key
    print(
      options,
      key,
      fieldsOf({ id, tenant_id: key.tenant_id, name: key.name, permissions, excludes, expires_at, secret }),
    )
  })
