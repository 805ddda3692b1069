// Groups: members of a tenant who hold something together.
import t from 'tap'
import { aService, made } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const owner = s.as(await s.aToken(tenant_id, 'user_olga'))

const explain = async (user_id: string, permission: string, id = 'one') => {
  const [type, name] = permission.split(':')
  const context = { tenant_id, explain: true }
  const question = { subject: { type: 'user', id: user_id }, action: { name }, resource: { type, id }, context }
  const { decision, context: told } = made(await s.root.post('/access/v1/evaluation', question))
  return { decision, reason: told.reason }
}
const may = async (user_id: string, permission: string, id?: string): Promise<boolean> =>
  (await explain(user_id, permission, id)).decision
const revoked = async (): Promise<unknown[]> => {
  const rows = await s.test_database.superuser(
    'select target from tenantry.revocations where history_id = $1 and revision = $2 order by 1',
    [tenant_id, await s.revisionOf(tenant_id)],
  )
  return rows.map(({ target }) => target)
}

t.test('members hold what their group holds, as long as they are in it', async (t) => {
  const { body: group } = await owner.post('/groups', { name: 'Finance', description: 'Pays', roles: ['member'] })
  t.match(group, { tenant_id, name: 'Finance', description: 'Pays', roles: ['member'] })
  const vera = await s.aMembership(tenant_id, { roles: ['viewer'] })
  t.equal(await may(vera.user_id, 'invoice:write'), false)
  t.equal((await owner.put(`/groups/${group.id}/members/${vera.id}`)).status, 204)
  t.same(await explain(vera.user_id, 'invoice:write'), {
    decision: true,
    reason: { code: 'role_grants', role: 'member', pattern: '*:write', group_id: group.id },
  })
  t.match((await owner.get(`/groups/${group.id}/members`)).body.data, [{ id: vera.id, roles: ['viewer'] }])
  t.match((await owner.get(`/groups?membership_id=${vera.id}`)).body.data, [{ id: group.id }])
  const revision = await s.revisionOf(tenant_id)
  t.equal((await owner.put(`/groups/${group.id}/members/${vera.id}`)).status, 204)
  t.equal(await s.revisionOf(tenant_id), revision, 'a second time changes nothing')
  t.equal((await owner.delete(`/groups/${group.id}/members/${vera.id}`)).status, 204)
  t.same(await revoked(), [`membership:${vera.id}`])
  t.equal(await may(vera.user_id, 'invoice:write'), false)
  t.equal((await owner.delete(`/groups/${group.id}/members/${vera.id}`)).status, 204)
})

t.test('a group’s grant on a resource is its members’', async (t) => {
  const group = await s.aGroup(tenant_id)
  const vera = await s.aMembership(tenant_id, { roles: ['viewer'] })
  await s.root.put(`/groups/${group.id}/members/${vera.id}`)
  const grant = await s.aGrant(tenant_id, { group_id: group.id })
  t.match(await explain(vera.user_id, 'project:write', '42'), {
    decision: true,
    reason: { group_id: group.id, grant_id: grant.id, resource: { type: 'project', id: '42' } },
  })
  await s.root.delete(`/groups/${group.id}/members/${vera.id}`)
  t.same(await revoked(), [], 'the token says only that one must ask')
  t.equal(await may(vera.user_id, 'project:write', '42'), false)
})

t.test('a group’s rights are those of its members’ tokens, on Tenantry’s own API too', async (t) => {
  const group = await s.aGroup(tenant_id, { roles: ['admin'] })
  const vera = await s.aMembership(tenant_id, { roles: ['viewer'] })
  const caller = async () => s.as(await s.aToken(tenant_id, vera.user_id))
  t.equal((await (await caller()).get('/memberships')).status, 403)
  await s.root.put(`/groups/${group.id}/members/${vera.id}`)
  const admin = await caller()
  t.equal((await admin.post('/memberships', { user_id: 'user_new', roles: ['admin'] })).status, 201)
  const payload = JSON.parse(
    Buffer.from((await s.aToken(tenant_id, vera.user_id)).split('.')[1] ?? '', 'base64url').toString(),
  )
  t.same(payload.roles, ['admin', 'viewer'])
  made(await s.root.patch(`/groups/${group.id}`, { roles: ['member'] }))
  t.same(await revoked(), [`membership:${vera.id}`])
  t.equal((await admin.get('/memberships')).body.code, 'token.stale')
  t.equal((await (await caller()).get('/memberships')).status, 403)
})

