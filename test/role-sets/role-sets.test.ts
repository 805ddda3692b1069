// Sets of shared roles: which of them a tenant may give.
import type { components } from '@tenantry/client/contract'
import t from 'tap'
import { eraseDueTenants } from '../../src/tenants/erasure.ts'
import { type Answer, aService, made } from '../support/service.ts'

type RoleSet = components['schemas']['RoleSet']

const s = await aService(t)
await s.aRole({ key: 'approver', permissions: ['invoice:approve'] })
await s.aRole({ key: 'exporter', permissions: ['invoice:export'] })

const aRoleSet = async (input: Partial<components['schemas']['RoleSetCreate']> & { key: string }): Promise<RoleSet> =>
  made(await s.root.post('/role-sets', { name: input.key, roles: ['admin', 'member'], ...input }))

const give = (tenant_id: string, user_id: string, ...roles: string[]): Promise<Answer> =>
  s.root.post('/memberships', { tenant_id, user_id, roles })

const sharedOf = async (tenant_id: string): Promise<string[]> =>
  (await s.root.get(`/roles?tenant_id=${tenant_id}&shared=true`)).body.data.map(({ key }: { key: string }) => key)

const ALL = ['owner', 'admin', 'member', 'viewer', 'approver', 'exporter']

t.test('without a set and without a default a tenant gives every shared role', async (t) => {
  const { id, role_set } = await s.aTenant()
  t.equal(role_set, null)
  t.same(await sharedOf(id), ALL)
  t.equal((await give(id, 'user_vera', 'approver')).status, 201)
})

t.test('a tenant on a set gives the roles in it, its own and owner, and no other', async (t) => {
  await aRoleSet({ key: 'free' })
  const { id, role_set } = await s.aTenant({ role_set: 'free', owner: { user_id: 'user_olga' } })
  t.equal(role_set, 'free')
  await s.aRole({ tenant_id: id, key: 'clerk' })
  t.same(await sharedOf(id), ['owner', 'admin', 'member'])
  t.same(
    (await s.root.get(`/roles?tenant_id=${id}`)).body.data.map(({ key }: { key: string }) => key),
    ['owner', 'admin', 'member', 'clerk'],
  )
  for (const role of ['admin', 'clerk', 'owner']) t.equal((await give(id, `user_${role}`, role)).status, 201, role)
  const refused = await give(id, 'user_vera', 'member', 'approver', 'viewer')
  t.match(refused, { status: 422, body: { code: 'role.not_in_set' } })
  t.same(
    refused.body.errors.map(({ pointer }: { pointer: string }) => pointer),
    ['/roles/1', '/roles/2'],
  )
  t.match(refused.body.errors[0].detail, /"approver"/)

  const { caller } = await s.aMember(id, 'owner')
  t.equal((await caller.post('/memberships', { user_id: 'user_vera', roles: ['approver'] })).status, 422)
  t.same(
    (await caller.get('/roles')).body.data.map(({ key }: { key: string }) => key),
    ['owner', 'admin', 'member', 'clerk'],
  )
})

t.test('who holds a role that is in the set no longer keeps it, and nobody else gets it', async (t) => {
  const { id: set_id } = await aRoleSet({ key: 'paid', roles: ['member', 'approver'] })
  const { id: tenant_id } = await s.aTenant({ role_set: 'paid' })
  const vera = (await give(tenant_id, 'user_vera', 'approver')).body
  const token = await s.aToken(tenant_id, 'user_vera')
  made(await s.root.patch(`/role-sets/${set_id}`, { roles: ['member'] }))

  t.equal((await s.root.get(`/memberships/${vera.id}`)).body.roles[0], 'approver')
  const asked = { subject: { type: 'user', id: 'user_vera' }, action: { name: 'approve' } }
  const question = { ...asked, resource: { type: 'invoice', id: 'i' }, context: { tenant_id } }
  t.equal((await s.root.post('/access/v1/evaluation', question)).body.decision, true)
  t.equal((await s.as(token).get('/me')).status, 200, 'and no token is stale')
  const more = await s.root.patch(`/memberships/${vera.id}`, { roles: ['approver', 'member'] })
  t.same(more.body.roles, ['approver', 'member'], 'what is held may stand beside what is given')
  t.equal((await give(tenant_id, 'user_max', 'approver')).status, 422)
  t.same((await s.root.patch(`/memberships/${vera.id}`, { roles: ['member'] })).body.roles, ['member'])
  t.equal(
    (await s.root.patch(`/memberships/${vera.id}`, { roles: ['approver'] })).status,
    422,
    'once given up it is gone',
  )
})

