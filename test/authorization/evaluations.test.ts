// AuthZEN Authorization API 1.0, access evaluations: defaults, semantics, errors of single items, and who may ask.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { aService, type Caller } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const other = await s.aTenant()
await s.aMembership(tenant_id, { user_id: 'user_vera', roles: ['viewer'] })
await s.aMembership(other.id, { user_id: 'user_vera', roles: ['owner'] })
const key = s.as((await s.anApiKey({ tenant_id, permissions: ['tenantry.access:check'] })).secret)

type Json = { [key: string]: unknown }

const vera = { type: 'user', id: 'user_vera' }
const olga = { type: 'user', id: 'user_olga' }
const [read, write] = [{ name: 'read' }, { name: 'write' }]
const invoice = (id = 'inv_1', properties?: Json): Json => ({ type: 'invoice', id, ...(properties && { properties }) })

const ask = (caller: Caller, body: Json, headers?: Record<string, string>) =>
  caller.post('/access/v1/evaluations', body, headers)
/** The decisions alone; the message of an item that is no check. */
const decisions = async (caller: Caller, body: Json): Promise<unknown> => {
  const answer = await ask(caller, body)
  if (answer.status !== 200) return answer.body.code
  return answer.body.evaluations.map(({ decision, context }: { decision: boolean; context?: { error?: Json } }) =>
    context?.error ? [decision, context.error.status, context.error.message] : decision,
  )
}

t.test('each item is answered in its place, with the decision alone', async (t) => {
  const evaluations = [
    { subject: vera, action: read, resource: invoice() },
    { subject: vera, action: write, resource: invoice() },
    { subject: olga, action: write, resource: invoice() },
  ]
  const answer = await ask(key, { evaluations }, { 'x-request-id': 'batch-1' })
  t.equal(answer.status, 200)
  t.same(answer.body, { evaluations: [{ decision: true }, { decision: false }, { decision: true }] })
  t.equal(answer.headers['x-request-id'], 'batch-1')
})

t.test('an item replaces a default whole, but for what names the entity', async (t) => {
  const defaults = { subject: vera, action: read, resource: invoice('inv_1', { tenant_id: other.id }) }
  t.same(
    await decisions(key, {
      ...defaults,
      evaluations: [
        {},
        { resource: invoice('inv_2') },
        { resource: { id: 'inv_2' } },
        { resource: { id: 'inv_2' }, subject: olga, action: { name: 'delete' } },
        { resource: { type: 'billing' } },
      ],
    }),
    [false, true, true, true, false],
    'the properties of the default resource are gone with it',
  )
})

t.test('an item’s context replaces the default’s, the tenant included', async (t) => {
  const body = { subject: vera, action: { name: 'delete' }, resource: invoice(), context: { tenant_id, explain: true } }
  const { evaluations } = (
    await ask(s.root, {
      ...body,
      evaluations: [{}, { context: { tenant_id: other.id } }, { context: { tenant_id: other.id, explain: true } }],
    })
  ).body
  t.match(evaluations[0], { decision: false, context: { reason: { code: 'no_role_grants' } } })
  t.same(evaluations[1], { decision: true }, 'nothing of the default context is left')
  t.match(evaluations[2].context.reason, { role: 'owner' })
  t.same(Object.keys(evaluations[2].context.revisions).sort(), [other.id, 'platform'].sort())
  t.same(
    await decisions(s.root, { ...body, evaluations: [{}, { context: {} }] }),
    [false, [false, 400, '/context/tenant_id: This field is required.']],
    'a context without a tenant has none',
  )
})

t.test('in its tenant a credential asks, whatever the items name', async (t) => {
  const body = { subject: vera, action: read, resource: invoice() }
  const of = (named: string): Json => ({ context: { tenant_id: named, explain: true } })
  const { evaluations } = (
    await ask(key, { ...body, evaluations: [of(tenant_id), of(other.id), of(randomUUID()), of('none')] })
  ).body
  t.match(evaluations, [
    { decision: true },
    { decision: false, context: { reason: { code: 'tenant_mismatch' }, revisions: {} } },
    { decision: false, context: { reason: { code: 'tenant_mismatch' }, revisions: {} } },
    { decision: false, context: { reason: { code: 'tenant_mismatch' }, revisions: {} } },
  ])
})

