// A user in a tenant: what a membership holds, how it ends, how it is found again, and the last owner.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { type Answer, aService } from '../support/service.ts'

const s = await aService(t)

const userIds = ({ body }: Answer): string[] => body.data.map(({ user_id }: { user_id: string }) => user_id)

t.test('a user is a member of a tenant once, and of many tenants', async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  const vera = { user_id: 'user_vera', email: 'vera@acme.example', display_name: 'Vera' }
  const first = await s.root.post('/memberships', { tenant_id: acme.id, ...vera })
  t.equal(first.status, 201)
  t.match(first.body, { tenant_id: acme.id, ...vera, roles: ['member'], status: 'active', expires_at: null })
  t.equal(first.headers.location, `/memberships/${first.body.id}`)
  t.equal(first.headers['tenantry-revision'], `${acme.id}:2`)
  const again = await s.root.post('/memberships', { tenant_id: acme.id, ...vera })
  t.match(again, { status: 409, body: { code: 'membership.exists' } })
  t.equal(await s.revisionOf(acme.id), 2, 'a refused write takes no revision')
  t.equal((await s.root.post('/memberships', { tenant_id: globex.id, ...vera })).status, 201)
  const { body } = await s.root.get('/memberships?user_id=user_vera')
  t.same(
    body.data.map((each: { tenant_id: string }) => each.tenant_id),
    [acme.id, globex.id],
  )
})

t.test('every field is stored as it was given, and changed alone', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const input = {
    ...{
      tenant_id,
      user_id: 'auth0|5f7c8ec7c33c6c004bbafe82 ÄÖ😀',
      roles: ['viewer', 'admin'],
      email: 'Vera@Acme.example',
    },
    ...{
      display_name: 'Vera Ž.',
      properties: { department: 'R&D', nested: { a: [1, null] } },
      expires_at: s.instant(3_600),
    },
  }
  const { body: made } = await s.root.post('/memberships', input)
  const at = s.now.toISOString()
  t.same(made, {
    ...input,
    id: made.id,
    roles: ['admin', 'viewer'],
    status: 'active',
    signed_out_at: null,
    created_at: at,
    updated_at: at,
    revision: 2,
  })
  s.advance(10)
  const changes: [string, unknown][] = [
    ['roles', ['member']],
    ['email', null],
    ['email', 'new@acme.example'],
    ['display_name', null],
    ['display_name', 'V'],
    ['properties', {}],
    ['expires_at', null],
    ['expires_at', s.instant(60)],
  ]
  let expected = made
  for (const [field, value] of changes) {
    const { status, body } = await s.root.patch(`/memberships/${made.id}`, { [field]: value })
    t.equal(status, 200, field)
    expected = { ...expected, [field]: value, updated_at: s.now.toISOString(), revision: expected.revision + 1 }
    t.same(body, expected, `${field}: ${JSON.stringify(value)}`)
  }
  t.same((await s.root.get(`/memberships/${made.id}`)).body, expected)
})

t.test('what is no membership is refused', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const wrong: [string, Record<string, unknown>][] = [
    ['a machine’s id for a user', { user_id: 'api_key:0197' }],
    ['no user', { user_id: '' }],
    ['too long a user', { user_id: 'x'.repeat(256) }],
    ['control characters', { user_id: 'a\nb' }],
    ['no roles', { roles: [] }],
    ['a role twice', { roles: ['viewer', 'viewer'] }],
    ['a role that is no key', { roles: ['Owner'] }],
    ['too many roles', { roles: Array.from({ length: 21 }, (_, i) => `r${i}`) }],
    ['no address', { email: 'vera' }],
    ['a state', { status: 'suspended' }],
    ['an end that is no time', { expires_at: 'tomorrow' }],
    ['an end without a zone', { expires_at: '2099-01-01T00:00:00' }],
    ['a day that does not exist', { expires_at: '2099-02-30T00:00:00Z' }],
    ['a blank name', { display_name: '   ' }],
    ['a name that turns the text around', { display_name: 'a\u202eb' }],
    ['null for properties', { properties: null }],
  ]
  for (const [name, more] of wrong) {
    const answer = await s.root.post('/memberships', { tenant_id, user_id: 'user_x', ...more })
    t.match(answer, { status: 400, body: { code: 'request.invalid' } }, name)
  }
  const unknown = await s.root.post('/memberships', {
    tenant_id,
    user_id: 'user_x',
    roles: ['viewer', 'king', 'queen'],
  })
  t.match(unknown, {
    status: 422,
    body: { code: 'role.unknown', errors: [{ pointer: '/roles/1' }, { pointer: '/roles/2' }] },
  })
  t.equal(await s.revisionOf(tenant_id), 1)
  t.match(await s.root.post('/memberships', { user_id: 'user_x' }), { status: 400, body: { code: 'tenant.required' } })
  t.match(await s.root.post('/memberships', { tenant_id: randomUUID(), user_id: 'user_x' }), {
    ...{ status: 404, body: { code: 'tenant.not_found' } },
  })
  t.equal(
    (await s.root.post('/memberships', { tenant_id: '00000000-0000-0000-0000-000000000000', user_id: 'x' })).status,
    404,
  )
})