t.test('of a large group, who has the role that goes is told instead of every member', async (t) => {
  const group = await s.aGroup(tenant_id, { roles: ['member', 'viewer'] })
  await s.test_database.superuser(
    `with m as (
       insert into tenantry.memberships (tenant_id, id, user_id, status, properties, revision, created_at, updated_at)
       select $1, gen_random_uuid(), 'bulk_' || n, 'active', '{}', 1, now(), now() from generate_series(1, 101) n returning id)
     insert into tenantry.group_members (tenant_id, group_id, membership_id) select $1, $2, id from m`,
    [tenant_id, group.id],
  )
  made(await s.root.patch(`/groups/${group.id}`, { roles: ['viewer'] }))
  t.same(await revoked(), ['role:member'])
  const token = s.as(await s.aToken(tenant_id, 'bulk_1'))
  t.equal((await s.root.delete(`/groups/${group.id}`)).status, 204)
  t.same(await revoked(), ['role:viewer'])
  t.equal((await token.get('/tenants')).body.code, 'token.stale')
})

t.test('what a group gives or takes lies within one’s own rights', async (t) => {
  const admin = await s.aMember(tenant_id, 'admin')
  const vera = await s.aMembership(tenant_id)
  const denied = async (answer: Promise<{ body: { code: string } }>, what: string): Promise<void> =>
    void t.equal((await answer).body.code, 'role.exceeds_own', what)
  await denied(admin.caller.post('/groups', { name: 'Kings', roles: ['owner'] }), 'to make it')
  const kings = await s.aGroup(tenant_id, { roles: ['owner'] })
  const member = `/groups/${kings.id}/members/${vera.id}`
  await denied(admin.caller.put(member), 'to put somebody in')
  await denied(admin.caller.patch(`/groups/${kings.id}`, { roles: ['viewer'] }), 'to take its role')
  await denied(admin.caller.delete(`/groups/${kings.id}`), 'to delete it')
  await s.root.put(member)
  await denied(admin.caller.delete(member), 'to take somebody out')
  await denied(admin.caller.post(`/memberships/${vera.id}/suspend`), 'to suspend who is in it')
  await denied(admin.caller.patch(`/memberships/${vera.id}`, { roles: ['viewer'] }), 'to change them')
  await denied(admin.caller.delete(`/memberships/${vera.id}`), 'to remove them')
  const payers = await s.aGroup(tenant_id)
  const grant = { group_id: payers.id, role: 'owner', resource: { type: 'billing', id: '1' } }
  await denied(admin.caller.post('/grants', grant), 'to grant it something')
  await s.aGrant(tenant_id, { ...grant, role: 'owner' as const })
  await denied(admin.caller.put(`/groups/${payers.id}/members/${vera.id}`), 'to put somebody in for its grants')
})

t.test('an owner through a group is not one that the tenant can rely on', async (t) => {
  const place = await s.aTenant({ owner: { user_id: 'user_only' } })
  const only = (await s.root.get(`/memberships?tenant_id=${place.id}`)).body.data[0]
  const deputy = await s.aMembership(place.id)
  const group = await s.aGroup(place.id, { roles: ['owner'] })
  await s.root.put(`/groups/${group.id}/members/${deputy.id}`)
  t.equal((await s.root.patch(`/memberships/${only.id}`, { roles: ['admin'] })).body.code, 'membership.last_owner')
})

t.test('a dry run tells what a group would give and take, besides what is held anyway', async (t) => {
  const group = await s.aGroup(tenant_id, { roles: ['viewer'] })
  const vera = await s.aMembership(tenant_id, { roles: ['member'] })
  const guest = await s.aRole({ tenant_id, permissions: ['invoice:approve'] })
  const member = `/groups/${group.id}/members/${vera.id}`
  t.same((await s.root.put(`${member}?dry_run=true`)).body.changes, [])
  made(await s.root.patch(`/groups/${group.id}`, { roles: [guest.key] }))
  const change = { tenant_id, user_id: vera.user_id, gains: ['invoice:approve'], loses: [] }
  t.same((await s.root.put(`${member}?dry_run=true`)).body.changes, [change])
  t.equal((await s.root.get(`/groups?membership_id=${vera.id}`)).body.data.length, 0, 'nothing of it remains')
  await s.root.put(member)
  t.same((await s.root.delete(`${member}?dry_run=true`)).body.changes, [
    { ...change, gains: [], loses: ['invoice:approve'] },
  ])
  const wider = { permissions: ['invoice:approve', 'invoice:void'] }
  t.same((await s.root.patch(`/roles/${guest.id}?dry_run=true`, wider)).body.changes, [
    { ...change, gains: ['invoice:void'] },
  ])
})

