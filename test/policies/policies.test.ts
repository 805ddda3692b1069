// Policies as a resource: how they come, change and go, who may write them, and what is refused.
import t from 'tap'
import { eraseDueTenants } from '../../src/tenants/erasure.ts'
import { aService, type Caller, made } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
/** With a token of this moment: a policy that forbids makes those before it stale. */
const memberAs = async (role: string): Promise<() => Promise<Caller>> => {
  const { user_id } = await s.aMembership(tenant_id, { roles: [role] })
  return async () => s.as(await s.aToken(tenant_id, user_id))
}
const owner = await memberAs('owner')
const admin = await memberAs('admin')
const viewer = await memberAs('viewer')

const APPROVE = 'forbid (principal, action == Action::"invoice:approve", resource) when { context.amount > 1000 };'

const aPolicy = (input: object = {}) => s.aPolicy({ tenant_id, text: APPROVE, ...input })

const lastEvent = async () => made(await s.root.get(`/events?tenant_id=${tenant_id}&limit=200`)).data.at(-1)

t.test('a tenant’s admin writes a policy, changes it and deletes it, and the history tells its text', async (t) => {
  const input = { key: 'large-invoices', description: 'Ask Vera', text: APPROVE }
  const answer = await (await admin()).post('/policies', input)
  const known = { ...input, tenant_id, effect: 'forbid', actions: ['invoice:approve'], enabled: true }
  t.match(answer, { status: 201, body: known })
  const { id, revision } = answer.body
  t.equal(answer.headers.location, `/policies/${id}`)
  t.equal(answer.headers['tenantry-revision'], `${tenant_id}:${revision}`)
  const created = await lastEvent()
  t.match(created, { type: 'policy.created', data: { policy_id: id, key: input.key, text: APPROVE, effect: 'forbid' } })
  t.notMatch(JSON.stringify(created.data), 'Vera', 'a description is free text, and stays beside the history')
  t.match(await (await admin()).get(`/policies/${id}`), {
    status: 200,
    body: known,
    headers: { etag: `"${revision}"` },
  })

  const text = 'permit (principal in Role::"viewer", action in [Action::"invoice:*"], resource);'
  const changed = made(
    await (await admin()).patch(`/policies/${id}`, { text, enabled: false }, { 'if-match': `"${revision}"` }),
  )
  t.match(changed, { text, effect: 'permit', actions: ['invoice:*'], enabled: false })
  t.match(await lastEvent(), {
    type: 'policy.updated',
    data: { changed: ['text', 'enabled'], enabled: { from: true, to: false }, text: { from: APPROVE, to: text } },
  })
  t.equal(
    (await (await admin()).patch(`/policies/${id}`, { enabled: true }, { 'if-match': `"${revision}"` })).status,
    412,
  )
  const gone = await (await admin()).delete(`/policies/${id}`)
  t.equal(gone.status, 204)
  t.match(await lastEvent(), { type: 'policy.deleted', data: { policy_id: id, text } })
  t.match(await (await admin()).get(`/policies/${id}`), { status: 404, body: { code: 'policy.not_found' } })
})

t.test('saying what is so already changes nothing, and a key is there once', async (t) => {
  const policy = await aPolicy()
  const before = await s.dump()
  t.equal((await (await admin()).patch(`/policies/${policy.id}`, { enabled: true, text: APPROVE })).status, 200)
  const again = await (await admin()).post('/policies', { key: policy.key, text: APPROVE })
  t.match(again, { status: 409, body: { code: 'policy.key_taken' } })
  t.equal(await s.dump(), before)
})

t.test('shared policies are listed in every tenant, and the platform’s to write', async (t) => {
  const shared = made(await s.root.post('/policies', { key: 'for-all', text: APPROVE }))
  t.equal(shared.tenant_id, null)
  const other = await s.aTenant()
  t.match((await (await owner()).get('/policies?shared=true')).body.data, [{ key: 'for-all' }])
  t.match((await s.root.get(`/policies?tenant_id=${other.id}`)).body.data, [{ id: shared.id }])
  const refused = { status: 403, body: { code: 'scope.platform_only' } }
  t.match(await (await owner()).patch(`/policies/${shared.id}`, { enabled: false }), refused)
  t.match(await (await owner()).delete(`/policies/${shared.id}`), refused)
  t.equal((await s.root.delete(`/policies/${shared.id}`)).status, 204)
})

