// Roles of a tenant's own and shared ones: how they come, change and go, and what they let their holders do.
import t from 'tap'
import { eraseDueTenants } from '../../src/tenants/erasure.ts'
import { aService, type Caller, made } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const owner = await s.aMember(tenant_id, 'owner')
const admin = await s.aMember(tenant_id, 'admin')

const may = async (user_id: string, permission: string, tenant = tenant_id): Promise<boolean> => {
  const [type, name] = permission.split(':')
  const { body } = await s.root.post('/access/v1/evaluation', {
    ...{ subject: { type: 'user', id: user_id }, action: { name }, resource: { type, id: 'x' } },
    context: { tenant_id: tenant },
  })
  return body.decision
}

const eventsOf = async (where: string) => made(await s.root.get(`/events?${where}&limit=200`)).data
const lastEvent = async (tenant = tenant_id) => (await eventsOf(`tenant_id=${tenant}`)).at(-1)
const shared = async (key: string) => made(await s.root.get(`/roles?key=${key}&shared=true`)).data[0]

t.test('a tenant’s admin makes a role, gives it, and its holder may do what it grants', async (t) => {
  const input = { key: 'approver', name: 'Approver', permissions: ['invoice:*'], excludes: ['invoice:void'] }
  const answer = await admin.caller.post('/roles', input)
  t.match(answer, { status: 201, body: { ...input, tenant_id, description: '', built_in: false } })
  t.equal(answer.headers.location, `/roles/${answer.body.id}`)
  t.equal(answer.headers.etag, `"${answer.body.revision}"`)
  t.equal(answer.headers['tenantry-revision'], `${tenant_id}:${answer.body.revision}`)
  const event = await lastEvent()
  t.match(event, {
    type: 'role.created',
    data: { role_id: answer.body.id, key: 'approver', permissions: ['invoice:*'] },
  })
  t.notMatch(JSON.stringify(event.data), 'Approver', 'a name is free text, and stays beside the history')

  const { user_id } = made(await admin.caller.post('/memberships', { user_id: 'user_ada', roles: ['approver'] }))
  t.same([await may(user_id, 'invoice:approve'), await may(user_id, 'invoice:void')], [true, false])
  t.same((await admin.caller.get('/memberships?role=approver')).body.data.length, 1)
})

t.test('a shared role is made by the platform, and every tenant gives it', async (t) => {
  const made_role = await s.root.post('/roles', { key: 'support', name: 'Support', permissions: ['ticket:*'] })
  t.match(made_role, { status: 201, body: { tenant_id: null } })
  t.match(made_role.headers['tenantry-revision'], /^platform:\d+$/)
  for (const { id } of [await s.aTenant(), await s.aTenant()]) {
    const { user_id } = await s.aMembership(id, { roles: ['support'] })
    t.equal(await may(user_id, 'ticket:close', id), true)
  }
})

t.test('a change of a role is a change for everybody who holds it, at once', async (t) => {
  const role = await s.aRole({ tenant_id, permissions: ['report:read'] })
  const { user_id } = await s.aMembership(tenant_id, { roles: [role.key] })
  const answer = await admin.caller.patch(`/roles/${role.id}`, { permissions: ['report:read', 'report:share'] })
  t.match(answer, { status: 200, body: { id: role.id, key: role.key, permissions: ['report:read', 'report:share'] } })
  t.equal(await may(user_id, 'report:share'), true)
  t.match(await lastEvent(), {
    type: 'role.updated',
    data: { changed: ['permissions'], permissions: { from: ['report:read'], to: ['report:read', 'report:share'] } },
  })
  await admin.caller.patch(`/roles/${role.id}`, { permissions: [], excludes: [] })
  t.equal(await may(user_id, 'report:read'), false)
})

