// The catalogue of the product's permissions, and what it means for roles, decisions, tokens and verifiers.
import { holds } from '@tenantry/client'
import t from 'tap'
import { aService, made } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const owner = await s.aMember(tenant_id, 'owner')
const admin = await s.aMember(tenant_id, 'admin')

type Entry = { key: string; description?: string; wildcard?: boolean; acr?: string | null; max_age?: number | null }
const READ: Entry = { key: 'invoice:read' }
const WRITE: Entry = { key: 'invoice:write' }
const ACT_AS: Entry = { key: 'support:impersonate', wildcard: false }

const put = (permissions: Entry[], strict = false, by = s.root) => by.put('/permissions', { permissions, strict })
const tokenOf = ({ membership: { user_id } }: { membership: { user_id: string } }): Promise<string> =>
  s.aToken(tenant_id, user_id)
const fresh = async (user_id: string): Promise<{ permissions: string[]; grants: []; rev: Record<string, number> }> =>
  JSON.parse(Buffer.from((await s.aToken(tenant_id, user_id)).split('.')[1] ?? '', 'base64url').toString())

const decide = async (subject: { type: string; id: string }, permission: string): Promise<boolean> => {
  const [type, name] = permission.split(':')
  const context = { tenant_id }
  const asked = { subject, action: { name }, resource: { type, id: 'x' }, context }
  return (await s.root.post('/access/v1/evaluation', asked)).body.decision
}
const may = (user_id: string, permission: string): Promise<boolean> => decide({ type: 'user', id: user_id }, permission)

const revokedTenantAt = async (): Promise<number | undefined> => {
  const [, payload = ''] = (await s.root.get('/revocations')).text.split('.')
  const { entries } = JSON.parse(Buffer.from(payload, 'base64url').toString())
  return entries.find(({ history, target }: Record<string, string>) => history === 'platform' && target === 'tenant')
    ?.rev
}

t.test('there is none at first, and tokens spell nothing out', async (t) => {
  const answer = await s.root.get('/permissions')
  t.same(answer.body, { permissions: [], strict: false, warnings: [], truncated: false, updated_at: null, revision: 0 })
  t.equal(answer.headers.etag, '"0"')
  t.same((await fresh(owner.membership.user_id)).permissions, [])
})

t.test('it is put as a whole, with its tag, and every tenant reads it', async (t) => {
  const full = { key: 'invoice:pay', description: 'Pay it', wildcard: true, acr: 'urn:mfa', max_age: 300 }
  const answer = await s.root.put('/permissions', { permissions: [READ, full] }, { 'if-match': '"0"' })
  t.match(answer, { status: 200, body: { strict: false } })
  t.same(answer.body.permissions, [
    { key: 'invoice:read', description: '', wildcard: true, acr: null, max_age: null },
    full,
  ])
  t.match(answer.headers['tenantry-revision'], `platform:${answer.body.revision}`)
  const [anAdmin, anOwner] = [s.as(await tokenOf(admin)), s.as(await tokenOf(owner))] // what demands a login made theirs stale
  t.same((await anAdmin.get('/permissions')).body, answer.body)
  t.match(await put([READ], false, anOwner), { status: 403, body: { code: 'scope.platform_only' } })
  const stale = await s.root.put('/permissions', { permissions: [] }, { 'if-match': '"0"' })
  t.match(stale, { status: 412 })
  const before = await s.dump()
  t.equal((await put([READ, full])).status, 200)
  t.equal(await s.dump(), before, 'what is so already changes nothing')
  t.same((await fresh(owner.membership.user_id)).permissions, ['invoice:read'], 'of the other only the check can tell')
})

t.test('it warns of what nobody below an admin has', async (t) => {
  const { body } = await put([READ, { key: 'invoice:approve' }, { key: 'billing:read' }, ACT_AS])
  t.same(
    body.warnings.map(({ key }: Entry) => key),
    ['invoice:approve', 'billing:read', 'support:impersonate'],
  )
})

t.test('Tenantry’s own permissions are no product’s, and a key is there once', async (t) => {
  const before = await s.dump()
  for (const key of ['tenantry.tenant:read', 'tenantry:x']) {
    t.match(await put([{ key }]), {
      status: 422,
      body: { code: 'permission.invalid', errors: [{ pointer: '/permissions/0/key' }] },
    })
  }
  t.match(await put([READ, WRITE, READ]), { status: 422, body: { errors: [{ pointer: '/permissions/2/key' }] } })
  for (const key of ['invoice', 'invoice:*', '*', 'Invoice:read', '']) t.equal((await put([{ key }])).status, 400, key)
  t.equal(await s.dump(), before)
})

