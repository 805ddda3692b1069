// A role that somebody holds: what its change or end would mean, what it does mean, and what verifiers hear of it.
import t from 'tap'
import { aService, made } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const admin = await s.aMember(tenant_id, 'admin')

interface Entry {
  history: string
  target: string
  rev: number
}

const entriesOf = async (target: string): Promise<Entry[]> => {
  const [, payload = ''] = (await s.root.get('/revocations')).text.split('.')
  const { entries } = JSON.parse(Buffer.from(payload, 'base64url').toString())
  return entries.filter((entry: Entry) => entry.target === target)
}
const eventsOf = async (tenant: string) => made(await s.root.get(`/events?tenant_id=${tenant}&limit=200`)).data
const rolesOf = async (id: string): Promise<string[]> => made(await s.root.get(`/memberships/${id}`)).roles

t.test('a role that somebody holds goes only with an heir', async (t) => {
  const role = await s.aRole({ tenant_id })
  for (const count of [1, 2]) {
    await s.aMembership(tenant_id, { roles: [role.key] })
    const answer = await admin.caller.delete(`/roles/${role.id}`)
    t.match(answer, {
      status: 409,
      body: { code: 'role.in_use', detail: count === 1 ? /One membership/ : /2 memberships/ },
    })
  }
  for (const heir of [role.key, 'nobody']) {
    t.match(await admin.caller.delete(`/roles/${role.id}?remap_to=${heir}`), {
      status: 422,
      body: { code: 'role.unknown' },
    })
  }
})

t.test('all holders get the heir, in one transaction, and each has an event that names no person', async (t) => {
  const { id } = await s.aTenant()
  const [role, heir] = [await s.aRole({ tenant_id: id }), await s.aRole({ tenant_id: id, permissions: ['order:read'] })]
  const only = await s.aMembership(id, { roles: [role.key], email: 'only@acme.example' })
  const both = await s.aMembership(id, { roles: [role.key, heir.key] })
  const more = await s.aMembership(id, { roles: [role.key, 'viewer'] })
  const other = await s.aMembership(id, { roles: ['viewer'] })
  const answer = await s.root.delete(`/roles/${role.id}?remap_to=${heir.key}`)
  t.equal(answer.status, 204)
  t.same(await rolesOf(only.id), [heir.key])
  t.same(await rolesOf(both.id), [heir.key])
  t.same(await rolesOf(more.id), [heir.key, 'viewer'])
  t.same(made(await s.root.get(`/memberships/${other.id}`)), other, 'nobody else is touched')
  t.equal((await s.root.get(`/roles/${role.id}`)).status, 404)

  const events = (await eventsOf(id)).slice(-4)
  t.same(
    events.map(({ type }: { type: string }) => type),
    [...Array(3).fill('membership.updated'), 'role.deleted'],
  )
  t.match(events[0].data, { membership_id: only.id, roles: { from: [role.key], to: [heir.key] } })
  t.match(events[3].data, { key: role.key, memberships: 3, remapped_to: heir.key })
  t.notMatch(JSON.stringify(events), only.user_id)
  t.equal(answer.headers['tenantry-revision'], `${id}:${events[3].revision}`)
  t.equal(made(await s.root.get(`/memberships/${only.id}`)).revision, events[0].revision)
  t.equal((await s.root.get(`/memberships/${only.id}`)).headers.etag, `"${events[0].revision}"`)
})

t.test('the holders of a shared role are in many tenants, and each tenant’s history tells of its own', async (t) => {
  const [role, heir] = [await s.aRole(), await s.aRole()]
  const tenants = [await s.aTenant(), await s.aTenant()]
  const own = await s.aRole({ tenant_id: tenants[0]?.id as string })
  const members = await Promise.all(tenants.map(({ id }) => s.aMembership(id, { roles: [role.key] })))
  t.match(await s.root.delete(`/roles/${role.id}`), { status: 409, body: { detail: /2 memberships/ } })
  t.equal((await s.root.delete(`/roles/${role.id}?remap_to=${own.key}`)).status, 422, 'a tenant’s role is no heir')
  const answer = await s.root.delete(`/roles/${role.id}?remap_to=${heir.key}`)
  t.equal(answer.status, 204)
  t.match(answer.headers['tenantry-revision'], /^platform:/)
  for (const { id, tenant_id, revision } of members) {
    t.same(await rolesOf(id), [heir.key])
    const event = (await eventsOf(tenant_id)).at(-1)
    t.match(event, { type: 'membership.updated', revision: revision + 1, data: { membership_id: id } })
  }
  t.match(await entriesOf(`role:${role.key}`), [{ history: 'platform' }])
})