t.test('saying what is so already changes nothing', async (t) => {
  const role = await s.aRole({ tenant_id })
  const before = await s.dump()
  const { permissions, excludes, name } = role
  t.equal((await admin.caller.patch(`/roles/${role.id}`, { permissions, excludes, name })).status, 200)
  t.equal(await s.dump(), before)
})

t.test('a key means one role: a tenant’s and a shared one never share it, and it never changes', async (t) => {
  const own = await s.aRole({ tenant_id, key: 'clerk' })
  const role = { key: 'clerk', name: 'Clerk', permissions: ['invoice:read'] }
  const taken = { status: 409, body: { code: 'role.key_taken' } }
  t.match(await s.root.post('/roles', { ...role, tenant_id }), taken, 'twice in a tenant')
  const refused = await s.root.post('/roles', role)
  t.match(refused, taken, 'shared, while a tenant has it')
  t.notMatch(refused.text, tenant_id)
  for (const key of ['owner', 'admin', 'member', 'viewer']) {
    t.match(await admin.caller.post('/roles', { ...role, key }), taken, key)
  }
  await s.aRole({ key: 'teller' })
  t.match(await admin.caller.post('/roles', { ...role, key: 'teller' }), taken, 'a shared one’s')
  const { id: other } = await s.aTenant()
  t.equal((await s.root.post('/roles', { ...role, tenant_id: other })).status, 201, 'another tenant’s is no obstacle')
  t.equal((await admin.caller.patch(`/roles/${own.id}`, { key: 'scribe' })).status, 400)
})

t.test('a role grants only what can be granted, and never what goes by name only', async (t) => {
  const tries = [
    'invoice',
    'tenantry.role:*',
    'tenantry.rolle:read',
    'tenantry.token:issue',
    'tenantry.role:assign_any',
  ]
  for (const pattern of tries) {
    for (const lists of [{ permissions: [pattern] }, { permissions: ['invoice:read'], excludes: [pattern] }]) {
      const answer = await s.root.post('/roles', { tenant_id, key: 'odd', name: 'Odd', ...lists })
      t.match(answer, { status: 422, body: { code: 'permission.invalid' } }, pattern)
    }
    const { id } = await shared('viewer')
    t.equal((await s.root.patch(`/roles/${id}`, { permissions: [pattern] })).body.code, 'permission.invalid')
  }
})

t.test('another tenant’s role is not there', async (t) => {
  const other = await s.aTenant()
  const role = await s.aRole({ tenant_id: other.id, key: 'secret-role' })
  const before = await s.dump()
  const missing = { status: 404, body: { code: 'role.not_found' } }
  const at = `/roles/${role.id}`
  for (const query of ['', '?dry_run=true']) {
    t.match(await owner.caller.patch(at + query, { name: 'Mine' }), missing)
    t.match(await owner.caller.delete(at + query), missing)
  }
  t.match(await owner.caller.get(at), missing)
  t.equal((await owner.caller.post('/memberships', { user_id: 'user_x', roles: ['secret-role'] })).status, 422)
  const own = await s.aRole({ tenant_id })
  t.match(await owner.caller.delete(`/roles/${own.id}?remap_to=secret-role`), { status: 422 }, 'nor as an heir')
  await s.root.delete(`/roles/${own.id}`)
  t.equal((await s.root.get(at)).status, 200)
  t.notMatch((await owner.caller.get('/roles?limit=200')).text, 'secret-role')
  t.ok(before.includes('secret-role'))
})

t.test('a tenant changes no shared role, built in or not', async (t) => {
  const role = await s.aRole()
  const before = await s.dump()
  const refused = { status: 403, body: { code: 'scope.platform_only' } }
  for (const id of [role.id, (await shared('viewer')).id]) {
    for (const query of ['', '?dry_run=true']) {
      t.match(await owner.caller.patch(`/roles/${id}${query}`, { permissions: ['*:read'] }), refused)
      t.match(await owner.caller.delete(`/roles/${id}${query}`), refused)
    }
  }
  t.equal(await s.dump(), before)
})