t.test('an end lies in the future, whichever way RFC 3339 lets it be written', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const create = (user_id: string, expires_at: string): Promise<Answer> =>
    s.root.post('/memberships', { tenant_id, user_id, expires_at })
  t.equal((await create('zone', '2099-06-01T12:00:00+02:00')).body.expires_at, '2099-06-01T10:00:00.000Z')
  t.equal((await create('far', '2099-06-01T12:00:00-23:59')).body.expires_at, '2099-06-02T11:59:00.000Z')
  t.equal((await create('fine', '2099-06-01T12:00:00.123456789Z')).body.expires_at, '2099-06-01T12:00:00.123Z')
  for (const past of [
    s.now.toISOString(),
    s.instant(-0.001),
    '1970-01-01T00:00:00Z',
    '1990-12-31T23:59:60Z',
    '0000-01-01T00:00:00Z',
  ]) {
    const answer = await create('past', past)
    t.match(answer, { status: 422, body: { code: 'expires_at.past', errors: [{ pointer: '/expires_at' }] } }, past)
  }
  const { body } = await create('soon', s.instant(60))
  t.equal((await s.root.patch(`/memberships/${body.id}`, { expires_at: s.instant(0) })).status, 422)
})

t.test('a membership ends at its very millisecond', async (t) => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const member = await s.aMembership(tenant_id, { expires_at: s.instant(10), roles: ['admin'] })
  const caller = s.as(await s.aToken(tenant_id, member.user_id))
  const status = async (): Promise<string> => (await s.root.get(`/memberships/${member.id}`)).body.status
  s.advance(9.999)
  t.equal(await status(), 'active')
  t.equal((await caller.get('/memberships')).status, 401, 'a token counts in whole seconds, and rounds down')
  s.advance(0.001)
  t.equal(await status(), 'expired')
  t.same(userIds(await s.root.get(`/memberships?tenant_id=${tenant_id}&status=expired`)), [member.user_id])
  t.same(userIds(await s.root.get(`/memberships?tenant_id=${tenant_id}&status=active`)), ['user_olga'])
  const longer = await s.root.patch(`/memberships/${member.id}`, { expires_at: s.instant(10) })
  t.equal(longer.body.status, 'active', 'and comes back with a later end')
  await s.root.post(`/memberships/${member.id}/suspend`)
  s.advance(10)
  t.equal(await status(), 'suspended', 'suspended is more than ended')
})

t.test('suspension keeps the roles, and is repeatable', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const { id } = await s.aMembership(tenant_id, { roles: ['admin', 'viewer'] })
  const suspended = await s.root.post(`/memberships/${id}/suspend`, { reason: 'on leave' })
  t.match(suspended.body, { status: 'suspended', roles: ['admin', 'viewer'], revision: 3 })
  const again = await s.root.post(`/memberships/${id}/suspend`)
  t.same([again.status, again.body, again.headers['tenantry-revision']], [200, suspended.body, `${tenant_id}:3`])
  t.match((await s.root.post(`/memberships/${id}/reactivate`)).body, {
    status: 'active',
    roles: ['admin', 'viewer'],
    revision: 4,
  })
  t.match((await s.root.post(`/memberships/${id}/reactivate`)).headers, { 'tenantry-revision': `${tenant_id}:4` })
  t.equal(await s.revisionOf(tenant_id), 4)
})