t.test('a dry run says how many hold what falls out, and changes nothing', async (t) => {
  const { id: set_id } = await aRoleSet({ key: 'team', roles: ['member', 'approver', 'exporter'] })
  for (const users of [['user_a', 'user_b'], ['user_c']]) {
    const { id } = await s.aTenant({ role_set: 'team', owner: { user_id: 'user_olga' } })
    for (const user of users) made(await give(id, user, 'approver', 'exporter'))
  }
  const before = await s.dump()
  const url = `/role-sets/${set_id}?dry_run=true`
  t.same((await s.root.patch(url, { roles: ['member', 'exporter'] })).body, {
    dry_run: true,
    outside: [{ role: 'approver', tenants: 2, memberships: 3 }],
  })
  t.same((await s.root.patch(url, { name: 'Team' })).body.outside, [])
  t.equal((await s.root.patch(url, { roles: ['king'] })).body.code, 'role.unknown', 'with the same checks')
  t.equal(await s.dump(), before)
})

t.test('the default is the set of every tenant without one, and there is one at most', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const first = await aRoleSet({ key: 'first', roles: ['member'], default: true })
  t.same(await sharedOf(tenant_id), ['owner', 'member'])
  const outside = (await s.root.patch(`/role-sets/${first.id}?dry_run=true`, { name: 'First' })).body.outside
  t.match(outside, [{ role: 'approver', tenants: 1 }], 'counted for those without a set')
  const second = await aRoleSet({ key: 'second', roles: ['viewer'], default: true })
  t.equal((await s.root.get(`/role-sets/${first.id}`)).body.default, false)
  t.same(await sharedOf(tenant_id), ['owner', 'viewer'])
  made(await s.root.patch(`/role-sets/${first.id}`, { default: true }))
  t.equal((await s.root.get(`/role-sets/${second.id}`)).body.default, false)
  const other = await s.aTenant({ role_set: 'second' })
  t.same(await sharedOf(other.id), ['owner', 'viewer'], 'a set of its own comes first')
  made(await s.root.patch(`/tenants/${other.id}`, { role_set: null }))
  t.same(await sharedOf(other.id), ['owner', 'member'])
  t.equal((await s.root.delete(`/role-sets/${first.id}`)).status, 204)
  t.same(await sharedOf(tenant_id), ALL, 'without a default there is no limit')
})

t.test('a tenant is put on a set by the platform, and by nobody of its own', async (t) => {
  const { id } = await s.aTenant({ role_set: 'free' })
  const { caller } = await s.aMember(id, 'owner')
  const key = s.as((await s.anApiKey({ tenant_id: id, permissions: ['*', 'tenantry.*'] })).secret)
  for (const own of [caller, key]) {
    for (const role_set of [null, 'team']) {
      t.match(await own.patch(`/tenants/${id}`, { role_set }), { status: 403, body: { code: 'scope.platform_only' } })
    }
  }
  t.equal((await s.root.get(`/tenants/${id}`)).body.role_set, 'free')
  const unknown = { status: 422, body: { code: 'role_set.unknown', errors: [{ pointer: '/role_set' }] } }
  t.match(await s.root.patch(`/tenants/${id}`, { role_set: 'gold' }), unknown)
  t.match(await s.root.post('/tenants', { name: 'Gold', role_set: 'gold' }), unknown)
})

t.test('a role that a set names is not deleted, nor a set that a tenant is on', async (t) => {
  const role = await s.aRole({ key: 'temporary' })
  const { id } = await aRoleSet({ key: 'short', roles: ['temporary'] })
  t.match(await s.root.delete(`/roles/${role.id}`), { status: 409, body: { code: 'role.in_use', detail: /: short\./ } })
  const tenant = await s.aTenant({ role_set: 'short' })
  t.match(await s.root.delete(`/role-sets/${id}`), {
    status: 409,
    body: { code: 'role_set.in_use', detail: /One tenant/ },
  })
  await s.root.patch(`/tenants/${tenant.id}`, { role_set: 'free' })
  t.equal((await s.root.delete(`/role-sets/${id}`)).status, 204)
  t.equal((await s.root.delete(`/roles/${role.id}`)).status, 204)
})

