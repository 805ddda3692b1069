// What policies make of decisions: over HTTP, with what is stored and what is said, and by whoever tries to get round them.
import t from 'tap'
import { aService, type Caller, made } from '../support/service.ts'

const s = await aService(t)

interface Asked {
  user?: string
  subject?: object
  permission: string
  id?: string
  context?: object
  properties?: object
  caller?: Caller
}

/** A tenant with an owner, a member and a viewer, and what asks about them. */
const aPlace = async (input: object = {}) => {
  const { id: tenant_id } = await s.aTenant(input)
  for (const role of ['owner', 'member', 'viewer']) {
    await s.aMembership(tenant_id, { user_id: role, roles: [role], properties: { level: role.length, team: 'red' } })
  }
  const evaluate = async ({ user = 'member', subject, permission, id = '1', context, properties, caller }: Asked) => {
    const [type, name] = permission.split(':')
    return made(
      await (caller ?? s.root).post('/access/v1/evaluation', {
        ...{ subject: { type: 'user', id: user, ...subject }, action: { name } },
        ...{
          resource: { type, id, ...(properties && { properties }) },
          context: { explain: true, tenant_id, ...context },
        },
      }),
    )
  }
  return {
    tenant_id,
    evaluate,
    may: async (asked: Asked): Promise<boolean> => (await evaluate(asked)).decision,
    code: async (asked: Asked): Promise<string> => (await evaluate(asked)).context.reason.code,
    policy: (text: string, more: object = {}) => s.aPolicy({ tenant_id, text, ...more }),
    resource: (type: string, id: string, stored: object) =>
      s.root.put(`/resources/${type}/${id}?tenant_id=${tenant_id}`, { properties: stored }),
  }
}

t.test('a permit allows what no role grants, and says which policy it was', async (t) => {
  const place = await aPlace()
  t.equal(await place.code({ permission: 'invoice:approve' }), 'no_role_grants')
  const { id, key } = await place.policy(
    'permit (principal in Role::"member", action == Action::"invoice:approve", resource) when { context.amount < 100 };',
  )
  t.match(await place.evaluate({ permission: 'invoice:approve', context: { amount: 99 } }), {
    decision: true,
    context: { reason: { code: 'permitted_by_policy', policy_id: id, policy_key: key } },
  })
  t.equal(await place.may({ permission: 'invoice:approve', context: { amount: 100 } }), false)
  t.equal(await place.may({ user: 'viewer', permission: 'invoice:approve', context: { amount: 1 } }), false)
  t.equal(await place.may({ permission: 'report:approve', context: { amount: 1 } }), false, 'another action')
  const undecided = await place.evaluate({ permission: 'invoice:approve' })
  t.match(undecided.context.reason, { code: 'no_role_grants', policy_errors: [{ policy_key: key, detail: /amount/ }] })
})

t.test('a forbid turns down what roles grant, for owners too, and one that cannot be decided forbids', async (t) => {
  const place = await aPlace()
  const { id, key } = await place.policy(
    'forbid (principal, action in [Action::"invoice:*"], resource) when { context.amount > 1000 };',
  )
  const pay = { user: 'owner', permission: 'invoice:pay' }
  t.equal(await place.may({ ...pay, context: { amount: 1 } }), true)
  const forbidden = { code: 'forbidden_by_policy', policy_id: id, policy_key: key }
  t.match((await place.evaluate({ ...pay, context: { amount: 2_000 } })).context.reason, forbidden)
  for (const context of [{}, { amount: 'much' }, { amount: null }, { amount: 10.5 }, { amount: { __extn: 1 } }]) {
    t.match(
      (await place.evaluate({ ...pay, context })).context.reason,
      { ...forbidden, detail: /./ },
      JSON.stringify(context),
    )
  }
  t.equal(await place.may({ user: 'owner', permission: 'report:read' }), true)
  t.equal(
    await place.code({ user: 'nobody', permission: 'invoice:pay' }),
    'not_a_member',
    'denials by the subject stand',
  )
})

