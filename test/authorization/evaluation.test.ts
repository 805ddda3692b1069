// AuthZEN Authorization API 1.0, access evaluation, and the tenant's part in it; then the case file of decisions, replayed
// as a caller would ask.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { PLATFORM } from '../../src/database/schema.ts'
import { eraseDueTenants } from '../../src/tenants/erasure.ts'
import { aService, type Caller, made } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const other = await s.aTenant()
await s.aMembership(tenant_id, { user_id: 'user_vera' })

type Json = { [key: string]: unknown }

const question = (context?: Json, more: Json = {}): Json => ({
  subject: { type: 'user', id: 'user_vera' },
  action: { name: 'read' },
  resource: { type: 'invoice', id: 'inv_1' },
  ...(context && { context }),
  ...more,
})
const ask = (caller: Caller, body: unknown, headers?: Record<string, string>) =>
  caller.post('/access/v1/evaluation', body, headers)
const reasonOf = async (caller: Caller, body: Json): Promise<unknown> => {
  const context = { explain: true, ...(body.context as Json) }
  const answer = await ask(caller, { ...body, context })
  return answer.status === 200 ? [answer.body.decision, answer.body.context.reason.code] : answer.body.code
}

t.test('an answer is the decision alone, unless an explanation was asked for', async (t) => {
  const yes = await ask(s.root, question({ tenant_id }))
  t.equal(yes.status, 200)
  t.same(yes.body, { decision: true })
  const no = await ask(s.root, question({ tenant_id }, { action: { name: 'delete' } }))
  t.equal(no.status, 200, 'a deny is an answer, not an error')
  t.same(no.body, { decision: false })
  t.same((await ask(s.root, question({ tenant_id, explain: false }))).body, { decision: true })
  t.match((await ask(s.root, question({ tenant_id, explain: true }))).body, {
    decision: true,
    context: { reason: { code: 'role_grants', role: 'member', pattern: '*:read' } },
  })
  t.match(yes.headers['content-type'], /^application\/json/)
})

const revisionsNow = async (of: string): Promise<Json> => ({
  [of]: await s.revisionOf(of),
  platform: await s.revisionOf(PLATFORM),
})

t.test('an explanation tells the revisions that it is true at', async (t) => {
  const explained = async (more: Json = {}, of = tenant_id, min_revision?: string): Promise<unknown> =>
    (await ask(s.root, question({ tenant_id: of, explain: true, min_revision }, more))).body.context.revisions
  const before = await revisionsNow(tenant_id)
  t.same(await explained(), before)
  t.same(await explained({ action: { name: 'delete' } }), before, 'of a deny')
  t.same(await explained({ subject: { type: 'user', id: 'user_nobody' } }), before, 'of a stranger')
  t.same(await explained({ subject: { type: 'robot', id: 'r2' } }), before, 'of what is nobody')
  await s.aMembership(tenant_id)
  await s.aRole()
  const now = await revisionsNow(tenant_id)
  t.same(await explained({}, tenant_id, `${tenant_id}:${now[tenant_id]},platform:${now.platform}`), now)
  t.not(JSON.stringify(now), JSON.stringify(before))
  t.same(await explained({}, randomUUID()), {}, 'where there is no tenant there is no revision')
})

t.test('the X-Request-ID that was sent comes back', async (t) => {
  t.equal(
    (await ask(s.root, question({ tenant_id }), { 'x-request-id': 'bfe9eb29' })).headers['x-request-id'],
    'bfe9eb29',
  )
})