t.test('what is narrowed is in the feed, in the role’s own history; what is widened is not', async (t) => {
  for (const owned of [{ tenant_id }, {}]) {
    const role = await s.aRole({ ...owned, permissions: ['invoice:read', 'order:*'] })
    const [at, target] = [`/roles/${role.id}`, `role:${role.key}`]
    const history = role.tenant_id ?? 'platform'
    await s.root.patch(at, { permissions: ['invoice:read', 'order:*', '*:read'] })
    await s.root.patch(at, { name: 'Renamed' })
    t.same(await entriesOf(target), [], 'nothing was taken')
    const narrowed = await s.root.patch(at, { excludes: ['order:void'] })
    t.match(await entriesOf(target), [{ history, rev: narrowed.body.revision }])
    await s.root.patch(at, { excludes: [] })
    t.match(await entriesOf(target), [{ rev: narrowed.body.revision }], 'giving it back takes nothing')
    const dropped = await s.root.patch(at, { permissions: ['order:*', '*:read'] })
    t.match(
      await entriesOf(target),
      [{ rev: dropped.body.revision }],
      'a name left to a wildcard may be taken by a catalogue',
    )
    await s.root.delete(at)
    const [entry] = await entriesOf(target)
    t.ok((entry?.rev ?? 0) > dropped.body.revision, 'nor does a token outlive its role')
  }
})

t.test('a token is stale when a role of its is narrowed, a narrowed token too; a fresh one is not', async (t) => {
  const role = await s.aRole({ tenant_id, permissions: ['tenantry.tenant:read', 'tenantry.membership:read'] })
  const { user_id } = await s.aMembership(tenant_id, { roles: [role.key] })
  const token = await s.aToken(tenant_id, user_id)
  const exchange = await s.root.call(
    ...(['POST', '/oauth/token'] as const),
    new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      ...{ subject_token: token, tenant_id, scope: 'tenantry.membership:read' },
    }).toString(),
    { 'content-type': 'application/x-www-form-urlencoded' },
  )
  const narrowed = made(exchange).access_token
  const claims = JSON.parse(Buffer.from(narrowed.split('.')[1], 'base64url').toString())
  t.same([claims.roles, claims.narrowed_from], [[], [role.key]])
  for (const each of [token, narrowed]) t.equal((await s.as(each).get('/memberships')).status, 200)
  await s.root.patch(`/roles/${role.id}`, { permissions: ['tenantry.membership:read'] })
  for (const each of [token, narrowed]) {
    t.match(await s.as(each).get('/memberships'), { status: 401, body: { code: 'token.stale' } })
  }
  t.equal((await s.as(await s.aToken(tenant_id, user_id)).get('/memberships')).status, 200)
})

t.test('a dry run of a role’s change says who would gain and lose what, and changes nothing', async (t) => {
  const { id } = await s.aTenant()
  const role = await s.aRole({ tenant_id: id, permissions: ['invoice:read', 'invoice:void'] })
  const ada = await s.aMembership(id, { roles: [role.key] })
  const bob = await s.aMembership(id, { roles: [role.key, 'viewer'] })
  await s.aMembership(id, { roles: [role.key, 'owner'] })
  await s.aMembership(id, { roles: ['viewer'] })
  const before = await s.dump()
  const change = { permissions: ['invoice:write', 'order:read'] }
  const answer = await s.root.patch(`/roles/${role.id}?dry_run=true`, change)
  t.match(answer, { status: 200, body: { dry_run: true, truncated: false } })
  t.same(answer.headers.etag, undefined)
  t.same(answer.body.changes, [
    {
      ...{ tenant_id: id, user_id: ada.user_id },
      ...{ gains: ['invoice:write', 'order:read'], loses: ['invoice:read', 'invoice:void'] },
    },
    { tenant_id: id, user_id: bob.user_id, gains: ['invoice:write'], loses: ['invoice:void'] },
  ])
  const removed = await s.root.delete(`/roles/${role.id}?dry_run=true&remap_to=viewer`)
  t.match(removed.body.changes, [
    { user_id: ada.user_id, gains: ['*:read', 'tenantry.tenant:read'], loses: ['invoice:void'] },
    {},
  ])
  t.equal(removed.body.changes.length, 2, 'an owner holds all of it anyway')
  t.match(await s.root.delete(`/roles/${role.id}?dry_run=true`), { status: 409, body: { code: 'role.in_use' } })
  t.equal(await s.dump(), before)
  t.equal((await s.root.patch(`/roles/${role.id}`, change)).status, 200)
  t.equal((await s.root.get(`/roles/${role.id}`)).body.permissions[0], 'invoice:write')
})

