// AuthZEN Authorization API 1.0, the searches: what is found, page by page, and who may look.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { PLATFORM } from '../../../src/database/schema.ts'
import { aService, type Caller, made } from '../../support/service.ts'

const s = await aService(t)
await s.root.put('/permissions', {
  permissions: [
    ...['invoice:read', 'invoice:write', 'invoice:delete', 'report:read'].map((key) => ({ key })),
    { key: 'invoice:void', wildcard: false },
  ],
})
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const other = await s.aTenant({ owner: { user_id: 'user_elsewhere' } })
for (const n of [1, 2, 3, 4, 5]) {
  await s.aMembership(tenant_id, { user_id: `user_${n}`, roles: [n % 2 === 0 ? 'member' : 'viewer'] })
}
const key = s.as((await s.anApiKey({ tenant_id })).secret)

type Json = { [key: string]: unknown }
type Kind = 'subject' | 'resource' | 'action'

const invoice = { type: 'invoice', id: 'inv_1' }
const who = (name: string, more: Json = {}): Json => ({
  subject: { type: 'user' },
  action: { name },
  resource: invoice,
  ...more,
})
const what = (id: string, more: Json = {}): Json => ({ subject: { type: 'user', id }, resource: invoice, ...more })
const search = (caller: Caller, kind: Kind, body: Json) => caller.post(`/access/v1/search/${kind}`, body)

/** Every page to the end; what was found, and how many on each. */
const walk = async (
  caller: Caller,
  kind: Kind,
  body: Json,
  limit: number,
): Promise<{ found: string[]; sizes: number[] }> => {
  const walked = { found: [] as string[], sizes: [] as number[] }
  for (let token: string | undefined; token !== ''; ) {
    const { results, page } = made(await search(caller, kind, { ...body, page: { limit, ...(token && { token }) } }))
    walked.found.push(...results.map(({ id, name }: { id?: string; name?: string }) => id ?? name))
    walked.sizes.push(results.length)
    token = page.next_token
  }
  return walked
}

t.test('finds the members who may do it, and nobody else', async (t) => {
  const answer = await search(key, 'subject', who('write'))
  t.equal(answer.status, 200)
  t.same(answer.body, {
    results: ['user_olga', 'user_2', 'user_4'].map((id) => ({ type: 'user', id })),
    page: { next_token: '' },
  })
  t.same((await search(key, 'subject', who('read'))).body.results.length, 6)
  t.same((await search(key, 'subject', who('void'))).body.results, [], 'nobody was granted it by name')
  t.same(
    (await search(s.root, 'subject', who('read', { context: { tenant_id: other.id } }))).body.results,
    [{ type: 'user', id: 'user_elsewhere' }],
    'in each tenant its own',
  )
})

t.test('a subject’s id is ignored where subjects are searched for, and unknown fields everywhere', async (t) => {
  const body = who('write', { subject: { type: 'user', id: 'user_1' }, extra: true, page: { limit: 2, sort: 'up' } })
  t.same((await search(key, 'subject', body)).body.results.length, 2)
})

t.test('pages hold what the limit says and skip or repeat nobody', async (t) => {
  const everybody = ['user_olga', 'user_1', 'user_2', 'user_3', 'user_4', 'user_5']
  for (const [limit, sizes] of [
    [1, [1, 1, 1, 1, 1, 1]],
    [2, [2, 2, 2]],
    [4, [4, 2]],
    [6, [6]],
    [1_000_000, [6]],
  ] as const) {
    t.same(await walk(key, 'subject', who('read'), limit), { found: everybody, sizes }, `${limit} at a time`)
  }
  t.same(await walk(key, 'subject', who('write'), 2), { found: ['user_olga', 'user_2', 'user_4'], sizes: [2, 1] })
  t.same(await walk(key, 'action', what('user_olga'), 2), { found: ['delete', 'read', 'write'], sizes: [2, 1] })
})

t.test('who comes or goes between two pages moves nobody else', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_a' } })
  const [b, , d] = [
    await s.aMembership(id, { user_id: 'user_b' }),
    await s.aMembership(id, { user_id: 'user_c' }),
    await s.aMembership(id, { user_id: 'user_d' }),
  ]
  const body = who('read', { context: { tenant_id: id }, page: { limit: 2 } })
  const first = (await search(s.root, 'subject', body)).body
  t.same(
    first.results.map(({ id }: { id: string }) => id),
    ['user_a', 'user_b'],
  )
  await s.root.delete(`/memberships/${b.id}`)
  await s.root.post(`/memberships/${d.id}/suspend`)
  await s.aMembership(id, { user_id: 'user_e' })
  const next = { ...body, page: { token: first.page.next_token } }
  t.same((await search(s.root, 'subject', next)).body, {
    results: ['user_c', 'user_e'].map((id) => ({ type: 'user', id })),
    page: { next_token: '' },
  })
})