t.test('forbid wins over permit, whichever is shared, and one that is not enabled decides nothing', async (t) => {
  const place = await aPlace()
  const all = 'action == Action::"door:open", resource);'
  await place.policy(`permit (principal, ${all}`)
  t.equal(await place.may({ permission: 'door:open' }), true)
  const shared = await s.aPolicy({ text: `forbid (principal, ${all}` })
  t.equal(await place.code({ permission: 'door:open' }), 'forbidden_by_policy')
  await s.root.patch(`/policies/${shared.id}`, { enabled: false })
  t.equal(await place.may({ permission: 'door:open' }), true)
  await s.root.delete(`/policies/${shared.id}`)
})

t.test('policies never reach Tenantry’s own permissions', async (t) => {
  const place = await aPlace()
  await place.policy('permit (principal, action, resource);')
  t.equal(await place.may({ user: 'viewer', permission: 'anything:anything' }), true)
  for (const permission of ['tenantry.role:manage', 'tenantry.role:assign_any', 'tenantry.token:issue']) {
    t.equal(await place.may({ user: 'viewer', permission }), false, permission)
  }
  const viewer = s.as(await s.aToken(place.tenant_id, 'viewer'))
  t.equal((await viewer.get('/policies')).status, 403)
  const other = await aPlace()
  await other.policy('forbid (principal, action, resource);')
  t.equal(await other.may({ user: 'owner', permission: 'tenantry.role:manage' }), true)
})

t.test('what goes by name only is permitted by no policy that does not name it, and forbidden by any', async (t) => {
  await s.root.put('/permissions', { permissions: [{ key: 'vault:open', wildcard: false }] })
  const place = await aPlace()
  const permission = 'vault:open'
  for (const action of ['action', 'action in [Action::"vault:*"]', 'action in [Action::"*:open", Action::"*"]']) {
    await place.policy(`permit (principal, ${action}, resource);`)
  }
  t.equal(await place.may({ permission }), false)
  t.equal(await place.may({ permission: 'vault:look' }), true)
  await place.policy('permit (principal, action == Action::"vault:open", resource);')
  t.equal(await place.may({ permission }), true)
  await place.policy('forbid (principal, action in [Action::"*:open"], resource);')
  t.equal(await place.may({ permission }), false)
  await s.root.put('/permissions', { permissions: [] })
})

t.test('what is stored of member and resource is looked at as it is at that moment', async (t) => {
  const place = await aPlace()
  await place.policy(
    `permit (principal is User, action == Action::"invoice:void", resource)
     when { principal.properties.team == resource.properties.team && principal.properties.level >= resource.properties.level };`,
  )
  const ask = { permission: 'invoice:void', id: 'a/1' }
  t.equal(await place.may(ask), false, 'not registered')
  await place.resource('invoice', 'a%2F1', { team: 'red', level: 6 })
  t.equal(await place.may(ask), true)
  t.equal(await place.may({ ...ask, id: 'a' }), false)
  await place.resource('invoice', 'a%2F1', { team: 'blue', level: 6 })
  t.equal(await place.may(ask), false)
  const [member] = (await s.root.get(`/memberships?tenant_id=${place.tenant_id}&user_id=member`)).body.data
  await s.root.patch(`/memberships/${member.id}`, { properties: { team: 'blue', level: 6 } })
  t.equal(await place.may(ask), true)
  await s.root.delete(`/resources/invoice/a%2F1?tenant_id=${place.tenant_id}`)
  t.equal(await place.may(ask), false)
})