t.test('an item that is no check is a deny with its error, and the others are answered', async (t) => {
  const body = { subject: vera, action: read, resource: invoice() }
  const required = 'This field is required.'
  const items: [unknown, string][] = [
    [{ subject: null }, '/subject: Value must be object.'],
    [{ subject: 'user:vera' }, '/subject: Value must be object.'],
    [{ action: { name: 123 } }, '/action/name: Value must be string.'],
    [{ resource: { type: 'invoice', id: '' } }, '/resource/id: Value must NOT have fewer than 1 characters.'],
    [{ resource: [] }, '/resource: Value must be object.'],
    [{ context: 'all' }, '/context: Value must be object.'],
    [{ context: null }, '/context: Value must be object.'],
    [{ context: { explain: 'yes' } }, '/context/explain: Value must be boolean.'],
    [{ context: { min_revision: 'yesterday' } }, '/context/min_revision: Send a Tenantry-Revision as it came.'],
    [null, 'Value must be object.'],
    ['read', 'Value must be object.'],
    [7, 'Value must be object.'],
    [[], 'Value must be object.'],
  ]
  t.same(await decisions(key, { ...body, evaluations: [{}, ...items.map(([item]) => item), {}] }), [
    true,
    ...items.map(([, message]) => [false, 400, message]),
    true,
  ])
  t.same(
    await decisions(key, { evaluations: [{ subject: vera, action: read }, { ...body }] }),
    [[false, 400, `/resource: ${required}`], true],
    'what neither the item nor the defaults have',
  )
})

t.test('the semantics cut the answers at what triggers them', async (t) => {
  const body = { subject: vera, resource: invoice() }
  const mixed = [{ action: read }, { action: write }, { action: read }, { action: write }]
  const by = (evaluations_semantic: unknown, evaluations: unknown[] = mixed): Promise<unknown> =>
    decisions(key, { ...body, evaluations, options: { evaluations_semantic, verbose: true } })
  t.same(await by('execute_all'), [true, false, true, false])
  t.same(await by('deny_on_first_deny'), [true, false])
  t.same(await by('permit_on_first_permit'), [true])
  t.same(await by('permit_on_first_permit', [{ action: write }, {}, { action: read }, { action: read }]), [
    false,
    [false, 400, '/action: This field is required.'],
    true,
  ])
  t.same(await by('deny_on_first_deny', [{ action: read }, {}, { action: read }]), [
    true,
    [false, 400, '/action: This field is required.'],
  ])
  t.same(await by('deny_on_first_deny', [{ action: read }, { action: read }]), [true, true], 'nothing triggers')
  for (const unknown of ['deny_on_first_permit', 'EXECUTE_ALL', '', null, 1, ['execute_all']]) {
    t.equal(await by(unknown), 'request.invalid', JSON.stringify(unknown))
  }
})

t.test('without items it is a single check, and judged as one', async (t) => {
  const body = { subject: vera, action: read, resource: invoice() }
  for (const none of [{}, { evaluations: [] }, { evaluations: [], options: { evaluations_semantic: 'execute_all' } }]) {
    t.same((await ask(key, { ...body, ...none })).body, { decision: true })
    t.same((await ask(key, { ...body, ...none, action: write })).body, { decision: false })
    t.match(await ask(key, { subject: vera, action: read, ...none }), {
      status: 400,
      body: { code: 'request.invalid', errors: [{ pointer: '/resource', detail: 'This field is required.' }] },
    })
    t.match(await ask(s.root, { ...body, ...none }), { status: 400, body: { code: 'tenant.required' } })
  }
})

t.test('what is wrong with the whole is a 400: defaults of another type, no list, too many items', async (t) => {
  const item = { subject: vera, action: read, resource: invoice() }
  for (const wrong of [
    { subject: 'vera' },
    { resource: { type: 7 } },
    { action: [] },
    { context: 'all' },
    { evaluations: {} },
    { evaluations: 'all' },
    { options: 'fast' },
  ]) {
    t.equal(await decisions(key, { ...item, evaluations: [item], ...wrong }), 'request.invalid', JSON.stringify(wrong))
  }
  const many = (count: number) => ({ ...item, evaluations: Array.from({ length: count }, () => ({})) })
  t.equal(((await decisions(key, many(1_000))) as boolean[]).filter(Boolean).length, 1_000)
  t.equal(await decisions(key, many(1_001)), 'request.invalid')
  t.equal(await decisions(key, { ...many(1), context: { note: 'x'.repeat(65_536) } }), 'body.too_large')
})