t.test('another tenant’s policy is not there', async (t) => {
  const other = await s.aTenant()
  const policy = await aPolicy({ tenant_id: other.id })
  const missing = { status: 404, body: { code: 'policy.not_found' } }
  for (const answer of [
    await (await owner()).get(`/policies/${policy.id}`),
    await (await owner()).patch(`/policies/${policy.id}`, { enabled: false }),
    await (await owner()).delete(`/policies/${policy.id}`),
  ]) {
    t.match(answer, missing)
  }
  t.notMatch((await (await owner()).get('/policies?limit=200')).text, policy.id)
})

t.test('nobody decides on what he does not hold: neither with a policy nor by taking one away', async (t) => {
  const beyond = { status: 403, body: { code: 'role.exceeds_own' } }
  const everything = 'permit (principal, action, resource);'
  t.match(await (await admin()).post('/policies', { key: 'all', text: everything }), beyond, 'admins lack billing')
  t.match(await (await viewer()).post('/policies', { key: 'all', text: everything }), {
    status: 403,
    body: { code: 'permission.missing' },
  })
  const of_billing = await aPolicy({ text: 'forbid (principal, action in [Action::"billing:*"], resource);' })
  t.match(await (await admin()).patch(`/policies/${of_billing.id}`, { enabled: false }), beyond)
  t.match(
    await (await admin()).patch(`/policies/${of_billing.id}`, { text: APPROVE }),
    beyond,
    'nor make another of it',
  )
  t.match(await (await admin()).delete(`/policies/${of_billing.id}`), beyond)
  const own = await aPolicy()
  const text = 'permit (principal, action == Action::"billing:read", resource);'
  t.match(await (await admin()).patch(`/policies/${own.id}`, { text }), beyond)
  t.equal((await (await owner()).delete(`/policies/${of_billing.id}`)).status, 204, 'an owner holds it')
  t.equal((await (await owner()).post('/policies', { key: 'all', text: everything, enabled: false })).status, 201)
})

t.test('rights that end give no policy, which does not', async (t) => {
  const { id } = await s.aMembership(tenant_id, {
    user_id: 'user_temp',
    roles: ['admin'],
    expires_at: s.instant(3_600),
  })
  const temporary = s.as(await s.aToken(tenant_id, 'user_temp'))
  t.match(await temporary.post('/policies', { key: 'temp', text: APPROVE }), {
    status: 403,
    body: { code: 'role.exceeds_own' },
  })
  t.equal((await s.root.delete(`/memberships/${id}`)).status, 204)
})

t.test('a provisioning key writes policies beyond its own rights, as it gives roles', async (t) => {
  const { secret } = await s.anApiKey({ permissions: ['tenantry.policy:manage', 'tenantry.role:assign_any'] })
  const text = 'permit (principal, action, resource) when { false };'
  t.equal((await s.as(secret).post('/policies', { tenant_id, key: 'provisioned', text })).status, 201)
})