t.test('a token is good for its own request only', async (t) => {
  const body = who('read', { page: { limit: 2 } })
  const { next_token: token } = (await search(key, 'subject', body)).body.page
  const retry = (more: Json, caller = key, kind: Kind = 'subject') =>
    search(caller, kind, { ...body, page: { token }, ...more })
  t.equal((await retry({})).status, 200, 'with the limit that it began with')
  t.equal((await retry({ page: { token, limit: 2 } })).status, 200)
  const subject = { type: 'user', properties: { a: 1 } }
  for (const [name, attempt] of Object.entries({
    'another action': retry({ action: { name: 'write' } }),
    'another resource': retry({ resource: { type: 'invoice', id: 'inv_2' } }),
    'other properties': retry({ subject }),
    'another context': retry({ context: { tenant_id } }),
    'another limit': retry({ page: { token, limit: 3 } }),
    'another tenant': retry({ context: { tenant_id: other.id } }, s.root),
    'another search': retry({ subject: { type: 'user', id: 'user_1' } }, key, 'action'),
  })) {
    t.match(
      await attempt,
      { status: 400, body: { code: 'cursor.invalid', errors: [{ pointer: '/page/token' }] } },
      name,
    )
  }
  const [question, limit] = JSON.parse(Buffer.from(token, 'base64url').toString())
  const forge = (...held: unknown[]): string => Buffer.from(JSON.stringify(held)).toString('base64url')
  for (const forged of [
    'nonsense',
    `${token}x`,
    forge(),
    forge(question, limit, 'no id'),
    forge(question, limit, null),
    forge(question, limit, { $ne: 1 }),
    forge(question, 0, PLATFORM),
    forge(question, '2', PLATFORM),
    forge(question, 1.5, PLATFORM),
    forge(question, limit, PLATFORM, 'more'),
    forge('', limit, PLATFORM),
    forge(question, limit, '\u0000'),
    Buffer.from('null').toString('base64url'),
    Buffer.from('{"0":1}').toString('base64url'),
  ]) {
    const invalid = { code: 'cursor.invalid', errors: [{ pointer: '/page/token' }] }
    t.match(await retry({ page: { token: forged } }), { status: 400, body: invalid }, forged)
  }
  for (const page of [
    { token: '' },
    { token: 7 },
    { limit: 0 },
    { limit: -1 },
    { limit: 1.5 },
    { limit: '2' },
    'all',
    [],
  ]) {
    t.match(await retry({ page }), { status: 400, body: { code: 'request.invalid' } }, JSON.stringify(page))
  }
})

t.test('a forged position tells nothing that the search itself would not', async (t) => {
  const { next_token } = (await search(key, 'subject', who('write', { page: { limit: 1 } }))).body.page
  const [question, limit] = JSON.parse(Buffer.from(next_token, 'base64url').toString())
  const foreign = (await s.root.get(`/memberships?tenant_id=${other.id}`)).body.data[0].id
  const token = Buffer.from(JSON.stringify([question, limit, foreign])).toString('base64url')
  const { results } = (await search(key, 'subject', who('write', { page: { token } }))).body
  t.same(results, [{ type: 'user', id: 'user_2' }], 'it goes on after that id, in the own tenant')
})

t.test('one request reads so many memberships and no more, and says where to go on', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_first' } })
  await s.test_database.superuser(
    `insert into tenantry.memberships (tenant_id, id, user_id, status, properties, revision, created_at, updated_at)
     select $1, ('ffffffff-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'user_' || n, 'active', '{}', 1, now(), now()
     from generate_series(1, 2500) n`,
    [id],
  )
  await s.aMembership(id, { user_id: 'user_before' })
  const last = 'ffffffff-0000-7000-8000-000000002500'
  await s.root.patch(`/memberships/${last}`, { roles: ['admin'] })
  const body = who('delete', { context: { tenant_id: id } })
  const first = (await search(s.root, 'subject', body)).body
  t.same(first.results, [{ type: 'user', id: 'user_first' }])
  t.not(first.page.next_token, '')
  const second = (await search(s.root, 'subject', { ...body, page: { token: first.page.next_token } })).body
  t.same(second, { results: [{ type: 'user', id: 'user_2500' }], page: { next_token: '' } })
  await s.root.post(`/tenants/${id}/suspend`)
  t.same(
    (await search(s.root, 'subject', body)).body,
    { results: [], page: { next_token: '' } },
    'not member by member',
  )
})