t.test('what is missing or of another type is a 400, and nothing is coerced', async (t) => {
  const wrong: [string, Json][] = [
    ['subject', { subject: undefined }],
    ['action', { action: undefined }],
    ['resource', { resource: undefined }],
    ['subject.type', { subject: { id: 'x' } }],
    ['subject.id', { subject: { type: 'user' } }],
    ['action.name', { action: {} }],
    ['resource.type', { resource: { id: 'x' } }],
    ['resource.id', { resource: { type: 'invoice' } }],
    ['a number for a name', { action: { name: 123 } }],
    ['a number for an id', { subject: { type: 'user', id: 1 } }],
    ['null for a type', { resource: { type: null, id: 'x' } }],
    ['text for a subject', { subject: 'user:vera' }],
    ['a list for an action', { action: [{ name: 'read' }] }],
    ['empty texts', { subject: { type: '', id: '' } }],
    ['text for properties', { resource: { type: 'invoice', id: 'x', properties: 'all' } }],
    ['text for the context', { context: 'all' }],
    ['text for explain', { context: { tenant_id, explain: 'true' } }],
    ['a number for tenant_id', { context: { tenant_id: 7 } }],
    ['a list for tenant_id', { context: { tenant_id: [tenant_id] } }],
  ]
  for (const [name, more] of wrong) {
    t.match(await ask(s.root, question({ tenant_id }, more)), { status: 400, body: { code: 'request.invalid' } }, name)
  }
  for (const body of ['', '[]', 'null', '"x"', '{']) {
    t.equal((await ask(s.root, body, { 'content-type': 'application/json' })).status, 400, body)
  }
  t.equal((await ask(s.root, JSON.stringify(question({ tenant_id })), { 'content-type': 'text/plain' })).status, 415)
  t.equal((await ask(s.root, undefined)).status, 400)
})

t.test('fields that AuthZEN does not know are ignored, at every level', async (t) => {
  const { body } = await ask(s.root, {
    subject: { type: 'user', id: 'user_vera', properties: { role: 'owner', tenant_id: other.id }, roles: ['owner'] },
    action: { name: 'read', properties: { soft: true }, method: 'GET' },
    resource: { type: 'invoice', id: 'x', properties: { status: 'paid' }, owner: 'me' },
    context: { tenant_id, time: 'now', roles: ['owner'], explain: true },
    tenant_id: other.id,
    decision: true,
    options: {},
  })
  t.match(body, { decision: true, context: { reason: { role: 'member' } } }, 'and decide nothing')
})

t.test('properties of a subject give it no rights', async (t) => {
  const claims = { properties: { role: 'owner', roles: ['owner'], permissions: ['*'] } }
  const body = question(
    { tenant_id },
    { subject: { type: 'user', id: 'user_vera', ...claims }, action: { name: 'delete' } },
  )
  t.same(await reasonOf(s.root, body), [false, 'no_role_grants'])
})

t.test('a platform key names the tenant, or is told that it must', async (t) => {
  const answer = await ask(s.root, question())
  t.match(answer, { status: 400, body: { code: 'tenant.required', errors: [{ pointer: '/context/tenant_id' }] } })
  t.equal((await ask(s.root, question({}))).status, 400)
  t.match(
    (await ask(s.root, question({}, { tenant_id }))).body,
    { code: 'tenant.required' },
    'a field elsewhere names nothing',
  )
  t.same(await reasonOf(s.root, question({ tenant_id: randomUUID() })), [false, 'tenant_not_found'])
  t.same(await reasonOf(s.root, question({ tenant_id: 'acme' })), [false, 'tenant_not_found'], 'no id at all')
  t.same(await reasonOf(s.root, question({ tenant_id: other.id })), [false, 'not_a_member'])
})

t.test('a tenant’s credential asks in its tenant, named or not, and nowhere else', async (t) => {
  const key = s.as((await s.anApiKey({ tenant_id, permissions: ['tenantry.access:check'] })).secret)
  const { caller } = await s.aMember(tenant_id, 'admin')
  for (const of of [key, caller]) {
    t.same(await reasonOf(of, question()), [true, 'role_grants'])
    t.same(await reasonOf(of, question({ tenant_id })), [true, 'role_grants'])
    t.same(await reasonOf(of, question({ tenant_id: other.id })), [false, 'tenant_mismatch'])
    t.same(await reasonOf(of, question({ tenant_id: 'nonsense' })), [false, 'tenant_mismatch'])
  }
})

