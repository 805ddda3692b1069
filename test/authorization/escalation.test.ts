// The one rule against escalation, by attack: nobody gives, takes or keeps rights beyond his own, whichever way he tries.
import t, { type Test } from 'tap'
import { type Answer, aService, type Caller } from '../support/service.ts'

const s = await aService(t)
const acme = await s.aTenant({ owner: { user_id: 'user_olga', email: 'olga@acme.example' } })
const { id: tenant_id } = acme
const olga = (await s.root.get(`/memberships?tenant_id=${tenant_id}&user_id=user_olga`)).body.data[0]
const owner = await s.aMember(tenant_id, 'owner')
const admin = await s.aMember(tenant_id, 'admin')
const member = await s.aMember(tenant_id, 'member')
const viewer = await s.aMember(tenant_id, 'viewer')

/** Every one of these is refused with the code, and changes nothing at all. */
const refuses = async (
  t: Test,
  code: string | string[],
  tries: Record<string, () => Promise<Answer>>,
): Promise<void> => {
  const before = await s.dump()
  for (const [name, attempt] of Object.entries(tries)) {
    const answer = await attempt()
    t.equal(answer.status, 403, `${name}: ${answer.text}`)
    t.ok([code].flat().includes(answer.body.code), `${name}: ${answer.body.code}`)
  }
  t.equal(await s.dump(), before)
}

const aKeyOf = (caller: Caller, permissions: string[], more = {}): Promise<Answer> =>
  caller.post('/api-keys', { name: 'key', permissions, ...more })

t.test('an admin makes no owner, of anybody and by no way', async (t) => {
  await refuses(t, 'role.exceeds_own', {
    'a new owner': () => admin.caller.post('/memberships', { user_id: 'user_new', roles: ['owner'] }),
    'a new owner among other roles': () =>
      admin.caller.post('/memberships', { user_id: 'user_new', roles: ['viewer', 'owner'] }),
    himself: () => admin.caller.patch(`/memberships/${admin.membership.id}`, { roles: ['owner'] }),
    'himself, besides': () => admin.caller.patch(`/memberships/${admin.membership.id}`, { roles: ['admin', 'owner'] }),
    'a member': () => admin.caller.patch(`/memberships/${member.membership.id}`, { roles: ['owner'] }),
  })
})

t.test('an admin takes nothing from an owner, changes nothing about one, and does not speak for one', async (t) => {
  const at = `/memberships/${olga.id}`
  await refuses(t, 'role.exceeds_own', {
    demoting: () => admin.caller.patch(at, { roles: ['viewer'] }),
    'the same roles': () => admin.caller.patch(at, { roles: ['owner'] }),
    'changing the e-mail address': () => admin.caller.patch(at, { email: 'admin@acme.example' }),
    'changing the name': () => admin.caller.patch(at, { display_name: 'Nobody' }),
    'giving an end': () => admin.caller.patch(at, { expires_at: s.instant(60) }),
    suspending: () => admin.caller.post(`${at}/suspend`),
    removing: () => admin.caller.delete(at),
  })
})

t.test('an admin does not bring back somebody mightier, nor one who was', async (t) => {
  const suspended = await s.aMembership(tenant_id, { roles: ['owner'] })
  await s.root.post(`/memberships/${suspended.id}/suspend`)
  const expired = await s.aMembership(tenant_id, { roles: ['owner'], expires_at: s.instant(1) })
  s.advance(1)
  await refuses(t, 'role.exceeds_own', {
    'a suspended owner': () => admin.caller.post(`/memberships/${suspended.id}/reactivate`),
    'an expired owner': () => admin.caller.patch(`/memberships/${expired.id}`, { expires_at: null }),
    'removing a suspended owner': () => admin.caller.delete(`/memberships/${suspended.id}`),
  })
})

t.test('nobody has a token for another user minted but the keys that may', async (t) => {
  const tries = (caller: Caller) => ({
    'for an owner': () => caller.post('/tokens', { user_id: 'user_olga' }),
    'for himself': () => caller.post('/tokens', { user_id: owner.membership.user_id }),
  })
  await refuses(t, 'permission.missing', tries(admin.caller))
  await refuses(t, 'permission.missing', tries(owner.caller))
  const full = await s.anApiKey({ tenant_id, permissions: ['*', 'tenantry.*'] })
  await refuses(t, 'permission.missing', tries(s.as(full.secret)))
})