t.test('the platform changes what built-in roles grant, but deletes none, and owners keep everything', async (t) => {
  const viewer = await shared('viewer')
  const { user_id } = await s.aMembership(tenant_id, { roles: ['viewer'] })
  t.equal(
    (await s.root.patch(`/roles/${viewer.id}`, { permissions: [...viewer.permissions, 'chart:draw'] })).status,
    200,
  )
  t.equal(await may(user_id, 'chart:draw'), true)
  t.equal((await s.root.patch(`/roles/${viewer.id}`, { permissions: viewer.permissions })).status, 200)
  const built_in = { status: 409, body: { code: 'role.built_in' } }
  t.match(await s.root.delete(`/roles/${viewer.id}?remap_to=member`), built_in)
  const { id } = await shared('owner')
  for (const change of [{ permissions: ['*'] }, { excludes: ['billing:*'] }]) {
    t.match(await s.root.patch(`/roles/${id}`, change), built_in)
  }
  t.match(await s.root.patch(`/roles/${id}`, { name: 'Chief' }), { status: 200, body: { name: 'Chief' } })
})

t.test('a tenant has a hundred roles of its own', async (t) => {
  const { id } = await s.aTenant()
  await s.test_database.superuser(
    `insert into tenantry.roles (history_id, id, key, name, description, permissions, excludes, built_in, revision, created_at, updated_at)
     select $1, gen_random_uuid(), 'filler-' || n, '', '', '{}', '{}', false, 1, now(), now() from generate_series(1, 99) n`,
    [id],
  )
  await s.aRole({ tenant_id: id })
  const input = { tenant_id: id, key: 'last', name: 'Last', permissions: ['invoice:read'] }
  t.match(await s.root.post('/roles', input), { status: 409, body: { code: 'role.too_many' } })
})

t.test('If-Match and Idempotency-Key hold for roles too', async (t) => {
  const input = { tenant_id, key: 'once', name: 'Once', permissions: ['invoice:read'] }
  const headers = { 'idempotency-key': 'make-once' }
  const [first, again] = [await s.root.post('/roles', input, headers), await s.root.post('/roles', input, headers)]
  t.same([first.status, again.status, again.body.id], [201, 201, first.body.id])
  const at = `/roles/${first.body.id}`
  const etag = { 'if-match': String(first.headers.etag) }
  t.equal((await s.root.patch(at, { name: 'Twice' }, etag)).status, 200)
  t.match(await s.root.patch(at, { name: 'Thrice' }, etag), { status: 412 })
  t.match(await s.root.delete(at, etag), { status: 412 })
  t.match(await s.root.delete(`${at}?dry_run=true`, etag), { status: 412 }, 'a dry run checks the same')
})

t.test('lists filter by key and by whose they are', async (t) => {
  const { id } = await s.aTenant()
  const role = await s.aRole({ tenant_id: id, key: 'filtered' })
  const keysOf = async (by: Caller, url: string): Promise<string[]> =>
    made(await by.get(url)).data.map(({ key }: { key: string }) => key)
  t.same(await keysOf(s.root, `/roles?tenant_id=${id}&shared=false`), ['filtered'])
  t.same(await keysOf(s.root, `/roles?tenant_id=${id}&key=filtered`), [role.key])
  t.notOk((await keysOf(s.root, '/roles?shared=true&limit=200')).includes('filtered'))
  t.same(await keysOf(admin.caller, '/roles?key=filtered'), [])
})

t.test('when a tenant is erased, its roles go', async (t) => {
  const { id } = await s.aTenant()
  const role = await s.aRole({ tenant_id: id })
  await s.aMembership(id, { roles: [role.key] })
  await s.root.delete(`/tenants/${id}`)
  s.advance(31 * 86_400)
  await eraseDueTenants(s.service.database, s.now)
  t.equal((await s.root.get(`/roles/${role.id}`)).status, 404)
})
