// Grants: a role on one resource, or for a time.
import t from 'tap'
import { aService, made } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const owner = s.as(await s.aToken(tenant_id, 'user_olga'))
const project = { type: 'project', id: '42' }

const may = async (user_id: string, permission: string, id = '42'): Promise<boolean> => {
  const [type, name] = permission.split(':')
  const question = {
    subject: { type: 'user', id: user_id },
    action: { name },
    resource: { type, id },
    context: { tenant_id },
  }
  return made(await s.root.post('/access/v1/evaluation', question)).decision
}
const lastEvent = async () => (await s.root.get(`/events?tenant_id=${tenant_id}&limit=200`)).body.data.at(-1)
const revoked = async (revision: number): Promise<unknown[]> => {
  const rows = await s.test_database.superuser(
    'select target from tenantry.revocations where history_id = $1 and revision = $2 order by 1',
    [tenant_id, revision],
  )
  return rows.map(({ target }) => target)
}

t.test('an editor of one project writes there and nowhere else, until the grant is taken back', async (t) => {
  const vera = await s.aMembership(tenant_id, { roles: ['viewer'] })
  const answer = await owner.post('/grants', { membership_id: vera.id, role: 'member', resource: project })
  t.match(answer, {
    status: 201,
    headers: { location: `/grants/${answer.body.id}`, etag: `"${answer.body.revision}"` },
    body: { tenant_id, membership_id: vera.id, group_id: null, role: 'member', resource: project, expires_at: null },
  })
  t.same([await may(vera.user_id, 'project:write'), await may(vera.user_id, 'project:write', '43')], [true, false])
  t.same((await owner.get(`/grants/${answer.body.id}`)).body, answer.body)
  t.equal((await owner.delete(`/grants/${answer.body.id}`, { 'if-match': '"1"' })).status, 412)
  t.equal((await owner.delete(`/grants/${answer.body.id}`)).status, 204)
  t.equal(await may(vera.user_id, 'project:write'), false)
  t.equal((await owner.get(`/grants/${answer.body.id}`)).body.code, 'grant.not_found')
})

t.test('the history tells who got which role for which time, and keeps the id of the resource apart', async (t) => {
  const vera = await s.aMembership(tenant_id)
  const resource = { type: 'patient', id: 'jane.doe@example.com' }
  const { body } = await owner.post('/grants', { membership_id: vera.id, role: 'viewer', resource })
  const { type, data, revision } = await lastEvent()
  t.equal(type, 'grant.created')
  t.same(data, {
    ...{ grant_id: body.id, membership_id: vera.id, group_id: null, role: 'viewer' },
    ...{ resource_type: 'patient', not_before: null, expires_at: null },
  })
  const [beside] = await s.test_database.superuser(
    'select data from tenantry.event_personal_data where history_id = $1 and revision = $2',
    [tenant_id, revision],
  )
  t.same(beside?.data, { resource_id: resource.id })
})

t.test('a grant is to one holder, on a resource or for a time, and of a role that there is', async (t) => {
  const { id: membership_id } = await s.aMembership(tenant_id)
  const { id: group_id } = await s.aGroup(tenant_id)
  const other = await s.aTenant()
  const foreign = await s.aMembership(other.id)
  for (const [body, code] of [
    [{ role: 'viewer', resource: project }, 'request.invalid'],
    [{ membership_id, group_id, role: 'viewer', resource: project }, 'request.invalid'],
    [{ membership_id, role: 'viewer' }, 'grant.lasting'],
    [{ membership_id, role: 'viewer', resource: null, not_before: null, expires_at: null }, 'grant.lasting'],
    [{ membership_id, role: 'king', resource: project }, 'role.unknown'],
    [{ membership_id, role: 'viewer', resource: { type: 'tenantry.role', id: '1' } }, 'request.invalid'],
    [{ membership_id, role: 'viewer', resource: { type: 'tenantry', id: '1' } }, 'request.invalid'],
    [{ membership_id, role: 'viewer', resource: { type: 'Project', id: '1' } }, 'request.invalid'],
    [{ membership_id, role: 'viewer', resource: { type: 'project', id: 'x'.repeat(256) } }, 'request.invalid'],
    [{ membership_id, role: 'viewer', resource: { type: 'project', id: '..' } }, 'request.invalid'],
    [{ membership_id, role: 'viewer', resource: project, expires_at: s.instant(-1) }, 'expires_at.past'],
    [
      { membership_id, role: 'viewer', resource: project, not_before: s.instant(20), expires_at: s.instant(20) },
      'request.invalid',
    ],
    [{ membership_id, role: 'viewer', resource: project, not_before: '0000-01-01T00:00:00Z' }, 'request.invalid'],
    [{ membership_id, role: 'viewer', resource: project, not_before: '0001-01-01T00:00:00+01:00' }, 'request.invalid'],
    [{ membership_id: foreign.id, role: 'viewer', resource: project }, 'membership.not_found'],
    [{ group_id: membership_id, role: 'viewer', resource: project }, 'group.not_found'],
  ] as const) {
    t.equal((await owner.post('/grants', body)).body.code, code, JSON.stringify(body))
  }
})