t.test('a policy knows roles held through groups and for a time, groups by their id, and keys', async (t) => {
  const place = await aPlace()
  const { tenant_id } = place
  const group = await s.aGroup(tenant_id, { roles: ['admin'] })
  const [viewer] = (await s.root.get(`/memberships?tenant_id=${tenant_id}&user_id=viewer`)).body.data
  await place.policy('permit (principal in Role::"admin", action == Action::"billing:a", resource);')
  await place.policy(`permit (principal in Group::"${group.id}", action == Action::"billing:b", resource);`)
  await place.policy(
    'permit (principal, action == Action::"billing:c", resource) when { principal.roles.contains("admin") };',
  )
  const key = await s.anApiKey({ tenant_id, permissions: ['invoice:read'] })
  await place.policy(`permit (principal == ApiKey::"${key.id}", action == Action::"billing:d", resource);`)
  const all = () =>
    Promise.all(['a', 'b', 'c'].map((each) => place.may({ user: 'viewer', permission: `billing:${each}` })))
  t.same(await all(), [false, false, false])
  await s.root.put(`/groups/${group.id}/members/${viewer.id}`)
  t.same(await all(), [true, true, true])
  await s.root.delete(`/groups/${group.id}/members/${viewer.id}`)
  t.same(await all(), [false, false, false])
  await s.aGrant(tenant_id, { membership_id: viewer.id, role: 'admin', resource: null, expires_at: s.instant(60) })
  t.same(await all(), [true, false, true])
  s.advance(61)
  t.same(await all(), [false, false, false])
  await s.aGrant(tenant_id, { membership_id: viewer.id, role: 'admin', resource: { type: 'billing', id: '7' } })
  t.equal(await place.may({ user: 'viewer', permission: 'billing:a', id: '7' }), true)
  t.equal(await place.may({ user: 'viewer', permission: 'billing:a', id: '8' }), false)
  t.equal(await place.may({ subject: { type: 'api_key', id: key.id }, permission: 'billing:d' }), true)
  t.equal(await place.may({ user: key.id, permission: 'billing:d' }), false, 'a user of that name is another')
})

t.test('time is the service’s, and what a caller says of it does not count', async (t) => {
  const place = await aPlace()
  const end = s.instant(60)
  await place.policy(
    `permit (principal, action == Action::"sale:join", resource) when { context.now < datetime("${end}") };`,
  )
  const early = { now: '1970-01-01T00:00:00Z', ...{ '': 1 } }
  t.equal(await place.may({ permission: 'sale:join', context: early }), true)
  s.advance(61)
  t.equal(await place.may({ permission: 'sale:join', context: early }), false)
})

t.test(
  'properties that a caller says count only where the platform lets them, and never before what is stored',
  async (t) => {
    const place = await aPlace()
    await place.policy('permit (principal, action == Action::"a:do", resource) when { resource.properties.open };')
    await place.policy('permit (principal, action == Action::"b:do", resource) when { principal.properties.chief };')
    const a = { permission: 'a:do', properties: { open: true } }
    const b = { permission: 'b:do', subject: { properties: { chief: true, level: 99 } } }
    t.same([await place.may(a), await place.may(b)], [false, false])
    await s.root.patch(`/tenants/${place.tenant_id}`, { trust_caller_properties: true })
    t.same([await place.may(a), await place.may(b)], [true, true])
    await place.resource('a', '1', { open: false })
    t.equal(await place.may(a), false)
    await place.policy(
      'forbid (principal, action == Action::"b:do", resource) when { principal.properties.level < 50 };',
    )
    t.equal(await place.may(b), false)
    await s.root.patch(`/tenants/${place.tenant_id}`, { trust_caller_properties: false })
  },
)

t.test('nobody makes himself into something else with the keys that the language has for entities', async (t) => {
  const place = await aPlace({ trust_caller_properties: true })
  await place.policy(
    `permit (principal, action == Action::"safe:open", resource)
     when { resource.properties.owner == principal || context.proof == Role::"owner" || context.day < datetime("2000-01-01") };`,
  )
  const user = { __entity: { type: 'User', id: 'member' } }
  const role = { __entity: { type: 'Role', id: 'owner' } }
  const day = { __extn: { fn: 'datetime', arg: '1999-01-01' } }
  for (const [context, properties] of [
    [{ proof: role, day }, { owner: user }],
    [{ proof: { ...role, more: 1 }, day: [day] }, { owner: [user] }],
    [{ proof: { type: 'Role', id: 'owner' }, day: { __expr: 'datetime("1999-01-01")' } }, { owner: 'User::"member"' }],
    [
      { constructor: role, toString: 1, proof: { __entity: role } },
      { owner: { __entity: 'member' }, hasOwnProperty: user },
    ],
  ]) {
    t.equal(
      await place.may({ permission: 'safe:open', context: context as object, properties: properties as object }),
      false,
    )
  }
  await place.resource('safe', '1', { owner: user })
  t.equal(
    await place.may({ permission: 'safe:open', context: { proof: 1, day: 1 } }),
    false,
    'stored makes no difference',
  )
})