t.test('what wildcards do not grant is held by its name only: in a check, in a token, by a key', async (t) => {
  await put([READ, WRITE, ACT_AS])
  const { user_id } = owner.membership
  const agent = await s.aRole({ tenant_id, permissions: ['*:read', 'support:impersonate'] })
  const named = await s.aMembership(tenant_id, { roles: [agent.key] })
  const key = await s.anApiKey({ tenant_id, permissions: ['*'] })
  const named_key = await s.anApiKey({ tenant_id, permissions: ['support:*', 'support:impersonate'] })
  const ids = { user: user_id, named: named.user_id }
  t.same([await may(ids.user, 'support:impersonate'), await may(ids.user, 'invoice:write')], [false, true])
  t.same([await may(ids.named, 'support:impersonate'), await may(ids.named, 'invoice:write')], [true, false])
  t.equal(await decide({ type: 'api_key', id: key.id }, 'support:impersonate'), false)
  t.equal(await decide({ type: 'api_key', id: named_key.id }, 'support:impersonate'), true)

  const [of_owner, of_agent] = [await fresh(ids.user), await fresh(ids.named)]
  t.same(of_owner.permissions, ['invoice:read', 'invoice:write'])
  t.same(of_agent.permissions, ['invoice:read', 'support:impersonate'])
  t.equal(holds(of_owner.grants, 'support:impersonate'), false, 'offline too')
  t.equal(holds(of_agent.grants, 'support:impersonate'), true)

  const machine = await s.stranger.call(
    ...(['POST', '/oauth/token'] as const),
    new URLSearchParams({
      ...{ grant_type: 'client_credentials', client_id: key.id, client_secret: key.secret },
      audience: 'https://invoices.example',
    }).toString(),
    { 'content-type': 'application/x-www-form-urlencoded' },
  )
  const claims = JSON.parse(Buffer.from(made(machine).access_token.split('.')[1], 'base64url').toString())
  t.same(claims.permissions, ['invoice:read', 'invoice:write'])
  t.equal(holds(claims.grants, 'support:impersonate'), false)
})

t.test('nobody gives by its name what he holds by a wildcard, which does not grant it', async (t) => {
  await put([READ, WRITE, ACT_AS])
  const fine = await owner.caller.post('/roles', { key: 'fine', name: 'Fine', permissions: ['*'] })
  t.equal(fine.status, 401, 'a token from before is stale')
  const caller = s.as(await s.aToken(tenant_id, owner.membership.user_id))
  const role = { key: 'agent', name: 'Agent', permissions: ['support:impersonate'] }
  t.match(await caller.post('/roles', role), { status: 403, body: { code: 'role.exceeds_own' } })
  const key = { name: 'agent', permissions: ['support:impersonate'] }
  t.match(await caller.post('/api-keys', key), { status: 403, body: { code: 'role.exceeds_own' } })
  t.equal((await caller.post('/roles', { ...role, permissions: ['*'] })).status, 201, 'a wildcard is no more than his')
  t.equal((await caller.post('/issuers', { issuer: 'https://own.example', audiences: ['app'] })).status, 201)
  t.equal((await caller.post('/memberships', { user_id: 'user_second', roles: ['owner'] })).status, 201)
})

t.test('a permission that wildcards grant no longer makes every token stale once; anything else none', async (t) => {
  await put([READ, ACT_AS])
  const [token, before] = [await s.aToken(tenant_id, owner.membership.user_id), await revokedTenantAt()]
  await put([READ, WRITE, ACT_AS])
  await put([WRITE, ACT_AS], true)
  await put([WRITE])
  t.equal(await revokedTenantAt(), before)
  t.equal((await s.as(token).get('/roles')).status, 200)
  const { body } = await put([WRITE, ACT_AS])
  t.equal(await revokedTenantAt(), body.revision)
  t.match(await s.as(token).get('/roles'), { status: 401, body: { code: 'token.stale' } })
  const again = await s.aToken(tenant_id, owner.membership.user_id)
  t.equal((await s.as(again).get('/roles')).status, 200)
})

t.test('who changes what wildcards grant must hold it', async (t) => {
  await put([READ, ACT_AS])
  const by = async (permissions: string[]) => s.as((await s.anApiKey({ permissions })).secret)
  const [plain, all] = [await by(['tenantry.permission:manage']), await by(['tenantry.permission:manage', '*'])]
  const named = await by(['tenantry.permission:manage', 'support:impersonate'])
  t.equal((await put([READ, WRITE, ACT_AS], false, plain)).status, 200, 'words alone are everybody’s')
  const before = await s.dump()
  const beyond = { status: 403, body: { code: 'role.exceeds_own' } }
  t.match(await put([READ, WRITE, ACT_AS, { key: 'invoice:void', wildcard: false }], false, plain), beyond)
  t.match(await put([READ, WRITE], false, all), beyond, 'it does not hold it, being by name only')
  t.equal(await s.dump(), before)
  t.equal((await put([READ, WRITE], false, named)).status, 200)
  t.equal((await put([READ, WRITE, ACT_AS], false, all)).status, 200, 'taking what it holds')
})