t.test('a dry run of a membership’s change makes the same checks', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const { data } = made(await s.root.get(`/memberships?tenant_id=${id}`))
  const vera = await s.aMembership(id, { roles: ['viewer'] })
  const before = await s.dump()
  const dry = async (answer: ReturnType<typeof s.root.get>) => made(await answer).changes
  t.same(await dry(s.root.patch(`/memberships/${vera.id}?dry_run=true`, { roles: ['member'] })), [
    { tenant_id: id, user_id: vera.user_id, gains: ['*:write'], loses: [] },
  ])
  t.same(await dry(s.root.patch(`/memberships/${vera.id}?dry_run=true`, { display_name: 'Vera' })), [])
  t.same(await dry(s.root.delete(`/memberships/${vera.id}?dry_run=true`)), [
    { tenant_id: id, user_id: vera.user_id, gains: [], loses: ['*:read', 'tenantry.tenant:read'] },
  ])
  const headers = { 'idempotency-key': 'dry' }
  const input = { tenant_id: id, user_id: 'user_new', roles: ['viewer'] }
  t.same(await dry(s.root.post('/memberships?dry_run=true', input, headers)), [
    { tenant_id: id, user_id: 'user_new', gains: ['*:read', 'tenantry.tenant:read'], loses: [] },
  ])
  for (const attempt of [
    s.root.patch(`/memberships/${data[0].id}?dry_run=true`, { roles: ['viewer'] }),
    s.root.delete(`/memberships/${data[0].id}?dry_run=true`),
  ]) {
    t.match(await attempt, { status: 409, body: { code: 'membership.last_owner' } })
  }
  t.equal(await s.dump(), before)
  t.equal((await s.root.post('/memberships', input, headers)).status, 201, 'in earnest, the same key is unused')
})

t.test('a dry run that concerns more than a thousand says that it is cut', async (t) => {
  const { id } = await s.aTenant()
  const role = await s.aRole({ tenant_id: id })
  await s.test_database.superuser(
    `with m as (
       insert into tenantry.memberships (tenant_id, id, user_id, status, properties, revision, created_at, updated_at)
       select $1, gen_random_uuid(), 'user_' || n, 'active', '{}', 1, now(), now() from generate_series(1, 1001) n returning id)
     insert into tenantry.membership_roles select $1, m.id, $2, $1 from m`,
    [id, role.id],
  )
  const cut = made(await s.root.patch(`/roles/${role.id}?dry_run=true`, { permissions: ['order:read'] }))
  t.same([cut.changes.length, cut.truncated], [1_000, true])
  t.equal((await s.root.delete(`/roles/${role.id}?remap_to=viewer`)).status, 204, 'in earnest all of them')
  const { body } = await s.root.get(`/memberships?tenant_id=${id}&role=viewer&limit=200`)
  t.equal(body.data.length, 200)
  t.equal(await s.revisionOf(id), 1 + 1 + 1_001 + 1)
})

t.test('a shared role that is held in very many tenants is not replaced everywhere at once', async (t) => {
  const role = await s.aRole()
  await s.test_database.superuser(
    `with h as (insert into tenantry.histories (id, revision, head_hash) select gen_random_uuid(), 0, '' from generate_series(1, 501) returning id)
     insert into tenantry.tenants (id, slug, name, status, settings, metadata, revision, created_at, updated_at)
     select id, id::text, 'One of many', 'active', '{}', '{}', 1, now(), now() from h`,
  )
  await s.test_database.superuser(
    `with m as (
       insert into tenantry.memberships (tenant_id, id, user_id, status, properties, revision, created_at, updated_at)
       select id, gen_random_uuid(), 'user_x', 'active', '{}', 1, now(), now() from tenantry.tenants where name = 'One of many'
       returning tenant_id, id)
     insert into tenantry.membership_roles select m.tenant_id, m.id, $1, '00000000-0000-0000-0000-000000000000' from m`,
    [role.id],
  )
  const answer = await s.root.delete(`/roles/${role.id}?remap_to=viewer`)
  t.match(answer, { status: 409, body: { code: 'role.in_use', detail: /more than 500 tenants/ } })
})

t.test('too many for one transaction are refused', async (t) => {
  const { id } = await s.aTenant()
  const role = await s.aRole({ tenant_id: id })
  await s.test_database.superuser(
    `with m as (
       insert into tenantry.memberships (tenant_id, id, user_id, status, properties, revision, created_at, updated_at)
       select $1, gen_random_uuid(), 'user_' || n, 'active', '{}', 1, now(), now() from generate_series(1, 10001) n returning id)
     insert into tenantry.membership_roles select $1, m.id, $2, $1 from m`,
    [id, role.id],
  )
  const answer = await s.root.delete(`/roles/${role.id}?remap_to=viewer`)
  t.match(answer, { status: 409, body: { code: 'role.in_use', detail: /More than 10000/ } })
})
