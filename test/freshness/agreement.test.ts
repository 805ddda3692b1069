// Facts in memory and facts read anew decide alike, whatever happened before. Random histories of changes through the API;
// after each, everybody is asked about, by a service that remembers and by the pure rule on what the database says.
import { decide } from '@tenantry/client'
import fc from 'fast-check'
import t from 'tap'
import { factsOfMember, readFactsOfUser } from '../../src/authorization/facts.ts'
import { aService, made } from '../support/service.ts'

/** So long that no busy machine comes near it. */
const s = await aService(t, { staleness_ms: 60_000 })
const { database } = s.test_database
const { facts, stats } = s.service.app.memory

const USERS = ['vera', 'olga', 'nora']
const PERMISSIONS = ['invoice:read', 'invoice:write', 'report:read']
const user = fc.constantFrom(...USERS)
const permissions = fc.subarray(['invoice:read', '*:write', 'report:*'])

const change = fc.oneof(
  fc.record({
    do: fc.constant('give' as const),
    user,
    roles: fc.subarray(['own', 'shared', 'viewer'], { minLength: 1 }),
  }),
  fc.record({ do: fc.constantFrom('suspend' as const, 'reactivate' as const, 'sign-out' as const), user }),
  fc.record({ do: fc.constant('remove' as const), user }),
  fc.record({
    do: fc.constant('hold' as const),
    user: fc.constantFrom(...USERS, undefined),
    role: fc.constantFrom('own', 'shared'),
    resource: fc.constantFrom({ type: 'invoice', id: '1' }, undefined),
    seconds: fc.constantFrom(10, undefined),
  }),
  fc.record({ do: fc.constant('let go' as const) }),
  fc.record({ do: fc.constantFrom('join' as const, 'leave' as const), user }),
  fc.record({ do: fc.constant('wait' as const) }),
  fc.record({ do: fc.constant('grant' as const), role: fc.constantFrom('own', 'shared'), permissions }),
  fc.record({ do: fc.constantFrom('stop' as const, 'resume' as const) }),
  fc.record({ do: fc.constant('name' as const), wildcard: fc.boolean() }),
)

type Change = typeof change extends fc.Arbitrary<infer C> ? C : never

interface World {
  tenant_id: string
  members: Map<string, string>
  roles: Record<string, { id: string; key: string }>
  group_id: string
  grants: string[]
}

const aWorld = async (): Promise<World> => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'owner' } })
  const own = await s.aRole({ tenant_id })
  const shared = await s.aRole({})
  const group = made(await s.root.post('/groups', { tenant_id, name: 'Finance', roles: [own.key] }))
  const roles = { own, shared, viewer: { id: '', key: 'viewer' } }
  return { tenant_id, members: new Map(), roles, group_id: group.id, grants: [] }
}

const hold = async (
  { members, roles, group_id, grants }: World,
  { user, role, resource, seconds }: Change & { do: 'hold' },
): Promise<void> => {
  const holder = user === undefined ? { group_id } : { membership_id: members.get(user) }
  const end = seconds === undefined ? {} : { expires_at: s.instant(seconds) }
  const what = { ...holder, role: roles[role]?.key, ...(resource && { resource }), ...end }
  const { status, body } = await s.root.post('/grants', what)
  if (status === 201) grants.push(body.id)
}

/** Some changes are refused in some states; they change nothing then, and that is as good a history as any. */
const make = async (world: World, change: Change): Promise<void> => {
  const { tenant_id, members, roles, group_id, grants } = world
  switch (change.do) {
    case 'give': {
      const keys = change.roles.map((role) => roles[role]?.key ?? '')
      const id = members.get(change.user)
      if (id !== undefined) return void (await s.root.patch(`/memberships/${id}`, { roles: keys }))
      const { status, body } = await s.root.post('/memberships', { tenant_id, user_id: change.user, roles: keys })
      if (status === 201) members.set(change.user, body.id)
      return
    }
    case 'remove': {
      const { status } = await s.root.delete(`/memberships/${members.get(change.user)}`)
      if (status === 204) members.delete(change.user)
      return
    }
    case 'hold':
      return hold(world, change)
    case 'let go':
      return void (await s.root.delete(`/grants/${grants.shift()}`))
    case 'join':
      return void (await s.root.put(`/groups/${group_id}/members/${members.get(change.user)}`))
    case 'leave':
      return void (await s.root.delete(`/groups/${group_id}/members/${members.get(change.user)}`))
    case 'wait':
      return s.advance(6)
    case 'grant':
      if (change.permissions.length === 0) return
      return void (await s.root.patch(`/roles/${roles[change.role]?.id}`, { permissions: change.permissions }))
    case 'stop':
      return void (await s.root.post(`/tenants/${tenant_id}/suspend`))
    case 'resume':
      return void (await s.root.post(`/tenants/${tenant_id}/reactivate`))
    case 'name':
      made(await s.root.put('/permissions', { permissions: [{ key: 'invoice:write', wildcard: change.wildcard }] }))
      return
    default:
      await s.root.post(`/memberships/${members.get(change.user)}/${change.do}`)
  }
}