t.test('a role is granted once on a resource, so that taking it back takes it away', async (t) => {
  const { id: membership_id } = await s.aMembership(tenant_id)
  const grant = { membership_id, role: 'member', resource: project }
  made(await owner.post('/grants', grant))
  t.match(await owner.post('/grants', { ...grant, expires_at: s.instant(60) }), {
    status: 409,
    body: { code: 'grant.exists' },
  })
  for (const another of [
    { role: 'admin' },
    { resource: { ...project, id: '43' } },
    { resource: null, expires_at: s.instant(60) },
  ]) {
    t.equal((await owner.post('/grants', { ...grant, ...another })).status, 201)
  }
})

t.test('a grant begins and ends by itself, and its time can be changed', async (t) => {
  const vera = await s.aMembership(tenant_id, { roles: ['viewer'] })
  const times = { not_before: s.instant(60), expires_at: s.instant(120) }
  const grant = await s.aGrant(tenant_id, { membership_id: vera.id, ...times })
  const seen = [await may(vera.user_id, 'project:write')]
  for (const seconds of [59, 1, 59, 1]) {
    s.advance(seconds)
    seen.push(await may(vera.user_id, 'project:write'))
  }
  t.same(seen, [false, false, true, true, false])
  const longer = await s.root.patch(`/grants/${grant.id}`, { expires_at: s.instant(60) })
  t.match(longer, { status: 200, body: { not_before: times.not_before, expires_at: s.instant(60) } })
  t.equal(await may(vera.user_id, 'project:write'), true)
  const same = await s.root.patch(`/grants/${grant.id}`, { expires_at: s.instant(60) })
  t.same(same.body, longer.body, 'a change to what is there already takes no revision')
  t.equal((await s.root.patch(`/grants/${grant.id}`, { expires_at: s.instant(-1) })).body.code, 'expires_at.past')
})

t.test('grants are listed by holder, role and resource, page by page', async (t) => {
  const one = await s.aMembership(tenant_id)
  const group = await s.aGroup(tenant_id)
  const ids: string[] = []
  for (const id of ['a', 'b', 'c']) {
    const grant = await s.aGrant(tenant_id, { membership_id: one.id, resource: { type: 'folder', id } })
    ids.push(grant.id)
  }
  const ofGroup = await s.aGrant(tenant_id, {
    group_id: group.id,
    role: 'admin',
    resource: { type: 'folder', id: 'a' },
  })
  const list = async (query: string): Promise<string[]> =>
    (await owner.get(`/grants?${query}`)).body.data.map(({ id }: { id: string }) => id)
  t.same(await list(`membership_id=${one.id}`), ids)
  t.same(await list(`group_id=${group.id}`), [ofGroup.id])
  t.same(await list('resource_type=folder'), [...ids, ofGroup.id])
  t.same(await list('resource_type=folder&resource_id=a'), [ids[0], ofGroup.id])
  t.same(await list('resource_type=folder&role=admin'), [ofGroup.id])
  t.equal((await owner.get('/grants?resource_id=a')).body.code, 'request.invalid')
  const first = (await owner.get(`/grants?membership_id=${one.id}&limit=2`)).body
  const rest = (await owner.get(`/grants?membership_id=${one.id}&limit=2&cursor=${first.next_cursor}`)).body
  t.same(
    [...first.data, ...rest.data].map(({ id }) => id),
    ids,
  )
  t.equal(rest.next_cursor, null)
})

t.test('nobody gives on a resource what they do not have in the whole tenant', async (t) => {
  const admin = await s.aMember(tenant_id, 'admin')
  const vera = await s.aMembership(tenant_id)
  const grant = (role: string, type: string) =>
    admin.caller.post('/grants', { membership_id: vera.id, role, resource: { type, id: '1' } })
  t.equal((await grant('owner', 'project')).status, 201, 'of an owner’s rights only those on projects are given')
  t.match(await grant('owner', 'billing'), { status: 403, body: { code: 'role.exceeds_own' } })
  const given = await s.aGrant(tenant_id, {
    membership_id: vera.id,
    role: 'owner',
    resource: { type: 'billing', id: '1' },
  })
  t.equal((await admin.caller.delete(`/grants/${given.id}`)).body.code, 'role.exceeds_own', 'nor takes it')
  const suspended = await admin.caller.post(`/memberships/${vera.id}/suspend`)
  t.equal(suspended.body.code, 'role.exceeds_own', 'nor suspends who has it')
  const editor = await s.aMember(tenant_id, 'viewer')
  await s.aGrant(tenant_id, { membership_id: editor.membership.id, role: 'owner' })
  t.equal((await editor.caller.post('/grants', {})).body.code, 'request.invalid')
  const passed = await editor.caller.post('/grants', { membership_id: vera.id, role: 'viewer', resource: project })
  t.equal(passed.body.code, 'permission.missing', 'who owns one resource manages no members')
})