t.test('nobody makes a key beyond himself', async (t) => {
  await refuses(t, 'role.exceeds_own', {
    everything: () => aKeyOf(admin.caller, ['*']),
    'all of Tenantry': () => aKeyOf(admin.caller, ['tenantry.*']),
    'what admins may not': () => aKeyOf(admin.caller, ['billing:read']),
    'what admins may not, by a pattern': () => aKeyOf(admin.caller, ['*:read']),
    'what admins may not, hidden among others': () =>
      aKeyOf(admin.caller, ['invoice:read', 'billing:*'], { excludes: ['billing:read'] }),
    'too narrow an exclude': () =>
      aKeyOf(admin.caller, ['*', 'tenantry.*'], { excludes: ['billing:*', 'tenantry.tenant:delete'] }),
    'the deletion of the tenant': () => aKeyOf(admin.caller, ['tenantry.tenant:delete']),
    'the deletion of the tenant, long-lived': () =>
      aKeyOf(admin.caller, ['tenantry.tenant:delete'], { expires_at: s.instant(60) }),
    'for admins: issuing tokens': () => aKeyOf(admin.caller, ['tenantry.token:issue']),
    'for owners: issuing tokens': () => aKeyOf(owner.caller, ['tenantry.token:issue']),
    'for owners: assigning any role': () => aKeyOf(owner.caller, ['tenantry.role:assign_any']),
    'by name only among all': () => aKeyOf(owner.caller, ['*', 'tenantry.*', 'tenantry.role:assign_any']),
  })
  const excludes = ['billing:*', 'tenantry.tenant:delete', 'tenantry.ownership:transfer']
  t.equal((await aKeyOf(admin.caller, ['*', 'tenantry.*'], { excludes })).status, 201, 'exactly an admin’s rights')
  t.equal((await aKeyOf(admin.caller, ['invoice:*', 'tenantry.membership:read'])).status, 201)
})

t.test('a key makes no key with more than its own, and does not outdo its excludes', async (t) => {
  const made = await s.anApiKey({
    tenant_id,
    permissions: ['tenantry.api_key:manage', 'tenantry.membership:manage', 'invoice:*'],
    excludes: ['invoice:void'],
  })
  const key = s.as(made.secret)
  await refuses(t, 'role.exceeds_own', {
    'another permission': () => aKeyOf(key, ['order:read']),
    'without the exclude': () => aKeyOf(key, ['invoice:*']),
    'the excluded one': () => aKeyOf(key, ['invoice:void']),
    'all of Tenantry': () => aKeyOf(key, ['tenantry.*']),
    'assigning any role': () => aKeyOf(key, ['tenantry.role:assign_any']),
    'a member with more': () => key.post('/memberships', { user_id: 'user_new', roles: ['viewer'] }),
    'an owner': () => key.post('/memberships', { user_id: 'user_new', roles: ['owner'] }),
    'taking from a member': () => key.delete(`/memberships/${member.membership.id}`),
  })
  t.equal((await aKeyOf(key, ['invoice:*'], { excludes: ['invoice:void'] })).status, 201)
})

t.test('a key revokes no mightier key, but itself always', async (t) => {
  const mighty = await s.anApiKey({ tenant_id, permissions: ['*', 'tenantry.*'] })
  const weak = await s.anApiKey({ tenant_id, permissions: ['tenantry.api_key:manage'] })
  const issuing = await s.anApiKey({ tenant_id, permissions: ['tenantry.token:issue'] })
  await refuses(t, 'role.exceeds_own', {
    'by a key': () => s.as(weak.secret).delete(`/api-keys/${mighty.id}`),
    'by an admin': () => admin.caller.delete(`/api-keys/${mighty.id}`),
    'by an owner, who may not issue tokens': () => owner.caller.delete(`/api-keys/${issuing.id}`),
  })
  const hermit = await s.anApiKey({ tenant_id, permissions: ['tenantry.api_key:manage', 'tenantry.token:issue'] })
  t.equal((await s.as(hermit.secret).delete(`/api-keys/${hermit.id}`)).status, 204)
  t.equal((await owner.caller.delete(`/api-keys/${mighty.id}`)).status, 204)
})