t.test('a resource that says it belongs to another tenant is denied', async (t) => {
  const owned = (by: unknown): Json =>
    question({ tenant_id }, { resource: { type: 'invoice', id: 'x', properties: { tenant_id: by } } })
  t.same(await reasonOf(s.root, owned(tenant_id)), [true, 'role_grants'])
  for (const by of [other.id, '', null, 7, {}, [tenant_id], [], tenant_id.toUpperCase()]) {
    t.same(await reasonOf(s.root, owned(by)), [false, 'tenant_mismatch'], JSON.stringify(by))
  }
})

t.test('a permission is literal: wildcards and colons in it deny', async (t) => {
  const about = (type: string, name: string): Json =>
    question(
      { tenant_id },
      { subject: { type: 'user', id: 'user_olga' }, action: { name }, resource: { type, id: 'x' } },
    )
  for (const [type, name] of [
    ['*', 'read'],
    ['invoice', '*'],
    ['*', '*'],
    ['invoice:line', 'read'],
    ['invoice', 'read:all'],
    ['in*', 'read'],
    ['tenantry.*', 'read'],
  ] as const) {
    t.same(await reasonOf(s.root, about(type, name)), [false, 'permission_malformed'], `${type}:${name}`)
  }
  t.same(await reasonOf(s.root, about('tenantry.tenant', 'delete')), [true, 'role_grants'])
  t.same(await reasonOf(s.root, about('tenantry.token', 'issue')), [false, 'no_role_grants'], 'by name only')
})

t.test('a user asks about himself without any permission, about others only with it', async (t) => {
  const viewer = await s.aMember(tenant_id, 'viewer')
  const admin = await s.aMember(tenant_id, 'admin')
  const about = (type: string, id: string): Json => question({}, { subject: { type, id } })
  t.same(await reasonOf(viewer.caller, about('user', viewer.membership.user_id)), [true, 'role_grants'])
  t.same(await reasonOf(admin.caller, about('user', viewer.membership.user_id)), [true, 'role_grants'])
  for (const [type, id] of [
    ['user', 'user_vera'],
    ['user', `${viewer.membership.user_id} `],
    ['user', viewer.membership.id],
    ['api_key', viewer.membership.user_id],
    ['membership', viewer.membership.id],
  ] as const) {
    t.equal(await reasonOf(viewer.caller, about(type, id)), 'permission.missing', `${type} ${id}`)
  }
  const answer = await ask(viewer.caller, about('user', 'user_vera'))
  t.equal(answer.status, 403)
  t.match(answer.body.detail, 'tenantry.access:check')
})

t.test('an API key without the permission asks nothing, not even about itself', async (t) => {
  const key = await s.anApiKey({ tenant_id, permissions: ['invoice:read'] })
  t.equal(
    await reasonOf(s.as(key.secret), question({}, { subject: { type: 'api_key', id: key.id } })),
    'permission.missing',
  )
})

t.test('an API key is a subject in its own tenant, with what it may do at that moment', async (t) => {
  const key = await s.anApiKey({
    tenant_id,
    permissions: ['invoice:*'],
    excludes: ['invoice:void'],
    expires_at: s.instant(60),
  })
  const about = (id: string, name = 'read', of = tenant_id): Json =>
    question({ tenant_id: of }, { subject: { type: 'api_key', id }, action: { name } })
  const { body } = await ask(s.root, { ...about(key.id), context: { tenant_id, explain: true } })
  t.same(body, {
    decision: true,
    context: { reason: { code: 'key_grants', pattern: 'invoice:*' }, revisions: await revisionsNow(tenant_id) },
  })
  t.same(await reasonOf(s.root, about(key.id, 'void')), [false, 'no_role_grants'])
  t.same(await reasonOf(s.root, about(key.id, 'read', other.id)), [false, 'not_a_member'], 'in another tenant')
  const platform = await s.anApiKey({ permissions: ['*'] })
  t.same(await reasonOf(s.root, about(platform.id)), [false, 'not_a_member'], 'a platform key is in no tenant')
  t.same(await reasonOf(s.root, about('no id')), [false, 'not_a_member'])
  t.same(await reasonOf(s.root, about(key.id.toUpperCase())), [false, 'not_a_member'])
  s.advance(59.999)
  t.same(await reasonOf(s.root, about(key.id)), [true, 'key_grants'])
  s.advance(0.001)
  t.same(await reasonOf(s.root, about(key.id)), [false, 'api_key_expired'])
  await s.root.delete(`/api-keys/${key.id}`)
  t.same(await reasonOf(s.root, about(key.id)), [false, 'not_a_member'])
})