t.test('a strict catalogue lets nothing unknown into a role, and leaves what is there', async (t) => {
  const old = await s.aRole({ tenant_id, permissions: ['legacy:run', 'invoice:read'] })
  const { body } = await put([READ, WRITE], true)
  t.match(
    body.warnings.find(({ key }: Entry) => key === 'legacy:run'),
    { detail: /One role names/ },
  )
  const role = { tenant_id, key: 'strict', name: 'Strict', permissions: ['invoice:read'] }
  for (const [lists, pointer] of [
    [{ permissions: ['invoice:read', 'invioce:read'] }, '/permissions/1'],
    [{ permissions: ['invioce:*'] }, '/permissions/0'],
    [{ permissions: ['*:run'] }, '/permissions/0'],
    [{ permissions: ['*'], excludes: ['billing:*'] }, '/excludes/0'],
  ] as const) {
    const refused = { status: 422, body: { code: 'permission.unknown', errors: [{ pointer }] } }
    t.match(await s.root.post('/roles', { ...role, ...lists }), refused)
  }
  const fine = {
    ...role,
    permissions: ['*', '*:read', 'invoice:*', 'invoice:write', 'tenantry.*', 'tenantry.role:read'],
  }
  t.equal((await s.root.post('/roles', fine)).status, 201)
  t.equal(
    (await s.root.patch(`/roles/${old.id}`, { permissions: ['legacy:run'] })).status,
    200,
    'what it had it may keep',
  )
  t.equal((await s.root.patch(`/roles/${old.id}`, { permissions: ['legacy:run', 'legacy:stop'] })).status, 422)
  t.equal((await put([READ], false)).body.warnings.length, 0, 'where it is not strict nobody need know the words')
})

t.test('a tenant is told of its own roles only', async (t) => {
  const other = await s.aTenant()
  await s.aRole({ tenant_id: other.id, permissions: ['secret:thing'] })
  await put([READ, WRITE], true)
  const caller = s.as(await s.aToken(tenant_id, admin.membership.user_id))
  t.match((await s.root.get('/permissions')).text, 'secret:thing')
  t.notMatch((await caller.get('/permissions')).text, 'secret:thing')
  await put([READ, WRITE])
})

t.test('a dry run names concrete permissions', async (t) => {
  await put([READ, WRITE, ACT_AS])
  const role = await s.aRole({ tenant_id, permissions: ['invoice:read'] })
  const { user_id } = await s.aMembership(tenant_id, { roles: [role.key] })
  const { body } = await s.root.patch(`/roles/${role.id}?dry_run=true`, { permissions: ['*:write', 'support:*'] })
  t.same(body.changes, [{ tenant_id, user_id, gains: ['invoice:write'], loses: ['invoice:read'] }])
})

t.test('a token with too much to spell out says it by its grants alone', async (t) => {
  const many = Array.from({ length: 400 }, (_, index) => ({ key: `resource-${index}:read` }))
  await put([ACT_AS, ...many])
  const token = await fresh(owner.membership.user_id)
  t.same(token.permissions, [])
  t.ok(holds(token.grants, 'resource-399:read'))
})

t.test('its events name what came and went', async (t) => {
  await put([READ])
  await put([WRITE, ACT_AS], true)
  const [row] = await s.test_database.superuser(
    `select type, data from tenantry.events where type = 'catalogue.replaced' order by revision desc limit 1`,
  )
  t.same(row?.data, {
    ...{ added: ['invoice:write', 'support:impersonate'], removed: ['invoice:read'] },
    ...{ by_name: ['support:impersonate'], step_up: [], strict: true },
  })
})

t.test('who got a permission while wildcards reached it is not thereby out of an owner’s reach', async (t) => {
  await put([READ])
  const { id } = await s.aTenant({ owner: { user_id: 'olga' } })
  const adam = await s.aMembership(id, { user_id: 'adam', roles: ['admin'] })
  const as = async (user_id: string) => s.as(await s.aToken(id, user_id))
  const role = made(await (await as('adam')).post('/roles', { key: 'sneaky', name: 'S', permissions: ['money:move'] }))
  made(await (await as('adam')).patch(`/memberships/${adam.id}`, { roles: ['admin', 'sneaky'] }))
  const { body } = await put([READ, { key: 'money:move', wildcard: false }])
  t.match(
    body.warnings.filter(({ key }: { key: string }) => key === 'money:move'),
    [{}, { detail: /^1 of the tenants' own roles and API keys/ }],
    'the platform is told',
  )
  const olga = await as('olga')
  made(await olga.post(`/memberships/${adam.id}/sign-out`))
  made(await olga.post(`/memberships/${adam.id}/suspend`))
  made(await olga.post(`/memberships/${adam.id}/reactivate`))
  made(await olga.patch(`/memberships/${adam.id}`, { roles: ['admin'] }))
  made(await olga.patch(`/roles/${role.id}`, { permissions: ['money:look'] }))
  t.match(
    await olga.patch(`/roles/${role.id}`, { permissions: ['money:move'] }),
    { status: 403, body: { code: 'role.exceeds_own' } },
    'what she has not herself she does not give',
  )
  t.equal((await olga.delete(`/memberships/${adam.id}`)).status, 204)
})