t.test('a tenant’s role is not inherited by one that the tenant may not give', async (t) => {
  const { id } = await s.aTenant({ role_set: 'free' })
  const clerk = await s.aRole({ tenant_id: id, key: 'bookkeeper' })
  made(await give(id, 'user_vera', 'bookkeeper'))
  t.match(await s.root.delete(`/roles/${clerk.id}?remap_to=approver`), {
    status: 422,
    body: { code: 'role.not_in_set', errors: [{ pointer: 'query/remap_to' }] },
  })
  t.equal((await s.root.delete(`/roles/${clerk.id}?remap_to=member`)).status, 204)
})

t.test('nobody decides on roles beyond their own rights, and a set names shared roles only', async (t) => {
  const limited = s.as((await s.anApiKey({ permissions: ['invoice:export', 'tenantry.role:manage'] })).secret)
  const exceeds = { status: 403, body: { code: 'role.exceeds_own' } }
  t.match(await limited.post('/role-sets', { key: 'mine', name: 'Mine', roles: ['approver'] }), exceeds)
  const { id } = made(await limited.post('/role-sets', { key: 'mine', name: 'Mine', roles: ['exporter'] }))
  t.match(await limited.patch(`/role-sets/${id}`, { roles: ['exporter', 'approver'] }), exceeds)
  made(await s.root.patch(`/role-sets/${id}`, { roles: ['exporter', 'approver'] }))
  t.match(await limited.patch(`/role-sets/${id}`, { roles: ['exporter'] }), exceeds, 'nor take one out')
  t.match(await limited.delete(`/role-sets/${id}`), exceeds)
  const { id: tenant_id } = await s.aTenant()
  await s.aRole({ tenant_id, key: 'private' })
  t.match(await s.root.patch(`/role-sets/${id}`, { roles: ['exporter', 'private'] }), {
    status: 422,
    body: { code: 'role.unknown', errors: [{ pointer: '/roles/1' }] },
  })
})

t.test('every change of a set is in the platform’s history, without its name', async (t) => {
  const { id } = await aRoleSet({ key: 'told', name: 'Secret plan', roles: ['member'] })
  const changed = made(await s.root.patch(`/role-sets/${id}`, { roles: ['member', 'viewer'] }))
  const same = await s.root.patch(`/role-sets/${id}`, { roles: ['member', 'viewer'] })
  t.equal(same.body.revision, changed.revision, 'what is so already is no change')
  await s.root.delete(`/role-sets/${id}`)
  const events = await s.test_database.superuser(
    `select type, data from tenantry.events where data ->> 'role_set_id' = $1 order by revision`,
    [id],
  )
  t.same(events, [
    { type: 'role_set.created', data: { role_set_id: id, key: 'told', roles: ['member'], default: false } },
    {
      type: 'role_set.updated',
      data: {
        ...{ role_set_id: id, key: 'told', changed: ['roles'] },
        roles: { from: ['member'], to: ['member', 'viewer'] },
      },
    },
    { type: 'role_set.deleted', data: { role_set_id: id, key: 'told', roles: ['member', 'viewer'], default: false } },
  ])
  t.notMatch(JSON.stringify(events), /Secret plan/)
})

t.test('a set is read with its tag, and changed only if it is still that one', async (t) => {
  const { id, revision } = await aRoleSet({ key: 'tagged' })
  const answer = await s.root.get(`/role-sets/${id}`)
  t.equal(answer.headers.etag, `"${revision}"`)
  const headers = { 'if-match': String(answer.headers.etag) }
  made(await s.root.patch(`/role-sets/${id}`, { name: 'Tagged' }, headers))
  t.equal((await s.root.delete(`/role-sets/${id}`, headers)).status, 412)
  const keys = (await s.root.get('/role-sets?limit=2')).body
  t.equal(keys.data.length, 2)
  t.type(keys.next_cursor, 'string')
})

t.test('a tenant that is erased is on no set any more', async (t) => {
  const { id } = await aRoleSet({ key: 'last' })
  const tenant = await s.aTenant({ role_set: 'last' })
  await s.root.delete(`/tenants/${tenant.id}`)
  t.equal((await s.root.delete(`/role-sets/${id}`)).status, 409, 'until then it can come back')
  s.advance(31 * 86_400)
  await eraseDueTenants(s.service.database, s.now)
  t.equal((await s.root.get(`/tenants/${tenant.id}`)).body.role_set, null)
  t.equal((await s.root.delete(`/role-sets/${id}`)).status, 204)
})