t.test('odd questions are answered: deep, large, and with names of JavaScript’s own', async (t) => {
  const place = await aPlace({ trust_caller_properties: true })
  await place.policy('forbid (principal, action == Action::"x:y", resource) when { context has a && context.a == 1 };')
  let deep: unknown = 1
  for (let each = 0; each < 29; each++) deep = each % 2 ? [deep] : { a: deep }
  const owner = { user: 'owner', permission: 'x:y' }
  t.equal(await place.may({ ...owner, context: { deep } }), true)
  t.equal(
    await place.may({
      ...owner,
      context: { long: Array(5_000).fill(0.5), list: Array(999).fill(0.5), text: 'x'.repeat(20_000) },
    }),
    true,
  )
  t.equal(await place.may({ ...owner, context: { a: 1, deep } }), false)
  for (const name of ['constructor', 'hasOwnProperty', 'toString', '$', 'a"b', 'ü\u2028']) {
    t.equal(await place.may({ ...owner, id: name, context: { [name]: 1 } }), true, name)
  }
  t.equal(await place.may({ user: 'owner', permission: 'constructor:prototype' }), true)
})

t.test('a policy is in force with the next decision, wherever the facts come from', async (t) => {
  const place = await aPlace()
  const owner = { user: 'owner', permission: 'invoice:read' }
  t.equal(await place.may(owner), true)
  const policy = await place.policy('forbid (principal, action == Action::"invoice:read", resource);')
  t.equal(await place.may(owner), false)
  await s.root.patch(`/policies/${policy.id}`, {
    text: 'forbid (principal, action == Action::"invoice:read", resource) when { false };',
  })
  t.equal(await place.may(owner), true)
  await s.root.patch(`/policies/${policy.id}`, { enabled: false })
  t.equal(await place.may(owner), true)
  await s.root.patch(`/policies/${policy.id}`, { enabled: true, text: 'forbid (principal, action, resource);' })
  t.equal(await place.may(owner), false)
  await s.root.delete(`/policies/${policy.id}`)
  t.equal(await place.may(owner), true)
})

t.test('a batch decides each item as a single check would', async (t) => {
  const place = await aPlace()
  await place.policy('forbid (principal, action, resource) when { resource.properties.locked };')
  await place.policy('permit (principal, action == Action::"doc:sign", resource) when { context.sober };')
  await place.resource('doc', '1', { locked: false })
  await place.resource('doc', '2', { locked: true })
  const evaluations = ['1', '2', '3'].flatMap((id) =>
    ['read', 'sign'].flatMap((name) =>
      [true, false].map((sober) => ({
        action: { name },
        resource: { type: 'doc', id },
        context: { tenant_id: place.tenant_id, sober, explain: true },
      })),
    ),
  )
  const subject = { type: 'user', id: 'member' }
  const batch = made(await s.root.post('/access/v1/evaluations', { subject, evaluations }))
  for (const [index, item] of evaluations.entries()) {
    const single = made(await s.root.post('/access/v1/evaluation', { subject, ...item }))
    t.same(batch.evaluations[index], single)
  }
  t.same(
    batch.evaluations.map(({ decision }: { decision: boolean }) => decision),
    [...[true, true, true, false, false, false, false, false, false, false, false, false]],
  )
})