const REFUSED: [text: string, why: RegExp][] = [
  ['permit (principal, action, resource) when { x y };', /^line 1, column 47: unexpected token `y`/],
  ['// über\npermit (principal, action, resource)\nwhen { "é" == };', /^line 3, column 15: unexpected token `}`/],
  ['permit (principal, action, resource); permit (principal, action, resource);', /unexpected token `permit`/],
  ['permit (principal == ?principal, action, resource);', /template/],
  ['permit (principal, action == Action::"tenantry.role:manage", resource);', /Tenantry's own/],
  ['permit (principal, action in [Action::"tenantry.*"], resource);', /Tenantry's own/],
  ['permit (principal, action == Action::"invoice", resource);', /no permission/],
  ['permit (principal, action == Action::"invoice:*", resource);', /action in/],
  ['permit (principal, action == App::Action::"invoice:read", resource);', /no permission/],
  ['permit (principal, action in [], resource);', /names no action/],
  ['permit (principal is Tenant, action, resource);', /principal is Tenant/],
  ['permit (principal == Role::"member", action, resource);', /principal ==/],
  ['permit (principal in User::"olga", action, resource);', /principal in/],
  ['permit (principal, action, resource == Resource::"invoice", );', /Resource::"invoice"|unexpected/],
  ['permit (principal, action, resource == Resource::"invoice");', /type and id/],
  ['permit (principal, action, resource in Resource::"invoice/1");', /Of resources/],
  ['permit (principal, action, resource is Invoice);', /Of resources/],
  ['permit (principal, action, resource) when { principal.level > 3 };', /principal has no "level"/],
  ['permit (principal, action, resource) when { resource has owner };', /resource has no "owner"/],
  ['permit (principal, action, resource) when { principal in Team::"x" };', /There is no Team/],
  ['permit (principal, action, resource) when { principal is Admin };', /There is no Admin/],
  ['permit (principal, action, resource) when { shout("x") };', /not a valid function/],
  [`permit (principal, action, resource) when { ${'('.repeat(5_000)}true${')'.repeat(5_000)} };`, /too deep/],
  [`permit (principal, action, resource) when { ${'true&&'.repeat(2_500)}true };`, /too deep/],
  [`permit (principal, action, resource) when { context${'.a'.repeat(4_000)} };`, /too deep/],
]

t.test('what is no policy is refused with the place and the reason, and the engine survives it', async (t) => {
  const before = await s.dump(tenant_id)
  for (const [text, why] of REFUSED) {
    const answer = await (await admin()).post('/policies', { key: 'odd', text })
    t.match(
      answer,
      { status: 422, body: { code: 'policy.invalid', errors: [{ pointer: '/text', detail: why }] } },
      text.slice(0, 90),
    )
  }
  t.equal(await s.dump(tenant_id), before)
  await aPolicy()
})

t.test('with a strict catalogue a policy names only what is in it; what it named before it may keep', async (t) => {
  const policy = await aPolicy()
  await s.root.put('/permissions', { strict: true, permissions: [{ key: 'invoice:read' }] })
  const unknown = { status: 422, body: { code: 'permission.unknown', errors: [{ pointer: '/text' }] } }
  t.match(await s.root.post('/policies', { tenant_id, key: 'odd', text: APPROVE }), unknown)
  const text = APPROVE.replace('1000', '2000')
  t.equal((await s.root.patch(`/policies/${policy.id}`, { text })).status, 200)
  await s.root.put('/permissions', { permissions: [] })
})

t.test('a tenant has so many policies and no more', async (t) => {
  const { id } = await s.aTenant()
  await s.test_database.superuser(
    `insert into tenantry.policies (history_id, id, key, description, text, effect, actions, reads_resource, enabled, revision,
       created_at, updated_at)
     select $1, gen_random_uuid(), 'policy-of-' || n, '', '', 'forbid', '{}', false, false, 1, now(), now() from generate_series(1, 99) n`,
    [id],
  )
  await aPolicy({ tenant_id: id })
  const refused = await s.root.post('/policies', { tenant_id: id, key: 'more', text: APPROVE })
  t.match(refused, { status: 409, body: { code: 'policy.too_many' } })
})

t.test('nor have they more than so much to say together', async (t) => {
  const { id } = await s.aTenant()
  const text = `${APPROVE} // ${'x'.repeat(16_000)}`
  const policies = []
  for (let each = 0; each < 8; each++) policies.push(await aPolicy({ tenant_id: id, text }))
  const refused = { status: 409, body: { code: 'policy.too_many' } }
  t.match(await s.root.post('/policies', { tenant_id: id, key: 'more', text }), refused)
  const [first] = policies
  t.equal((await s.root.patch(`/policies/${first?.id}`, { text: APPROVE })).status, 200)
  t.equal((await s.root.post('/policies', { tenant_id: id, key: 'more', text })).status, 201)
  t.match(await s.root.patch(`/policies/${first?.id}`, { text }), refused)
})

t.test('only the platform says whether a tenant’s policies believe what callers say', async (t) => {
  t.equal((await s.root.get(`/tenants/${tenant_id}`)).body.trust_caller_properties, false)
  const refused = await (await owner()).patch(`/tenants/${tenant_id}`, { trust_caller_properties: true })
  t.match(refused, { status: 403, body: { code: 'scope.platform_only' } })
  const trusting = await s.root.patch(`/tenants/${tenant_id}`, { trust_caller_properties: true })
  t.match(trusting, { status: 200, body: { trust_caller_properties: true } })
  t.match(await lastEvent(), { data: { trust_caller_properties: { from: false, to: true } } })
  t.equal((await s.aTenant({ trust_caller_properties: true })).trust_caller_properties, true)
})

t.test('the policies of a tenant go with it', async (t) => {
  const tenant = await s.aTenant()
  const policy = await aPolicy({ tenant_id: tenant.id, key: 'to-be-erased' })
  await s.root.delete(`/tenants/${tenant.id}`)
  s.advance(31 * 86_400)
  t.equal(await eraseDueTenants(s.service.database, s.now), 1)
  t.equal((await s.root.get(`/policies/${policy.id}`)).status, 404)
})