t.test('what is unknown has no results, whatever it is', async (t) => {
  const nothing = { results: [], page: { next_token: '' } }
  for (const [kind, body] of [
    ['subject', who('read', { subject: { type: 'spaceship' } })],
    ['subject', who('read', { subject: { type: 'api_key' } })],
    ['subject', who('read', { resource: { type: 'in*', id: 'x' } })],
    ['subject', who('read', { context: { tenant_id: other.id } })],
    ['subject', who('read', { resource: { ...invoice, properties: { tenant_id: other.id } } })],
    ['action', what('user_nobody')],
    ['action', what('user_1', { resource: { type: 'spaceship', id: 'x' } })],
    ['action', what('user_1', { resource: { type: 'invoice:read', id: 'x' } })],
    ['action', what('user_1', { subject: { type: 'spaceship', id: 'user_1' } })],
    ['action', what('user_1', { context: { tenant_id: other.id } })],
    ['action', what('user_1', { resource: { ...invoice, properties: { tenant_id: 7 } } })],
    ['resource', what('user_1', { action: { name: 'read' }, resource: { type: 'spaceship' } })],
    ['resource', what('user_1', { action: { name: 'read' }, context: { tenant_id: other.id } })],
  ] as const) {
    const answer = await search(key, kind, body)
    t.same([answer.status, answer.body], [200, nothing], JSON.stringify(body))
  }
  for (const unknown of [randomUUID(), 'acme']) {
    for (const kind of ['subject', 'action', 'resource'] as const) {
      const body = { ...who('read', { subject: { type: 'user', id: 'user_1' } }), context: { tenant_id: unknown } }
      t.same((await search(s.root, kind, body)).body, nothing, `${kind} in ${unknown}`)
    }
  }
})

t.test('what a search needs and lacks is a 400', async (t) => {
  for (const [kind, body] of [
    ['subject', { ...who('read'), action: undefined }],
    ['subject', { ...who('read'), subject: {} }],
    ['subject', { ...who('read'), resource: { type: 'invoice' } }],
    ['resource', { action: { name: 'read' }, resource: { type: 'invoice' } }],
    ['resource', who('read')],
    ['action', { subject: { type: 'user', id: 'user_1' } }],
    ['action', { subject: { type: 'user' }, resource: invoice }],
    ['action', what('user_1', { resource: { type: 'invoice' } })],
    ['action', what('user_1', { context: { min_revision: '7' } })],
  ] as const) {
    t.match(await search(key, kind, body), { status: 400, body: { code: 'request.invalid' } }, JSON.stringify(body))
    t.equal((await search(s.root, kind, body)).status, 400)
  }
  t.match(await search(s.root, 'subject', who('read')), { status: 400, body: { code: 'tenant.required' } })
})

t.test('actions are those of the catalogue, and Tenantry’s own', async (t) => {
  const actions = async (id: string, type: string): Promise<string[]> =>
    (await search(key, 'action', what(id, { resource: { type, id: 'x' } }))).body.results.map(
      ({ name }: { name: string }) => name,
    )
  t.same(await actions('user_1', 'invoice'), ['read'])
  t.same(await actions('user_2', 'invoice'), ['read', 'write'])
  t.same(await actions('user_olga', 'invoice'), ['delete', 'read', 'write'], 'and not what goes by name only')
  t.same(await actions('user_olga', 'report'), ['read'])
  t.same(await actions('user_1', 'tenantry.tenant'), ['read'])
  t.same(await actions('user_olga', 'tenantry.membership'), ['manage', 'read'])
  const { id } = await s.anApiKey({ tenant_id, permissions: ['invoice:void', 'invoice:read'] })
  const machine = what(id, { subject: { type: 'api_key', id } })
  t.same((await search(key, 'action', machine)).body.results, [{ name: 'read' }, { name: 'void' }])
})

t.test('resources are found where they are registered, and none are', async (t) => {
  const body = what('user_olga', { action: { name: 'read' }, resource: { type: 'invoice' } })
  t.same((await search(key, 'resource', body)).body, { results: [], page: { next_token: '' } })
})

t.test(
  'whoever asks about himself needs no permission; who may do it is told to those who may know the members',
  async (t) => {
    const { caller, membership } = await s.aMember(tenant_id, 'viewer')
    const me = membership.user_id
    t.same((await search(caller, 'action', what(me))).body.results, [{ name: 'read' }])
    t.equal((await search(caller, 'resource', what(me, { action: { name: 'read' } }))).status, 200)
    t.match(await search(caller, 'action', what('user_1')), { status: 403, body: { code: 'permission.missing' } })
    t.equal((await search(caller, 'resource', what('user_1', { action: { name: 'read' } }))).status, 403)
    t.equal((await search(caller, 'subject', who('read', { subject: { type: 'user', id: me } }))).status, 403)
    const checking = s.as((await s.anApiKey({ tenant_id, permissions: ['tenantry.access:check'] })).secret)
    t.equal((await search(checking, 'action', what('user_1'))).status, 200)
    const refused = await search(checking, 'subject', who('read'))
    t.equal(refused.status, 403)
    t.match(refused.body.detail, 'tenantry.membership:read')
    const admin = await s.aMember(tenant_id, 'admin')
    t.equal((await search(admin.caller, 'subject', who('read'))).status, 200)
  },
)