t.test('a tenant’s key does not reach the platform by naming no tenant', async (t) => {
  const key = s.as(
    (await s.anApiKey({ tenant_id, permissions: ['*', 'tenantry.*', 'tenantry.role:assign_any'] })).secret,
  )
  const made = await aKeyOf(key, ['*', 'tenantry.*'])
  t.match(made, { status: 201, body: { tenant_id } }, 'what it makes is its tenant’s')
  const before = await s.dump()
  t.equal((await key.get('/tenants')).body.code, 'scope.platform_only')
  t.equal((await key.post('/tenants', { name: 'Mine' })).body.code, 'scope.platform_only')
  t.equal(await s.dump(), before)
  const { body } = await key.get('/api-keys?limit=200')
  t.ok(body.data.every((each: { tenant_id: string }) => each.tenant_id === tenant_id))
})

t.test('a platform key with few rights makes tenants, but not owners', async (t) => {
  const few = s.as((await s.anApiKey({ permissions: ['tenantry.tenant:create', 'tenantry.membership:manage'] })).secret)
  t.equal((await few.post('/tenants', { name: 'Plain', slug: 'plain' })).status, 201)
  await refuses(t, 'role.exceeds_own', {
    'with the tenant': () => few.post('/tenants', { name: 'Owned', slug: 'owned', owner: { user_id: 'user_me' } }),
    'after the tenant': () => few.post('/memberships', { tenant_id, user_id: 'user_me', roles: ['owner'] }),
  })
  t.equal((await s.root.get('/tenants?slug=owned')).body.data.length, 0, 'nor half of it')
  const provisioning = ['tenantry.tenant:create', 'tenantry.role:assign_any']
  const may = s.as((await s.anApiKey({ permissions: provisioning })).secret)
  t.equal((await may.post('/tenants', { name: 'Owned', slug: 'owned', owner: { user_id: 'user_me' } })).status, 201)
})

t.test('a platform key gives a platform key no more than it has', async (t) => {
  const weak = s.as((await s.anApiKey({ permissions: ['tenantry.api_key:manage', '*'] })).secret)
  await refuses(t, 'role.exceeds_own', {
    'all of Tenantry': () => aKeyOf(weak, ['tenantry.*']),
    'issuing tokens': () => aKeyOf(weak, ['tenantry.token:issue']),
    'in a tenant': () => aKeyOf(weak, ['tenantry.membership:manage'], { tenant_id }),
  })
  t.equal((await aKeyOf(weak, ['*', 'tenantry.api_key:manage'])).status, 201)
})

t.test('members and viewers manage nothing', async (t) => {
  for (const { caller } of [member, viewer]) {
    await refuses(t, 'permission.missing', {
      'the tenant': () => caller.patch(`/tenants/${tenant_id}`, { name: 'Mine' }),
      'its end': () => caller.delete(`/tenants/${tenant_id}`),
      'a new member': () => caller.post('/memberships', { user_id: 'user_new', roles: ['viewer'] }),
      himself: () => caller.patch(`/memberships/${viewer.membership.id}`, { display_name: 'Me' }),
      another: () => caller.delete(`/memberships/${olga.id}`),
      'a key': () => aKeyOf(caller, ['invoice:read']),
      'the members': () => caller.get('/memberships'),
      'the roles': () => caller.get('/roles'),
      'the events': () => caller.get('/events'),
      'the keys': () => caller.get('/api-keys'),
    })
    t.equal((await caller.get(`/tenants/${tenant_id}`)).status, 200)
  }
})

