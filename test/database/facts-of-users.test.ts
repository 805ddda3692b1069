// The facts of many users in one statement are the facts of each in one of its own, whatever they hold and whatever is asked of
// everybody in their tenant.
import t, { type Test } from 'tap'
import { v7 } from 'uuid'
import { readFactsOfUser } from '../../src/authorization/facts.ts'
import { readFactsOfUsers, type UserAsked } from '../../src/authorization/facts-of-users.ts'
import { aService, made } from '../support/service.ts'

const s = await aService(t)
const { database } = s.test_database
const PROJECT = { type: 'project', id: '42' }

/** What a member may have besides a shared role; of each there are members with and without, in every combination. */
const FEATURES = ['own role', 'in a group', 'a grant', 'a grant on the project'] as const

interface World {
  tenant_id: string
  own: string
  granted: string
  group_id: string
}

const aWorld = async (): Promise<World> => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'olga' } })
  const { key: own } = await s.aRole({ tenant_id, permissions: ['invoice:*'], excludes: ['invoice:delete'] })
  const { key: granted } = await s.aRole({ tenant_id, permissions: ['report:read'] })
  const { id: group_id } = await s.aGroup(tenant_id, { roles: ['viewer', own] })
  await s.aGrant(tenant_id, { group_id, role: 'member', resource: { ...PROJECT, id: '7' } })
  await s.aGrant(tenant_id, { group_id, role: 'viewer', resource: PROJECT, expires_at: s.instant(60) })
  made(await s.root.put(`/resources/project/42?tenant_id=${tenant_id}`, { properties: { locked: true } }))
  return { tenant_id, own, granted, group_id }
}

const USERS = Array.from({ length: 2 ** FEATURES.length }, (_, number) => `user_${number}`)

const addMember = async (
  { tenant_id, own, granted, group_id }: World,
  user_id: string,
  number: number,
): Promise<void> => {
  const has = (feature: (typeof FEATURES)[number]) => (number & (1 << FEATURES.indexOf(feature))) !== 0
  const roles = ['viewer', 'member', ...(has('own role') ? [own] : [])].slice(number % 3 === 0 ? 1 : 0)
  const end = number % 3 === 0 ? { expires_at: s.instant(3600) } : {}
  const { id } = await s.aMembership(tenant_id, { user_id, roles, properties: { seat: number }, ...end })
  if (has('in a group')) await s.root.put(`/groups/${group_id}/members/${id}`)
  const held = { membership_id: id, role: number % 3 === 0 ? granted : 'admin', not_before: s.instant(5) }
  if (has('a grant')) made(await s.root.post('/grants', { tenant_id, ...held }))
  if (has('a grant on the project')) await s.aGrant(tenant_id, { ...held, resource: PROJECT })
  if (number % 5 === 0) made(await s.root.post(`/memberships/${id}/suspend`))
}

const world = await aWorld()
const { tenant_id } = world
for (const [number, user_id] of USERS.entries()) await addMember(world, user_id, number)
const asked: UserAsked[] = [...USERS, 'olga', 'nobody'].flatMap((user_id) => [
  { tenant_id, user_id },
  { tenant_id, user_id, resource: PROJECT },
  { tenant_id, user_id, resource: { type: 'project', id: 'another' } },
])
asked.splice(7, 0, { tenant_id: v7(), user_id: 'olga' })

const compare = async (t: Test): Promise<void> => {
  const together = await readFactsOfUsers(database, asked)
  t.equal(together.length, asked.length)
  for (const [place, { tenant_id, user_id, resource }] of asked.entries()) {
    const alone = await readFactsOfUser(database, tenant_id, user_id, resource)
    t.same(together[place], alone, JSON.stringify(asked[place]))
  }
}

t.test('everybody’s are the same', async (t) => {
  await compare(t)
  const [found] = await readFactsOfUsers(database, asked.slice(-6))
  t.match(found?.membership, { user_id: 'olga', roles: [{ key: 'owner' }], properties: null })
})

t.test('the first and the only one may be of no tenant at all', async (t) => {
  t.same(await readFactsOfUsers(database, [{ tenant_id: v7(), user_id: 'olga' }]), [null])
})

t.test('under a policy of the tenant alone', async (t) => {
  await s.aPolicy({ tenant_id, text: 'forbid (principal, action, resource) when { resource.properties.a == 1 };' })
  await compare(t)
  const [found] = await readFactsOfUsers(database, asked.slice(1))
  t.match(found, { resource_properties: { locked: true }, membership: { properties: { seat: 0 } } })
})

t.test('with a catalogue that names and demands, shared policies, and a tenant that stands still', async (t) => {
  const permissions = [
    { key: 'invoice:write', wildcard: false },
    { key: 'invoice:read', acr: 'gold', max_age: 60 },
  ]
  made(await s.root.put('/permissions', { permissions }))
  await s.aPolicy()
  made(await s.root.post(`/tenants/${tenant_id}/suspend`))
  await compare(t)
  const [found] = await readFactsOfUsers(database, asked)
  t.match(found, { tenant: { status: 'suspended' }, by_name: ['invoice:write'] })
  t.equal(found?.conditions.step_up.get('invoice:read')?.acr, 'gold')
  t.ok(found?.conditions.policies)
})

t.test('whoever has just become a member is found, at the revision that made him one', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  await s.aMembership(tenant_id, { user_id: 'late' })
  const [found] = await readFactsOfUsers(database, [{ tenant_id, user_id: 'late' }])
  t.match(found, { revision: await s.revisionOf(tenant_id), membership: { user_id: 'late' } })
})