t.test('a subject of any other kind is nobody', async (t) => {
  for (const type of ['membership', 'role', 'User', 'users', 'user ', '*', 'service']) {
    t.same(
      await reasonOf(s.root, question({ tenant_id }, { subject: { type, id: 'user_vera' } })),
      [false, 'not_a_member'],
      type,
    )
  }
  t.same(await reasonOf(s.root, question({ tenant_id }, { subject: { type: 'user', id: 'USER_VERA' } })), [
    false,
    'not_a_member',
  ])
  t.same(await reasonOf(s.root, question({ tenant_id }, { subject: { type: 'user', id: '' } })), 'request.invalid')
})

t.test('one user’s rights are each tenant’s own', async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  await s.aMembership(acme.id, { user_id: 'user_both', roles: ['owner'] })
  await s.aMembership(globex.id, { user_id: 'user_both', roles: ['viewer'] })
  const may = (of: string): Json =>
    question({ tenant_id: of }, { subject: { type: 'user', id: 'user_both' }, action: { name: 'delete' } })
  t.same(await reasonOf(s.root, may(acme.id)), [true, 'role_grants'])
  t.same(await reasonOf(s.root, may(globex.id)), [false, 'no_role_grants'])
})

t.test('a change of rights shows in the very next answer', async (t) => {
  const { id } = await s.aMembership(tenant_id, { user_id: 'user_next', roles: ['admin'] })
  const may = question({ tenant_id }, { subject: { type: 'user', id: 'user_next' }, action: { name: 'delete' } })
  t.same(await reasonOf(s.root, may), [true, 'role_grants'])
  await s.root.patch(`/memberships/${id}`, { roles: ['viewer'] })
  t.same(await reasonOf(s.root, may), [false, 'no_role_grants'])
  await s.root.patch(`/memberships/${id}`, { roles: ['admin'] })
  await s.root.post(`/memberships/${id}/suspend`)
  t.same(await reasonOf(s.root, may), [false, 'membership_suspended'])
  await s.root.post(`/memberships/${id}/reactivate`)
  t.same(await reasonOf(s.root, may), [true, 'role_grants'])
  await s.root.delete(`/memberships/${id}`)
  t.same(await reasonOf(s.root, may), [false, 'not_a_member'])
})

// test/cases/decisions.yaml: every case is set up through the API and the clock.

interface Case {
  name: string
  tenant: { status: 'active' | 'suspended' | 'archived' | 'deletion_scheduled' | 'erased' } | null
  membership: {
    status: 'active' | 'suspended'
    expires_in_seconds: number | null
    roles: string[]
    groups?: string[][]
    grants?: GivenGrant[]
  } | null
  ask: { permission: string; on?: string; resource_tenant?: 'own' | 'other'; in_tenant?: 'own' | 'other' }
  expect: { decision: boolean; code: string; role?: string; pattern?: string; by?: string; on?: string }
}
interface GivenGrant {
  role: string
  on?: string
  begins?: number
  ends?: number
  to?: 'group'
}

const cases: Case[] = parse(readFileSync(new URL('../cases/decisions.yaml', import.meta.url), 'utf8'))
const DAY_SECONDS = 86_400