t.test('a membership that is removed is gone, with its roles, and may be made anew', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const first = await s.aMembership(tenant_id, { user_id: 'user_vera', roles: ['admin'], email: 'vera@acme.example' })
  const answer = await s.root.delete(`/memberships/${first.id}`)
  t.equal(answer.status, 204)
  t.equal(answer.text, '')
  t.equal((await s.root.get(`/memberships/${first.id}`)).status, 404)
  t.equal((await s.root.delete(`/memberships/${first.id}`)).status, 404)
  t.notMatch(await s.dump(tenant_id), /membership_roles/)
  const second = await s.aMembership(tenant_id, { user_id: 'user_vera' })
  t.not(second.id, first.id)
  t.match(second, { roles: ['member'], email: null }, 'nothing of before comes back')
})

t.test('filters find by user, role, state and address, alone and together', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  await s.aMembership(tenant_id, { user_id: 'ada', roles: ['owner'], email: 'Ada@Acme.example' })
  await s.aMembership(tenant_id, { user_id: 'bob', roles: ['admin', 'viewer'], email: 'bob@acme.example' })
  const cyd = await s.aMembership(tenant_id, { user_id: 'cyd', roles: ['viewer'], expires_at: s.instant(5) })
  const dan = await s.aMembership(tenant_id, { user_id: 'dan', roles: ['viewer'] })
  await s.root.post(`/memberships/${dan.id}/suspend`)
  s.advance(5)
  t.equal(cyd.status, 'active')
  for (const [query, expected] of [
    ['', ['ada', 'bob', 'cyd', 'dan']],
    ['&user_id=bob', ['bob']],
    ['&user_id=BOB', []],
    ['&role=viewer', ['bob', 'cyd', 'dan']],
    ['&role=king', []],
    ['&status=active', ['ada', 'bob']],
    ['&status=suspended', ['dan']],
    ['&status=expired', ['cyd']],
    ['&email=ADA@acme.EXAMPLE', ['ada']],
    ['&email=ad_@acme.example', []],
    ['&role=viewer&status=active', ['bob']],
    ['&role=viewer&user_id=ada', []],
  ] as const) {
    t.same(userIds(await s.root.get(`/memberships?tenant_id=${tenant_id}${query}`)), expected, query)
  }
})

t.test('with a platform key a list spans all tenants, with a tenant’s it is the tenant’s own', async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  const one = await s.aMembership(acme.id, { user_id: 'user_everywhere' })
  const two = await s.aMembership(globex.id, { user_id: 'user_everywhere' })
  const ids = async (caller: typeof s.root): Promise<string[]> =>
    (await caller.get('/memberships?user_id=user_everywhere')).body.data.map(({ id }: { id: string }) => id)
  t.same(await ids(s.root), [one.id, two.id])
  t.same(await ids((await s.aMember(globex.id, 'admin')).caller), [two.id])
})

t.test('anybody leaves a tenant by himself, and reads his own membership', async (t) => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  for (const role of ['viewer', 'member', 'admin']) {
    const { caller, membership } = await s.aMember(tenant_id, role)
    t.equal((await caller.get(`/memberships/${membership.id}`)).status, 200, role)
    t.equal((await caller.delete(`/memberships/${membership.id}`)).status, 204, role)
    t.match(await caller.get(`/tenants/${tenant_id}`), { status: 401, body: { code: 'token.stale' } })
  }
})

t.test('a change that changes nothing makes no event', async (t) => {
  const { id: tenant_id, name } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const end = s.instant(3_600)
  const { id } = await s.aMembership(tenant_id, {
    roles: ['viewer', 'member'],
    expires_at: end,
    properties: { a: [1] },
  })
  const before = await s.dump(tenant_id)
  for (const same of [
    { roles: ['member', 'viewer'] },
    { email: null },
    { properties: { a: [1] } },
    { expires_at: end.replace('Z', '+00:00') },
  ]) {
    t.equal((await s.root.patch(`/memberships/${id}`, same)).status, 200)
  }
  t.equal((await s.root.patch(`/tenants/${tenant_id}`, { name, metadata: {} })).status, 200)
  t.equal(await s.dump(tenant_id), before)
})

t.test('an end that no year of four digits can hold is refused', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const input = { tenant_id, user_id: 'user_late', expires_at: '9999-12-31T23:59:59-23:59' }
  t.match(await s.root.post('/memberships', input), { status: 400, body: { errors: [{ pointer: '/expires_at' }] } })
})

t.test('somebody who was promoted since leaves with the token from before', async (t) => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const { caller, membership } = await s.aMember(tenant_id, 'viewer')
  await s.root.patch(`/memberships/${membership.id}`, { roles: ['viewer', 'admin'] })
  t.equal((await caller.delete(`/memberships/${membership.id}`)).status, 204)
})