const compare = async ({ tenant_id }: World): Promise<void> => {
  for (const user_id of USERS) {
    for (const resource of [{ type: 'invoice', id: '1' }, { type: 'invoice', id: '2' }, undefined]) {
      const [remembered, read] = [
        await facts.ofUser(tenant_id, user_id, { resource }),
        await readFactsOfUser(database, tenant_id, user_id, resource),
      ]
      for (const permission of PERMISSIONS) {
        const question = { tenant_id, permission, ...(resource && { resource }) }
        const [ours, theirs] = [remembered, read].map((each) =>
          JSON.stringify(decide(factsOfMember(each), question, s.now)),
        )
        if (ours !== theirs) throw new Error(`${user_id}, ${permission}: remembered ${ours}, read ${theirs}`)
      }
    }
  }
}

t.test('after any changes, what is remembered decides like what is read', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 5, maxLength: 15 }), async (changes) => {
      const world = await aWorld()
      for (const user of USERS) await make(world, { do: 'give', user, roles: ['own', 'shared'] })
      for (const each of changes) {
        await make(world, each)
        await compare(world)
      }
    }),
    { numRuns: 10 },
  )
  const { hits, evicted } = stats()
  t.ok(hits > 20, `${hits} were remembered`)
  t.ok(evicted > 20, `${evicted} were evicted`)
})

t.test('a demanded revision is read where what is remembered is older', async (t) => {
  const { tenant_id, roles } = await aWorld()
  await s.aMembership(tenant_id, { user_id: 'vera', roles: [roles.own?.key ?? ''] })
  const before = await facts.ofUser(tenant_id, 'vera')
  const misses = stats().misses
  await s.aMembership(tenant_id, { user_id: 'olga' })
  const revision = await s.revisionOf(tenant_id)
  t.equal((await facts.ofUser(tenant_id, 'vera'))?.revision, before?.revision, 'it was about somebody else')
  t.equal((await facts.ofUser(tenant_id, 'vera', { revision }))?.revision, revision)
  t.equal((await facts.ofUser(tenant_id, 'vera', { revision }))?.revision, revision)
  t.equal(stats().misses, misses + 1)
})

t.test('a key and a token are known from memory, and neither costs a look-up more', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const { caller } = await s.aMember(tenant_id, 'owner')
  const key = await s.anApiKey({ tenant_id, permissions: ['tenantry.access:check'] })
  const question = {
    ...{ subject: { type: 'user', id: 'nobody' }, action: { name: 'read' }, resource: { type: 'invoice', id: '1' } },
  }
  for (const each of [caller, s.as(key.secret)]) {
    made(await each.post('/access/v1/evaluation', question))
    const { hits } = stats()
    made(await each.post('/access/v1/evaluation', question))
    t.equal(stats().hits, hits + 1)
  }
})

t.test('a key and a token that are remembered end when they end', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const { membership } = await s.aMember(tenant_id, 'owner')
  const caller = s.as(await s.aToken(tenant_id, membership.user_id, { ttl_seconds: 60 }))
  const key = await s.anApiKey({ tenant_id, permissions: ['tenantry.access:check'], expires_at: s.instant(60) })
  const question = {
    ...{ subject: { type: 'user', id: 'nobody' }, action: { name: 'read' }, resource: { type: 'invoice', id: '1' } },
  }
  for (const each of [caller, s.as(key.secret)]) made(await each.post('/access/v1/evaluation', question))
  s.advance(61)
  t.match(await caller.post('/access/v1/evaluation', question), { status: 401, body: { code: 'token.invalid' } })
  t.match(await s.as(key.secret).post('/access/v1/evaluation', question), {
    ...{ status: 401, body: { code: 'credential.invalid' } },
  })
})