/** The membership as the case has it at the moment of the question; ends that have passed are waited for. */
const setUpMembership = async (
  tenant_id: string,
  user_id: string,
  { status, expires_in_seconds, roles, groups = [], grants = [] }: NonNullable<Case['membership']>,
): Promise<void> => {
  const ends = [expires_in_seconds ?? 1, ...grants.map(({ ends = 1 }) => ends)]
  const wait = 1 - Math.min(1, ...ends)
  const at = (seconds: number): string => s.instant(wait + seconds)
  const end = expires_in_seconds === null ? {} : { expires_at: at(expires_in_seconds) }
  const membership = await s.aMembership(tenant_id, { user_id, roles, ...end })
  const made_groups: string[] = []
  for (const roles of groups) {
    const { id } = await s.aGroup(tenant_id, { roles })
    made_groups.push(id)
    await s.root.put(`/groups/${id}/members/${membership.id}`)
  }
  for (const { role, on, begins, ends, to } of grants) {
    await s.aGrant(tenant_id, {
      role,
      ...(to === 'group' ? { group_id: made_groups[0] as string } : { membership_id: membership.id }),
      resource: on === undefined ? null : { type: on.replace(/\/.*/s, ''), id: on.replace(/^[^/]*\//, '') },
      not_before: begins === undefined ? null : at(begins),
      expires_at: ends === undefined ? null : at(ends),
    })
  }
  if (status === 'suspended') made(await s.root.post(`/memberships/${membership.id}/suspend`))
  s.advance(wait)
}

/** Brings a tenant into a state, and its memberships with it. */
const setUpStatus = async (tenant_id: string, status: NonNullable<Case['tenant']>['status']): Promise<void> => {
  if (status === 'suspended') made(await s.root.post(`/tenants/${tenant_id}/suspend`))
  if (status === 'deletion_scheduled' || status === 'erased') await s.root.delete(`/tenants/${tenant_id}`)
  if (status !== 'erased') return
  s.advance(30 * DAY_SECONDS)
  await eraseDueTenants(s.service.database, s.now)
}

// Through a socket, where checks are answered before the framework (first.test.ts).
const root = await s.overHttp(s.root_api_key)

// With an owner of its own, so that the owner of a case is not the last.
const aPlace = async (): Promise<{ tenant_id: string; key: Caller }> => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const { secret } = await s.anApiKey({ tenant_id: id, permissions: ['tenantry.access:check'] })
  return { tenant_id: id, key: await s.overHttp(secret) }
}

const active = await aPlace()

const setUp = async ({ tenant, membership }: Case, user_id: string): Promise<{ tenant_id: string; key: Caller }> => {
  if (tenant === null) return { tenant_id: randomUUID(), key: root }
  const place = tenant.status === 'active' ? active : await aPlace()
  if (membership) await setUpMembership(place.tenant_id, user_id, membership)
  await setUpStatus(place.tenant_id, tenant.status)
  return place
}

cases.forEach((each, index) => {
  const { name, tenant, ask, expect } = each
  const skip = tenant?.status === 'archived' ? 'no operation archives a tenant yet' : false
  t.test(name, { skip }, async (t) => {
    const user_id = `user_${index}`
    const { tenant_id, key } = await setUp(each, user_id)
    const [type, ...action] = ask.permission.split(':')
    const whose = { own: tenant_id, other: randomUUID() }
    const properties = ask.resource_tenant && { properties: { tenant_id: whose[ask.resource_tenant] } }
    // A tenant's own key knows its tenant: naming another one is what a mismatch is.
    const caller = ask.in_tenant ? key : root
    const { status, body } = await caller.post('/access/v1/evaluation', {
      subject: { type: 'user', id: user_id },
      action: { name: action.join(':') },
      resource: { type, id: ask.on ?? 'one', ...properties },
      context: { explain: true, tenant_id: whose[ask.in_tenant ?? 'own'] },
    })
    const { decision, by, on, ...reason } = expect
    t.equal(status, 200)
    t.match(body, { decision, context: { reason } })
    if (!decision) return
    const { grant_id, group_id, resource } = body.context.reason
    t.same(
      [grant_id !== undefined, group_id !== undefined],
      [by?.endsWith('grant') ?? false, by?.startsWith('group') ?? false],
    )
    t.equal(resource && `${resource.type}/${resource.id}`, on)
  })
})