t.test('a role that groups and grants have goes only with an heir, which takes its place', async (t) => {
  const [role, heir] = [await s.aRole({ tenant_id }), await s.aRole({ tenant_id })]
  const group = await s.aGroup(tenant_id, { roles: [role.key] })
  const vera = await s.aMembership(tenant_id)
  const moved = await s.aGrant(tenant_id, { membership_id: vera.id, role: role.key })
  const twice = { membership_id: vera.id, resource: { type: 'project', id: '7' } }
  const dropped = await s.aGrant(tenant_id, { ...twice, role: role.key })
  const kept = await s.aGrant(tenant_id, { ...twice, role: heir.key, expires_at: s.instant(60) })
  t.match((await s.root.delete(`/roles/${role.id}`)).body, {
    code: 'role.in_use',
    detail: /^One group holds and 2 grants give this role/,
  })
  const before = await s.revisionOf(tenant_id)
  t.equal((await s.root.delete(`/roles/${role.id}?remap_to=${heir.key}`)).status, 204)
  t.match((await s.root.get(`/groups/${group.id}`)).body, { roles: [heir.key], revision: before + 1 })
  t.match((await s.root.get(`/grants/${moved.id}`)).body, { role: heir.key, revision: before + 2 })
  t.equal((await s.root.get(`/grants/${dropped.id}`)).status, 404)
  t.match((await s.root.get(`/grants/${kept.id}`)).body, { expires_at: kept.expires_at, revision: kept.revision })
  const events = (await s.root.get(`/events?tenant_id=${tenant_id}&after=${before}`)).body.data
  t.same(
    events.map(({ type }: { type: string }) => type),
    ['group.updated', 'grant.updated', 'grant.deleted', 'role.deleted'],
  )
})

t.test('a shared role that only groups and grants have is remapped in all their tenants', async (t) => {
  const [role, heir] = [await s.aRole(), await s.aRole()]
  const places = [await s.aTenant(), await s.aTenant()]
  const [one, other] = places as [(typeof places)[0], (typeof places)[0]]
  const group = await s.aGroup(one.id, { roles: [role.key] })
  const grant = await s.aGrant(other.id, { membership_id: (await s.aMembership(other.id)).id, role: role.key })
  t.equal((await s.root.delete(`/roles/${role.id}?remap_to=${heir.key}`)).status, 204)
  t.same((await s.root.get(`/groups/${group.id}`)).body.roles, [heir.key])
  t.equal((await s.root.get(`/grants/${grant.id}`)).body.role, heir.key)
})

t.test('names of groups are taken once in a tenant, and a membership is in so many groups at most', async (t) => {
  await s.aGroup(tenant_id, { name: 'Taken' })
  t.equal((await owner.post('/groups', { name: 'Taken' })).body.code, 'group.name_taken')
  const free = await s.aGroup(tenant_id)
  t.equal((await owner.patch(`/groups/${free.id}`, { name: 'Taken' })).body.code, 'group.name_taken')
  const other = await s.aTenant()
  t.equal((await s.aGroup(other.id, { name: 'Taken' })).name, 'Taken')
  const vera = await s.aMembership(tenant_id)
  await s.test_database.superuser(
    `with g as (
       insert into tenantry.groups (tenant_id, id, name, description, revision, created_at, updated_at)
       select $1, gen_random_uuid(), 'bulk ' || n, '', 1, now(), now() from generate_series(1, 50) n returning id)
     insert into tenantry.group_members (tenant_id, group_id, membership_id) select $1, id, $2 from g`,
    [tenant_id, vera.id],
  )
  const revision = await s.revisionOf(tenant_id)
  t.equal((await owner.put(`/groups/${free.id}/members/${vera.id}`)).body.code, 'group.too_many')
  t.equal(await s.revisionOf(tenant_id), revision)
})
