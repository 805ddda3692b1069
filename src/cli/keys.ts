// tenantry keys create | list | revoke | rotate
import type { Command } from 'commander'
import { given, instant, several, wholeNumber } from './arguments.ts'
import { fieldsOf, print, tableOf } from './output.ts'
import { readAll, sayIfCut } from './pages.ts'
import { onService, type ServiceOptions, withService } from './service.ts'
import { tenantIdIfNamed } from './tenants.ts'

interface Create extends ServiceOptions {
  permission: string[]
  exclude?: string[]
  tenant?: string
  expiresAt?: string
}

export const addKeyCommands = (program: Command): void => {
  const keys = program.command('keys').description('create, list and revoke API keys, turn the signing keys')
  onService(keys.command('create').description('create an API key; its secret is shown now and never again'))
    .argument('<name>', 'what it is for')
    .requiredOption('--permission <pattern>', "what it may do, e.g. 'tenantry.*'; may be given several times", several)
    .option('--exclude <pattern>', 'what it may not do all the same; may be given several times', several)
    .option('--tenant <tenant>', 'a key of this tenant alone: its id or slug')
    .option('--expires-at <instant>', 'when it ends, e.g. 2027-01-31T18:00:00Z', instant)
    .action(create)
  onService(keys.command('list').description('list API keys, oldest first; never their secrets'))
    .option('--tenant <tenant>', 'only of this tenant: its id or slug')
    .option('--limit <n>', 'stop after so many', wholeNumber)
    .action(list)
  onService(keys.command('revoke').description('end an API key, and every token that it asked for'))
    .argument('<id>', "the key's id, as `keys list` shows it")
    .action(revoke)
  onService(keys.command('rotate').description('publish a successor of the signing key, which signs in an hour'))
    .option('--emergency', 'throw every signing key away now and revoke what they signed', false)
    .action(rotate)
}

const list = ({ tenant, limit, ...options }: ServiceOptions & { tenant?: string; limit?: number }): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenant_id = await tenantIdIfNamed(tenantry, tenant)
    const keys = await readAll(limit, (page) =>
      unwrap(tenantry.GET('/api-keys', { params: { query: { ...given({ tenant_id }), ...page } } })),
    )
    const columns = [
      'id',
      'tenant_id',
      'name',
      'hint',
      'permissions',
      'excludes',
      'expires_at',
      'last_used_at',
    ] as const
    print(options, keys, tableOf(keys.data, columns))
    sayIfCut(keys)
  })

const revoke = (api_key_id: string, options: ServiceOptions): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    await unwrap(tenantry.DELETE('/api-keys/{api_key_id}', { params: { path: { api_key_id } } }))
    print(options, { id: api_key_id, revoked: true }, [`${api_key_id} is revoked`])
  })

const rotate = ({ emergency, ...options }: ServiceOptions & { emergency: boolean }): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const keys = await unwrap(tenantry.POST('/signing-keys/rotate', { body: { emergency } }))
    print(options, keys, tableOf(keys.data, ['kid', 'algorithm', 'status', 'activates_at']))
  })

const create = (name: string, { permission, exclude, tenant, expiresAt, ...options }: Create): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenant_id = await tenantIdIfNamed(tenantry, tenant)
    const optional = given({ tenant_id, excludes: exclude, expires_at: expiresAt })
    const key = await unwrap(tenantry.POST('/api-keys', { body: { name, permissions: permission, ...optional } }))
    const { id, permissions, excludes, expires_at, secret } = key
    print(
      options,
      key,
      fieldsOf({ id, tenant_id: key.tenant_id, name: key.name, permissions, excludes, expires_at, secret }),
    )
  })
