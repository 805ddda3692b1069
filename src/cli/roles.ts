// tenantry roles create | list | update | delete
import type { DryRun } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Command } from 'commander'
import { given, several, wholeNumber } from './arguments.ts'
import { UsageError } from './failures.ts'
import { fieldsOf, print, tableOf } from './output.ts'
import { readAll, sayIfCut } from './pages.ts'
import { onService, type ServiceOptions, withService } from './service.ts'
import { tenantIdIfNamed } from './tenants.ts'

type Role = components['schemas']['Role']

interface Patterns extends ServiceOptions {
  name?: string
  description?: string
  permission?: string[]
  exclude?: string[]
}

const ROLE = "the role's id, as `roles list` shows it"
const DRY_RUN = 'only say who would gain and lose what'

export const addRoleCommands = (program: Command): void => {
  const roles = program.command('roles').description('create, list, change and delete roles')
  patternsOn(onService(roles.command('create').description('create a role, for all tenants or for one')))
    .argument('<key>', 'what memberships call it')
    .option('--tenant <tenant>', 'a role of this tenant alone: its id or slug')
    .action(create)
  onService(roles.command('list').description('list roles, the built-in ones first'))
    .option('--tenant <tenant>', 'those that this tenant can give: its id or slug')
    .option('--limit <n>', 'stop after so many', wholeNumber)
    .action(list)
  patternsOn(onService(roles.command('update').description('change what a role grants, for everybody who holds it')))
    .argument('<id>', ROLE)
    .option('--dry-run', DRY_RUN, false)
    .action(update)
  onService(roles.command('delete').description('delete a role'))
    .argument('<id>', ROLE)
    .option('--remap-to <key>', 'the role that those get who hold it')
    .option('--dry-run', DRY_RUN, false)
    .action(remove)
}

const patternsOn = (command: Command): Command =>
  command
    .option('--name <name>', 'its name, for display')
    .option('--description <text>', 'what it is for')
    .option('--permission <pattern>', "what it grants, e.g. 'invoice:*'; may be given several times", several)
    .option('--exclude <pattern>', 'what it does not grant all the same; may be given several times', several)

const describe = ({ id, tenant_id, key, name, permissions, excludes }: Role): string[] =>
  fieldsOf({ id, tenant_id, key, name, permissions, excludes })

const printChanges = (options: ServiceOptions, answer: DryRun): void => {
  const cut = answer.truncated ? ['(there are more)'] : []
  print(options, answer, [...tableOf(answer.changes, ['tenant_id', 'user_id', 'gains', 'loses']), ...cut])
}

const create = (key: string, { tenant, ...options }: Patterns & { tenant?: string }): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const { name = key, description, permission: permissions = [], exclude: excludes } = options
    const tenant_id = await tenantIdIfNamed(tenantry, tenant)
    const body = { key, name, permissions, ...given({ tenant_id, description, excludes }) }
    const role = await unwrap(tenantry.POST('/roles', { body }))
    print(options, role, describe(role))
  })

const list = ({ tenant, limit, ...options }: ServiceOptions & { tenant?: string; limit?: number }): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenant_id = await tenantIdIfNamed(tenantry, tenant)
    const roles = await readAll(limit, (page) =>
      unwrap(tenantry.GET('/roles', { params: { query: { ...given({ tenant_id }), ...page } } })),
    )
    print(options, roles, tableOf(roles.data, ['id', 'tenant_id', 'key', 'permissions', 'excludes']))
    sayIfCut(roles)
  })

const update = (role_id: string, { dryRun, ...options }: Patterns & { dryRun: boolean }): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap, unwrapDryRun } = await import('@tenantry/client')
    const { name, description, permission: permissions, exclude: excludes } = options
    const body = given({ name, description, permissions, excludes })
    if (Object.keys(body).length === 0) throw new UsageError('there is nothing to change: give --permission or another')
    const answer = tenantry.PATCH('/roles/{role_id}', {
      params: { path: { role_id }, query: { dry_run: dryRun } },
      body,
    })
    if (dryRun) return printChanges(options, await unwrapDryRun(answer))
    const role = await unwrap(answer)
    print(options, role, describe(role))
  })

const remove = (
  role_id: string,
  { dryRun, remapTo, ...options }: ServiceOptions & { dryRun: boolean; remapTo?: string },
): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap, unwrapDryRun } = await import('@tenantry/client')
    const query = { dry_run: dryRun, ...given({ remap_to: remapTo }) }
    const answer = tenantry.DELETE('/roles/{role_id}', { params: { path: { role_id }, query } })
    if (dryRun) return printChanges(options, await unwrapDryRun(answer))
    await unwrap(answer)
    print(options, { id: role_id, deleted: true }, [`${role_id} is deleted`])
  })