// A tenant that has an owner keeps one: active, and without an end.

/** The five ways in which an owner could stop being one. */
const WAYS: Record<string, (id: string) => Promise<Answer>> = {
  'demoting the owner': (id) => s.root.patch(`/memberships/${id}`, { roles: ['admin'] }),
  'removing the owner': (id) => s.root.delete(`/memberships/${id}`),
  'suspending the owner': (id) => s.root.post(`/memberships/${id}/suspend`),
  'giving the owner an end': (id) => s.root.patch(`/memberships/${id}`, { expires_at: s.instant(3_600) }),
  'demoting the owner among other changes': (id) =>
    s.root.patch(`/memberships/${id}`, { roles: ['viewer', 'admin'], email: null, expires_at: null }),
}

const anOwner = (tenant_id: string, more = {}) => s.aMembership(tenant_id, { roles: ['owner'], ...more })

for (const [name, act] of Object.entries(WAYS)) {
  t.test(`${name} is refused while there is no other`, async (t) => {
    const { id: tenant_id } = await s.aTenant()
    const { id } = await anOwner(tenant_id)
    await s.aMembership(tenant_id, { roles: ['admin'] })
    const before = await s.dump(tenant_id)
    t.match(await act(id), { status: 409, body: { code: 'membership.last_owner' } })
    t.equal(await s.dump(tenant_id), before)
    await anOwner(tenant_id)
    t.ok((await act(id)).status < 300, 'and done when there is')
  })
}

t.test('the last owner does not leave either', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const { caller, membership } = await s.aMember(tenant_id, 'owner')
  t.match(await caller.delete(`/memberships/${membership.id}`), {
    status: 409,
    body: { code: 'membership.last_owner' },
  })
  t.match(await caller.patch(`/memberships/${membership.id}`, { roles: ['viewer'] }), { status: 409 })
  t.equal(
    (await caller.patch(`/memberships/${membership.id}`, { roles: ['owner', 'viewer'] })).status,
    200,
    'still an owner',
  )
  t.equal((await caller.patch(`/memberships/${membership.id}`, { display_name: 'Olga' })).status, 200)
})

t.test('owners who are suspended, have ended, or will end do not count', async (t) => {
  const others: Record<string, (tenant_id: string) => Promise<unknown>> = {
    suspended: async (tenant_id) => s.root.post(`/memberships/${(await anOwner(tenant_id)).id}/suspend`),
    'with an end': (tenant_id) => anOwner(tenant_id, { expires_at: s.instant(86_400) }),
    ended: async (tenant_id) => {
      await anOwner(tenant_id, { expires_at: s.instant(1) })
      s.advance(1)
    },
    'of another tenant': async () => anOwner((await s.aTenant()).id),
  }
  for (const [name, other] of Object.entries(others)) {
    const { id: tenant_id } = await s.aTenant()
    const { id } = await anOwner(tenant_id)
    await other(tenant_id)
    for (const [way, act] of Object.entries(WAYS)) t.equal((await act(id)).status, 409, `${name}: ${way}`)
  }
})

t.test('an owner who does not count may go, while the one who does stays', async (t) => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const suspended = await anOwner(tenant_id)
  await s.root.post(`/memberships/${suspended.id}/suspend`)
  t.equal((await s.root.delete(`/memberships/${suspended.id}`)).status, 204)
  const ending = await anOwner(tenant_id, { expires_at: s.instant(60) })
  t.equal((await s.root.patch(`/memberships/${ending.id}`, { roles: ['viewer'] })).status, 200)
})

t.test('a suspended last owner can be reactivated, or be followed by another', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const [one, two] = [await anOwner(tenant_id), await anOwner(tenant_id)]
  t.equal((await s.root.post(`/memberships/${one.id}/suspend`)).status, 200)
  t.equal((await s.root.post(`/memberships/${two.id}/suspend`)).status, 409)
  t.equal((await s.root.post(`/memberships/${one.id}/reactivate`)).status, 200)
  t.equal((await s.root.post(`/memberships/${two.id}/suspend`)).status, 200)
})

t.test('a tenant may begin without an owner, and the rule with the first one', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const admin = await s.aMembership(tenant_id, { roles: ['admin'] })
  t.equal((await s.root.delete(`/memberships/${admin.id}`)).status, 204)
  const { id } = await anOwner(tenant_id)
  t.equal((await s.root.delete(`/memberships/${id}`)).status, 409)
})
