// tenantry members add | list | update | suspend | reactivate | sign-out | remove
import type { components } from '@tenantry/client/contract'
import { type Command, Option } from 'commander'
import { given, instant, instantOrNever, several, wholeNumber } from './arguments.ts'
import { UsageError } from './failures.ts'
import { membershipId } from './member-names.ts'
import { fieldsOf, print, tableOf } from './output.ts'
import { readAll, sayIfCut } from './pages.ts'
import { onService, type ServiceOptions, withService } from './service.ts'
import { tenantIdIfNamed } from './tenants.ts'

type Membership = components['schemas']['Membership']
type Status = components['schemas']['MembershipStatus']
const STATUSES: Status[] = ['active', 'suspended', 'expired']

interface Add extends ServiceOptions {
  tenant?: string
  role?: string[]
  email?: string
  displayName?: string
  expiresAt?: string
}

interface List extends ServiceOptions {
  tenant?: string
  user?: string
  role?: string
  status?: Status
  limit?: number
}

export const addMemberCommands = (program: Command): void => {
  const members = program.command('members').description('add, list, change and remove the members of tenants')
  onService(members.command('add').description('make a user a member of a tenant'))
    .argument('<user_id>', 'the user, as the identity provider names them')
    .option('--tenant <tenant>', "its id or slug (a tenant's own key may leave it out)")
    .option('--role <key>', 'a role; may be given several times (default: member)', several)
    .option('--email <email>', "the member's e-mail address")
    .option('--display-name <name>', "the member's name, for display")
    .option('--expires-at <instant>', 'when the membership ends, e.g. 2027-01-31T18:00:00Z', instant)
    .action(add)
  onService(members.command('list').description('list all members, oldest first'))
    .option('--tenant <tenant>', 'only of this tenant: its id or slug')
    .option('--user <user_id>', 'only of this user')
    .option('--role <key>', 'only those who hold this role')
    .addOption(new Option('--status <status>', 'only those with this status').choices(STATUSES))
    .option('--limit <n>', 'stop after so many', wholeNumber)
    .action(list)
  onService(members.command('update').description("change a member's roles or end"))
    .argument('<member>', MEMBER)
    .option('--tenant <tenant>', OF_TENANT)
    .option('--role <key>', 'a role; those given take the place of all held; may be given several times', several)
    .option(
      '--expires-at <instant>',
      'when the membership ends, e.g. 2027-01-31T18:00:00Z; `never` for no end',
      instantOrNever,
    )
    .action(update)
  for (const [name, { description }] of Object.entries(MOVES)) {
    onService(members.command(name).description(description))
      .argument('<member>', MEMBER)
      .option('--tenant <tenant>', OF_TENANT)
      .option('--reason <text>', 'why; kept beside the history')
      .action((member: string, options: Move) => move(MOVES[name as keyof typeof MOVES].url, member, options))
  }
  onService(members.command('remove').description('remove a member from the tenant'))
    .argument('<member>', MEMBER)
    .option('--tenant <tenant>', OF_TENANT)
    .action(remove)
}

const MEMBER = "the user id, or the membership's id, as `members list` shows them"
const OF_TENANT = "the tenant that the user is a member of: its id or slug (a tenant's own key may leave it out)"
const MOVES = {
  suspend: { url: '/memberships/{membership_id}/suspend', description: 'suspend a member; the roles stay' },
  reactivate: { url: '/memberships/{membership_id}/reactivate', description: "end a member's suspension" },
  'sign-out': { url: '/memberships/{membership_id}/sign-out', description: 'end all tokens of a member' },
} as const

type OfMember = ServiceOptions & { tenant?: string }
type Move = OfMember & { reason?: string }

const move = (
  url: (typeof MOVES)[keyof typeof MOVES]['url'],
  member: string,
  { tenant, reason, ...options }: Move,
): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const membership_id = await membershipId(tenantry, member, tenant)
    const answer = tenantry.POST(url, { params: { path: { membership_id } }, body: given({ reason }) })
    const membership = await unwrap(answer)
    print(options, membership, describe(membership))
  })

const update = (
  member: string,
  { tenant, role, expiresAt, ...options }: OfMember & { role?: string[]; expiresAt?: string },
): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const body = given({ roles: role, expires_at: expiresAt === 'never' ? null : expiresAt })
    if (Object.keys(body).length === 0) throw new UsageError('there is nothing to change: give --role or --expires-at')
    const path = { membership_id: await membershipId(tenantry, member, tenant) }
    const membership = await unwrap(tenantry.PATCH('/memberships/{membership_id}', { params: { path }, body }))
    print(options, membership, describe(membership))
  })

const remove = (member: string, { tenant, ...options }: OfMember): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const membership_id = await membershipId(tenantry, member, tenant)
    await unwrap(tenantry.DELETE('/memberships/{membership_id}', { params: { path: { membership_id } } }))
    print(options, { id: membership_id, removed: true }, [`${membership_id} is removed`])
  })

const describe = ({ id, tenant_id, user_id, roles, status, email, expires_at }: Membership): string[] =>
  fieldsOf({ id, tenant_id, user_id, roles, status, email, expires_at })

const add = (user_id: string, { tenant, role, email, displayName, expiresAt, ...options }: Add): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenant_id = await tenantIdIfNamed(tenantry, tenant)
    const optional = { tenant_id, roles: role, email, display_name: displayName, expires_at: expiresAt }
    const membership = await unwrap(tenantry.POST('/memberships', { body: { user_id, ...given(optional) } }))
    print(options, membership, describe(membership))
  })

const list = ({ tenant, user, role, status, limit, ...options }: List): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenant_id = await tenantIdIfNamed(tenantry, tenant)
    const filter = given({ tenant_id, user_id: user, role, status })
    const members = await readAll(limit, (page) =>
      unwrap(tenantry.GET('/memberships', { params: { query: { ...filter, ...page } } })),
    )
    print(
      options,
      members,
      tableOf(members.data, ['id', 'tenant_id', 'status', 'roles', 'user_id', 'email', 'expires_at']),
    )
    sayIfCut(members)
  })