t.test('rights for a time are used, and give nothing that lasts longer', async (t) => {
  const { membership } = await s.aMember(tenant_id, 'viewer')
  await s.aGrant(tenant_id, { membership_id: membership.id, role: 'owner', resource: null, expires_at: s.instant(600) })
  const guest = s.as(await s.aToken(tenant_id, membership.user_id))
  const post = (body: object) => guest.post('/memberships', { user_id: `user_${Math.random()}`, ...body })
  const until = { expires_at: s.instant(600) }
  t.match(await post({ roles: ['admin'] }), { status: 403, body: { code: 'role.exceeds_own' } })
  t.equal((await post({ roles: ['admin'], expires_at: s.instant(601) })).body.code, 'role.exceeds_own')
  t.equal((await post({ roles: ['admin'], ...until })).status, 201)
  t.equal((await post({ roles: ['viewer'] })).status, 201, 'what they have for good they give for good')
  const grant = { membership_id: membership.id, role: 'admin', resource: null }
  t.equal((await guest.post('/grants', { ...grant, not_before: s.instant(0) })).body.code, 'role.exceeds_own')
  const key = { name: 'mine', permissions: ['tenantry.*'] }
  t.equal((await guest.post('/api-keys', key)).body.code, 'role.exceeds_own')
  t.equal((await guest.post('/api-keys', { ...key, ...until })).status, 201)
  t.equal((await guest.post('/groups', { name: 'Mine', roles: ['admin'] })).body.code, 'role.exceeds_own')
  const own = (await guest.get(`/grants?membership_id=${membership.id}`)).body.data[0]
  t.equal((await guest.patch(`/grants/${own.id}`, { expires_at: s.instant(601) })).body.code, 'role.exceeds_own')
  s.advance(600)
  t.equal((await guest.get('/memberships')).body.code, 'token.invalid', 'its token ended with the grant')
})

t.test('an owner for a time is not one that a tenant can rely on', async (t) => {
  const place = await s.aTenant({ owner: { user_id: 'user_only' } })
  const only = (await s.root.get(`/memberships?tenant_id=${place.id}`)).body.data[0]
  const deputy = await s.aMembership(place.id, { roles: ['viewer'] })
  await s.aGrant(place.id, { membership_id: deputy.id, role: 'owner', resource: null, not_before: s.instant(-60) })
  t.equal((await s.root.delete(`/memberships/${only.id}`)).body.code, 'membership.last_owner')
})

t.test('tokens become stale when a role for a time is taken back or shortened, and for no other change', async (t) => {
  const vera = await s.aMembership(tenant_id, { roles: ['viewer'] })
  const target = `membership:${vera.id}`
  const wide = await s.aGrant(tenant_id, { membership_id: vera.id, resource: null, expires_at: s.instant(600) })
  const after = async (answer: Promise<{ status: number }>): Promise<unknown[]> => {
    t.ok((await answer).status < 300)
    return revoked(await s.revisionOf(tenant_id))
  }
  t.same(await revoked(wide.revision), [])
  const patch = (body: object) => s.root.patch(`/grants/${wide.id}`, body)
  t.same(await after(patch({ expires_at: s.instant(700) })), [], 'later')
  t.same(await after(patch({ expires_at: s.instant(500) })), [target], 'earlier')
  t.same(await after(patch({ not_before: s.instant(100) })), [target], 'not yet')
  t.same(await after(patch({ not_before: null })), [])
  const caller = s.as(await s.aToken(tenant_id, vera.user_id))
  t.same(await after(s.root.delete(`/grants/${wide.id}`)), [target])
  t.equal((await caller.get(`/memberships/${vera.id}`)).body.code, 'token.stale')
  const soon = await s.aGrant(tenant_id, { membership_id: vera.id, resource: null, not_before: s.instant(1) })
  t.same(await after(s.root.delete(`/grants/${soon.id}`)), [target], 'it may have begun before this is committed')
  const narrow = await s.aGrant(tenant_id, { membership_id: vera.id })
  t.same(await after(s.root.delete(`/grants/${narrow.id}`)), [], 'of a resource a token says only that one must ask')
})

t.test('a membership holds only so many roles for a time', async (t) => {
  const { id: membership_id } = await s.aMembership(tenant_id)
  for (let i = 0; i < 20; i++) {
    const role = await s.aRole({ tenant_id })
    await s.aGrant(tenant_id, { membership_id, role: role.key, resource: null, expires_at: s.instant(60) })
  }
  const more = await s.root.post('/grants', { tenant_id, membership_id, role: 'viewer', expires_at: s.instant(60) })
  t.equal(more.body.code, 'grant.too_many')
})