t.test('every search finds exactly what evaluates to allow', async (t) => {
  await s.root.put('/permissions', { permissions: [{ key: 'doc:read' }, { key: 'doc:write' }, { key: 'doc:sign' }] })
  const place = await aPlace()
  const { tenant_id } = place
  await place.policy(
    'forbid (principal, action == Action::"doc:read", resource) when { resource.properties.secret > principal.properties.level };',
  )
  await place.policy(
    'permit (principal, action in [Action::"doc:sign", Action::"doc:shred"], resource) when { context.sober };',
  )
  for (const secret of [0, 5, 6, 7]) await place.resource('doc', `d${secret}`, { secret })
  const context = { tenant_id, sober: true }
  const subjects = ['owner', 'member', 'viewer'].map((id) => ({ type: 'user', id }))
  const resources = ['d0', 'd5', 'd6', 'd7'].map((id) => ({ type: 'doc', id }))
  const actions = ['read', 'shred', 'sign', 'write'].map((name) => ({ name }))
  const decide = async (subject: object, action: object, resource: object): Promise<boolean> =>
    made(await s.root.post('/access/v1/evaluation', { subject, action, resource, context })).decision
  const allowed = async <E>(entities: E[], is: (entity: E) => Promise<boolean>): Promise<E[]> => {
    const found = await Promise.all(entities.map(is))
    return entities.filter((_, index) => found[index])
  }
  const search = async (kind: string, body: object) =>
    made(await s.root.post(`/access/v1/search/${kind}`, { ...body, context })).results
  for (const subject of subjects) {
    for (const action of actions) {
      const found = await search('resource', { subject, action, resource: { type: 'doc' } })
      t.same(
        found,
        await allowed(resources, (resource) => decide(subject, action, resource)),
        `${subject.id} ${action.name}`,
      )
    }
    const [resource = {}] = resources
    const found = await search('action', { subject, resource })
    t.same(found, await allowed(actions, (action) => decide(subject, action, resource)), subject.id)
  }
  for (const action of actions) {
    for (const resource of resources) {
      const found = await search('subject', { subject: { type: 'user' }, action, resource })
      t.same(
        found,
        await allowed(subjects, (subject) => decide(subject, action, resource)),
        `${action.name} ${resource.id}`,
      )
    }
  }
  await s.root.put('/permissions', { permissions: [] })
})

t.test('a gateway asks, and a policy that needs more than it tells lets nothing through', async (t) => {
  const place = await aPlace()
  await place.policy('forbid (principal, action == Action::"a:go", resource) when { principal.properties.level < 6 };')
  await place.policy('forbid (principal, action == Action::"b:go", resource) when { resource.properties.locked };')
  await place.policy('permit (principal, action == Action::"c:go", resource);')
  const status = async (user: string, permission: string): Promise<number> =>
    (await s.as(await s.aToken(place.tenant_id, user)).get(`/forward-auth?permission=${permission}`)).status
  t.same([await status('owner', 'a:go'), await status('owner', 'b:go')], [403, 403])
  t.same([await status('viewer', 'c:go'), await status('viewer', 'd:go')], [200, 403])
  const { secret } = await s.anApiKey({ tenant_id: place.tenant_id, permissions: ['*'] })
  const machine = async (permission: string): Promise<number> =>
    (await s.as(secret).get(`/forward-auth?api_keys=true&permission=${permission}`)).status
  t.same([await machine('a:go'), await machine('c:go'), await machine('d:go')], [403, 200, 200])
})

t.test('a user asks about himself, and his context does not vouch for his login', async (t) => {
  const place = await aPlace()
  await place.policy('permit (principal, action == Action::"safe:open", resource) when { context.acr == "gold" };')
  const user = s.as(await s.aToken(place.tenant_id, 'member'))
  const asked = { permission: 'safe:open', context: { acr: 'gold' } }
  t.equal(await place.may({ ...asked, caller: user }), false)
  t.equal(await place.may(asked), true, 'an enforcement point does')
  const gold = s.as(await s.aToken(place.tenant_id, 'member', { acr: 'gold' }))
  t.equal(await place.may({ permission: 'safe:open', caller: gold }), true)
})