t.test('an admin manages whom he outranks, and what is the tenant’s', async (t) => {
  const { body: made } = await admin.caller.post('/memberships', {
    user_id: 'user_fresh',
    roles: ['admin'],
    email: 'fresh@acme.example',
  })
  t.same(made.roles, ['admin'])
  t.equal((await admin.caller.patch(`/memberships/${made.id}`, { roles: ['viewer'] })).status, 200)
  t.equal((await admin.caller.post(`/memberships/${made.id}/suspend`)).status, 200)
  t.equal((await admin.caller.post(`/memberships/${made.id}/reactivate`)).status, 200)
  t.equal((await admin.caller.delete(`/memberships/${made.id}`)).status, 204)
  t.equal((await admin.caller.patch(`/tenants/${tenant_id}`, { name: 'Acme, renamed' })).status, 200)
  await refuses(t, 'permission.missing', {
    'the end of the tenant': () => admin.caller.delete(`/tenants/${tenant_id}`),
  })
})

t.test('what was taken since a token was issued is gone at the next request, as it is offline', async (t) => {
  const { caller, membership } = await s.aMember(tenant_id, 'admin')
  t.equal((await caller.get('/memberships')).status, 200)
  await s.root.patch(`/memberships/${membership.id}`, { roles: ['viewer'] })
  const takeBack = (by: Caller) => by.patch(`/memberships/${membership.id}`, { roles: ['admin'] })
  const before = await s.dump()
  for (const answer of [await caller.get('/memberships'), await takeBack(caller)]) {
    t.match(answer, { status: 401, body: { code: 'token.stale' } })
  }
  t.equal(await s.dump(), before)
  const fresh = s.as(await s.aToken(tenant_id, membership.user_id))
  await refuses(t, 'permission.missing', {
    reading: () => fresh.get('/memberships'),
    'taking it back': () => takeBack(fresh),
  })
})

t.test('the tokens that a key asked for end with it, on our own API too', async (t) => {
  const { membership } = await s.aMember(tenant_id, 'admin')
  const issuing = { tenant_id, permissions: ['*', 'tenantry.*', 'tenantry.token:issue'] }
  for (const input of [issuing, { ...issuing, tenant_id: undefined }]) {
    const key = await s.anApiKey(JSON.parse(JSON.stringify(input)))
    const { body } = await s.as(key.secret).post('/tokens', { tenant_id, user_id: membership.user_id })
    const caller = s.as(body.access_token)
    t.equal((await caller.get('/memberships')).status, 200)
    t.equal((await s.root.delete(`/api-keys/${key.id}`)).status, 204)
    t.match(await caller.get('/memberships'), { status: 401, body: { code: 'token.stale' } })
  }
})

t.test('rights for a time do not make themselves last', async (t) => {
  const end = s.instant(3_600)
  const guest = await s.aMembership(tenant_id, { roles: ['admin'], expires_at: end })
  const other = await s.aMembership(tenant_id, { roles: ['viewer'] })
  const tempted = s.as(await s.aToken(tenant_id, guest.user_id))
  const key = await s.anApiKey({ permissions: ['*', 'tenantry.*'], expires_at: end })
  const platform = s.as(key.secret)
  await refuses(t, 'role.exceeds_own', {
    'clearing his own end': () => tempted.patch(`/memberships/${guest.id}`, { expires_at: null }),
    'moving his own end': () => tempted.patch(`/memberships/${guest.id}`, { expires_at: s.instant(3_601) }),
    'a member without an end': () => tempted.post('/memberships', { user_id: 'user_new' }),
    'a member with a later end': () =>
      tempted.post('/memberships', { user_id: 'user_new', expires_at: s.instant(3_601) }),
    'a role for somebody who stays': () => tempted.patch(`/memberships/${other.id}`, { roles: ['admin'] }),
    'a key without an end': () => aKeyOf(tempted, ['invoice:read']),
    'a key with a later end': () => aKeyOf(tempted, ['invoice:read'], { expires_at: s.instant(3_601) }),
    'a key from a key': () => aKeyOf(platform, ['invoice:read']),
    'an owner from a key': () => platform.post('/tenants', { name: 'X', owner: { user_id: 'user_new' } }),
  })
  t.equal((await tempted.patch(`/memberships/${other.id}`, { display_name: 'Vera' })).status, 200)
  t.equal((await tempted.patch(`/memberships/${other.id}`, { roles: ['admin'], expires_at: end })).status, 200)
  t.equal((await tempted.post('/memberships', { user_id: 'user_guest', expires_at: end })).status, 201)
  t.equal((await aKeyOf(tempted, ['invoice:read'], { expires_at: s.instant(3_599) })).status, 201)
  const provisioning = await s.anApiKey({ permissions: ['tenantry.*', 'tenantry.role:assign_any'], expires_at: end })
  const made = await s.as(provisioning.secret).post('/tenants', { name: 'X', owner: { user_id: 'user_new' } })
  t.equal(made.status, 201, 'a provisioning key may')
})

