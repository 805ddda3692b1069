// tenantry tenants create | list | update | suspend | reactivate | delete | restore
import type { TenantryClient } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import { type Command, Option } from 'commander'
import { isId } from '../ids.ts'
import { given, wholeNumber } from './arguments.ts'
import { CommandError, UsageError } from './failures.ts'
import { fieldsOf, print, tableOf } from './output.ts'
import { readAll, sayIfCut } from './pages.ts'
import { onService, type ServiceOptions, withService } from './service.ts'

type Tenant = components['schemas']['Tenant']
type Status = components['schemas']['TenantStatus']
const STATUSES: Status[] = ['active', 'suspended', 'archived', 'deletion_scheduled', 'erased']

interface Create extends ServiceOptions {
  slug?: string
  owner?: string
  ownerEmail?: string
  roleSet?: string
}

interface Update extends ServiceOptions {
  name?: string
  slug?: string
  roleSet?: string
}

interface List extends ServiceOptions {
  status?: Status
  q?: string
  limit?: number
}

type Move = '/tenants/{tenant_id}/suspend' | '/tenants/{tenant_id}/reactivate' | '/tenants/{tenant_id}/restore'

const move =
  (url: Move) =>
  (named: string, { reason, ...options }: ServiceOptions & { reason?: string }): Promise<void> =>
    withService(options, async (tenantry) => {
      const { unwrap } = await import('@tenantry/client')
      const path = { tenant_id: await tenantId(tenantry, named) }
      const tenant = await unwrap(tenantry.POST(url, { params: { path }, body: given({ reason }) }))
      print(options, tenant, describe(tenant))
    })

export const addTenantCommands = (program: Command): void => {
  const tenants = program
    .command('tenants')
    .description('create, list, change, suspend, reactivate, delete and restore tenants')
  onService(tenants.command('create').description('create a tenant, and its first owner with it'))
    .argument('<name>', 'the name, for display')
    .option('--slug <slug>', 'its short name (default: made from the name)')
    .option('--owner <user_id>', 'the user who owns it, as the identity provider names them')
    .option('--owner-email <email>', "the owner's e-mail address")
    .option('--role-set <key>', 'the set of shared roles that it may give (default: the default set)')
    .action(create)
  onService(tenants.command('list').description('list all tenants, oldest first'))
    .addOption(new Option('--status <status>', 'only tenants with this status').choices(STATUSES))
    .option('--q <text>', 'only tenants with this in the name or slug')
    .option('--limit <n>', 'stop after so many', wholeNumber)
    .action(list)
  onService(tenants.command('update').description("change a tenant's name, slug or set of roles"))
    .argument('<tenant>', 'its id or slug')
    .option('--name <name>', 'the name, for display')
    .option('--slug <slug>', 'its short name; the one before stays reserved for it for 90 days')
    .option('--role-set <key>', 'the set of shared roles that it may give; `none` for the default set')
    .action(update)
  onService(tenants.command('suspend').description('suspend a tenant: its checks deny, it gets no tokens'))
    .argument('<tenant>', 'its id or slug')
    .option('--reason <text>', 'why; kept beside the history')
    .action(move('/tenants/{tenant_id}/suspend'))
  onService(tenants.command('reactivate').description("end a tenant's suspension"))
    .argument('<tenant>', 'its id or slug')
    .option('--reason <text>', 'why; kept beside the history')
    .action(move('/tenants/{tenant_id}/reactivate'))
  onService(
    tenants.command('delete').description('schedule a tenant for erasure in 30 days; until then it can be restored'),
  )
    .argument('<tenant>', 'its id or slug')
    .action(remove)
  onService(tenants.command('restore').description('take a scheduled erasure back'))
    .argument('<tenant>', 'its id or slug')
    .option('--reason <text>', 'why; kept beside the history')
    .action(move('/tenants/{tenant_id}/restore'))
}

const describe = ({ id, slug, name, status, role_set, deletes_at, created_at }: Tenant): string[] =>
  fieldsOf({ id, slug, name, status, role_set, deletes_at, created_at })

const update = (named: string, { name, slug, roleSet, ...options }: Update): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const body = given({ name, slug, role_set: roleSet === 'none' ? null : roleSet })
    if (Object.keys(body).length === 0) throw new UsageError('there is nothing to change: give --name or another')
    const path = { tenant_id: await tenantId(tenantry, named) }
    const tenant = await unwrap(tenantry.PATCH('/tenants/{tenant_id}', { params: { path }, body }))
    print(options, tenant, describe(tenant))
  })

const remove = (named: string, options: ServiceOptions): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const path = { tenant_id: await tenantId(tenantry, named) }
    const tenant = await unwrap(tenantry.DELETE('/tenants/{tenant_id}', { params: { path } }))
    print(options, tenant, describe(tenant))
  })

const create = (name: string, { slug, owner, ownerEmail, roleSet, ...options }: Create): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const first = owner === undefined ? undefined : given({ user_id: owner, email: ownerEmail })
    const tenant = await unwrap(
      tenantry.POST('/tenants', { body: given({ name, slug, owner: first, role_set: roleSet }) }),
    )
    print(options, tenant, describe(tenant))
  })

const list = ({ status, q, limit, ...options }: List): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenants = await readAll(limit, (page) =>
      unwrap(tenantry.GET('/tenants', { params: { query: { ...given({ status, q }), ...page } } })),
    )
    print(options, tenants, tableOf(tenants.data, ['id', 'slug', 'status', 'created_at', 'name']))
    sayIfCut(tenants)
  })

/** The id of the tenant that a person named by id or slug. @throws CommandError, TenantryProblem */
export const tenantId = async (tenantry: TenantryClient, named: string): Promise<string> => {
  if (isId(named.toLowerCase())) return named
  const { unwrap } = await import('@tenantry/client')
  const { data } = await unwrap(tenantry.GET('/tenants', { params: { query: { slug: named } } }))
  if (data[0]) return data[0].id
  throw new CommandError(`There is no tenant with the slug "${named}".`)
}

export const tenantIdIfNamed = async (
  tenantry: TenantryClient,
  named: string | undefined,
): Promise<string | undefined> => (named === undefined ? undefined : tenantId(tenantry, named))