t.test('a user’s token asks about its own user in every item, or needs the permission', async (t) => {
  const viewer = await s.aMember(tenant_id, 'viewer')
  const admin = await s.aMember(tenant_id, 'admin')
  const me = { type: 'user', id: viewer.membership.user_id }
  const body = { action: read, resource: invoice() }
  const asked = (more: Json): Promise<unknown> => decisions(viewer.caller, { ...body, ...more })
  t.same(await asked({ subject: me, evaluations: [{}, { action: write }] }), [true, false])
  t.same(await asked({ subject: vera, evaluations: [{ subject: me }] }), [true], 'a default that nothing uses')
  t.same(await asked({ subject: { type: 'user' }, evaluations: [{ subject: { id: me.id } }] }), [true])
  for (const [name, more] of Object.entries({
    'the default is somebody else': { subject: vera, evaluations: [{}] },
    'one of the items is': { subject: me, evaluations: [{}, { subject: vera }, {}] },
    'the last is, after what triggers': {
      subject: me,
      evaluations: [{ action: write }, { subject: vera }],
      options: { evaluations_semantic: 'deny_on_first_deny' },
    },
    'an item is nobody': { evaluations: [{ subject: me }, {}] },
    'an item is no object': { subject: me, evaluations: [null] },
    'a part of the default is': { subject: vera, evaluations: [{ subject: { type: 'user' } }] },
    'there are no items': { subject: vera, evaluations: [] },
    'there is no list': { subject: vera },
  })) {
    t.equal(await asked(more), 'permission.missing', name)
  }
  t.same(await decisions(admin.caller, { ...body, subject: vera, evaluations: [{}, { subject: me }] }), [true, true])
  t.equal(
    (await viewer.caller.post('/access/v1/evaluation', { ...body, subject: vera, evaluations: [{ subject: me }] }))
      .status,
    403,
    'a single check knows of no items',
  )
})

t.test('subjects of every kind are known in one batch', async (t) => {
  const machine = await s.anApiKey({ tenant_id, permissions: ['invoice:*'], excludes: ['invoice:void'] })
  const elsewhere = await s.anApiKey({ tenant_id: other.id, permissions: ['*'] })
  const items = [
    { subject: { type: 'api_key', id: machine.id } },
    { subject: vera },
    { subject: { type: 'api_key', id: elsewhere.id } },
    { subject: { type: 'robot', id: 'r2' } },
    { subject: { type: 'user', id: 'nobody' } },
    { subject: { type: 'api_key', id: 'no id' } },
    { subject: { type: 'api_key', id: machine.id }, action: { name: 'void' } },
    { subject: vera, context: { tenant_id: randomUUID() } },
    { subject: vera, context: { tenant_id: 'no id' } },
    { subject: { type: 'api_key', id: elsewhere.id }, context: { tenant_id: other.id } },
  ]
  const body = { action: read, resource: invoice(), context: { tenant_id } }
  t.same(await decisions(s.root, { ...body, evaluations: items }), [
    ...[true, true, false, false, false],
    ...[false, false, false, false, true],
  ])
})

t.test('an item is answered as the single check would be', async (t) => {
  await s.aMembership(tenant_id, { user_id: 'user_late', roles: ['admin'], expires_at: s.instant(60) })
  const { id } = await s.aMembership(tenant_id, { user_id: 'user_out', roles: ['admin'] })
  const { headers } = await s.root.post(`/memberships/${id}/suspend`)
  const min_revision = String(headers['tenantry-revision'])
  s.advance(60)
  const subjects = ['user_olga', 'user_vera', 'user_late', 'user_out', 'user_nobody'].map((id) => ({
    type: 'user',
    id,
  }))
  const resources = [
    invoice(),
    invoice('x', { tenant_id: other.id }),
    { type: 'in*', id: 'x' },
    { type: 'billing', id: 'x' },
  ]
  const context = { tenant_id, explain: true, min_revision }
  const evaluations = subjects.flatMap((subject) =>
    resources.map((resource) => ({ subject, action: read, resource, context })),
  )
  const together = (await ask(s.root, { evaluations })).body.evaluations
  const singly = await Promise.all(evaluations.map((each) => s.root.post('/access/v1/evaluation', each)))
  t.same(
    together,
    singly.map(({ body }) => body),
  )
})