t.test('a token never grows: what was given since needs a fresh one', async (t) => {
  const { caller, membership } = await s.aMember(tenant_id, 'viewer')
  await s.root.patch(`/memberships/${membership.id}`, { roles: ['viewer', 'owner'] })
  await refuses(t, 'permission.missing', { reading: () => caller.get('/memberships') })
  const fresh = s.as(await s.aToken(tenant_id, membership.user_id))
  t.equal((await fresh.get('/memberships')).status, 200)
})

t.test('the token of somebody removed, suspended or expired is stale, and says so', async (t) => {
  const ends: Record<string, (id: string) => Promise<unknown>> = {
    removed: (id) => s.root.delete(`/memberships/${id}`),
    suspended: (id) => s.root.post(`/memberships/${id}/suspend`),
    expired: async (id) => {
      await s.root.patch(`/memberships/${id}`, { expires_at: s.instant(10) })
      s.advance(10)
    },
  }
  for (const [name, end] of Object.entries(ends)) {
    const { caller, membership } = await s.aMember(tenant_id, 'admin')
    t.equal((await caller.get('/memberships')).status, 200, name)
    await end(membership.id)
    const answer = await caller.get('/memberships')
    t.match(answer, { status: 401, body: { code: 'token.stale' } }, name)
    t.match(answer.headers['www-authenticate'], /^Bearer realm="tenantry", .*error="invalid_token"$/)
  }
})

t.test('somebody who was removed and came back does not come back with the old token', async (t) => {
  const { caller, membership } = await s.aMember(tenant_id, 'admin')
  await s.root.delete(`/memberships/${membership.id}`)
  await s.aMembership(tenant_id, { user_id: membership.user_id, roles: ['admin'] })
  t.equal((await caller.get('/memberships')).body.code, 'token.stale')
})

t.test('a token for another audience opens nothing here', async (t) => {
  const elsewhere = s.as(await s.aToken(tenant_id, 'user_olga', { audience: 'https://invoices.example' }))
  t.match(await elsewhere.get('/memberships'), { status: 401, body: { code: 'token.invalid' } })
})

t.test('e-mail addresses show to those who manage members, and to oneself', async (t) => {
  const reader = s.as((await s.anApiKey({ tenant_id, permissions: ['tenantry.membership:read'] })).secret)
  const manager = s.as(
    (await s.anApiKey({ tenant_id, permissions: ['tenantry.membership:read', 'tenantry.membership:manage'] })).secret,
  )
  const self = await s.aMembership(tenant_id, { user_id: 'user_self', email: 'self@acme.example', roles: ['viewer'] })
  const selfCaller = s.as(await s.aToken(tenant_id, 'user_self'))
  t.equal((await selfCaller.get(`/memberships/${self.id}`)).body.email, 'self@acme.example')
  t.equal((await selfCaller.get(`/memberships/${olga.id}`)).status, 403)
  t.equal((await manager.get(`/memberships/${self.id}`)).body.email, 'self@acme.example')
  t.equal((await reader.get(`/memberships/${self.id}`)).body.email, null)
  t.notMatch((await reader.get('/memberships?limit=200')).text, '@acme.example')
  t.match((await manager.get('/memberships?limit=200')).text, 'olga@acme.example')
  await refuses(t, 'permission.missing', {
    'guessing an address': () => reader.get('/memberships?email=olga@acme.example'),
    'guessing one that is not there': () => reader.get('/memberships?email=nobody@acme.example'),
  })
  t.equal((await manager.get('/memberships?email=OLGA@acme.example')).body.data[0].user_id, 'user_olga')
})
