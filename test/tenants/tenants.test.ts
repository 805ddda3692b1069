// Tenants: their states, what each lets happen, and the end; and their slugs.
import t from 'tap'
import { eraseDueTenants } from '../../src/tenants/erasure.ts'
import { isReserved, slugCandidates } from '../../src/tenants/slugs.ts'
import { type Answer, aService, type Caller, made } from '../support/service.ts'

const s = await aService(t)
const DAY_SECONDS = 86_400
const GRACE_SECONDS = 30 * DAY_SECONDS

type Move = 'suspend' | 'reactivate' | 'restore' | 'delete'
const move = (id: string, to: Move, headers?: Record<string, string>, caller: Caller = s.root): Promise<Answer> =>
  to === 'delete' ? caller.delete(`/tenants/${id}`, headers) : caller.post(`/tenants/${id}/${to}`, undefined, headers)
const erase = (): Promise<number> => eraseDueTenants(s.service.database, s.now)

t.test('a tenant is created with what was given, and defaults for the rest', async (t) => {
  const plain = await s.root.post('/tenants', { name: 'Plain' })
  t.equal(plain.status, 201)
  t.same(plain.body, {
    ...{
      id: plain.body.id,
      slug: 'plain',
      name: 'Plain',
      status: 'active',
      settings: {},
      metadata: {},
      role_set: null,
      trust_caller_properties: false,
      deletes_at: null,
    },
    ...{ revision: 1, created_at: s.now.toISOString(), updated_at: s.now.toISOString() },
  })
  t.match(plain.body.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
  t.match(plain.headers, {
    location: `/tenants/${plain.body.id}`,
    etag: '"1"',
    'tenantry-revision': `${plain.body.id}:1`,
  })
  const settings = { theme: { color: '#fff', list: [1, 'a', null, true, 1.5] } }
  const full = await s.root.post('/tenants', { name: 'Full', slug: 'full', settings, metadata: { crm: 'x-1' } })
  t.match(full.body, { slug: 'full', settings, metadata: { crm: 'x-1' } })
  t.same((await s.root.get(full.headers.location as string)).body, full.body)
})

t.test('a name is text that can be seen', async (t) => {
  for (const name of ['', '   ', '\u00a0', 'a\u0001', '\u0001', 'a\nb', 'a\u007f', 'a\u0085b', 'x'.repeat(201)]) {
    t.match((await s.root.post('/tenants', { name })).body, { errors: [{ pointer: '/name' }] }, JSON.stringify(name))
  }
  for (const name of ['.', ' Padded ', '株式会社', 'zero\u200dwidth', 'x'.repeat(200)]) {
    t.equal((await s.root.post('/tenants', { name })).body.name, name)
  }
})

t.test('the first owner comes with the tenant, in the same moment', async (t) => {
  const owner = { user_id: 'user_olga', email: 'olga@acme.example', display_name: 'Olga' }
  const { headers, body } = await s.root.post('/tenants', { name: 'Owned', owner })
  t.equal(headers['tenantry-revision'], `${body.id}:2`)
  const { data } = (await s.root.get(`/memberships?tenant_id=${body.id}`)).body
  t.match(data, [{ ...owner, roles: ['owner'], status: 'active', expires_at: null, revision: 2 }])
  t.equal((await s.root.post('/tenants', { name: 'X', owner: { ...owner, roles: ['viewer'] } })).status, 400)
})

t.test('what is given replaces what was there, and nothing else', async (t) => {
  const { id } = await s.aTenant({ name: 'Before', settings: { a: 1, b: 2 }, metadata: { m: 1 } })
  s.advance(60)
  const { body } = await s.root.patch(`/tenants/${id}`, { settings: { c: 3 } })
  t.match(body, { name: 'Before', metadata: { m: 1 }, revision: 2, updated_at: s.now.toISOString() })
  t.same(body.settings, { c: 3 })
  t.not(body.created_at, body.updated_at)
  t.equal((await s.root.patch(`/tenants/${id}`, {})).status, 400, 'nothing is no change')
  t.equal((await s.root.patch(`/tenants/${id}`, { status: 'suspended' })).status, 400)
})

/** How a tenant comes into a state, and where each move leads from there. */
const STATES: Record<string, { by: Move[]; leads: Record<Move, string | 'conflict'> }> = {
  active: {
    by: [],
    leads: { suspend: 'suspended', reactivate: 'active', delete: 'deletion_scheduled', restore: 'active' },
  },
  suspended: {
    by: ['suspend'],
    leads: { suspend: 'suspended', reactivate: 'active', delete: 'deletion_scheduled', restore: 'conflict' },
  },
  deletion_scheduled: {
    by: ['delete'],
    leads: { suspend: 'conflict', reactivate: 'conflict', delete: 'deletion_scheduled', restore: 'active' },
  },
}
const WAYS = Object.entries(STATES).flatMap(([from, { by, leads }]) =>
  Object.entries(leads).map(([to, expected]) => ({ from, by, to: to as Move, expected })),
)

t.test('each state leads where it may, and answers every other way with a conflict', async (t) => {
  for (const { from, by, to, expected } of WAYS) {
    const { id } = await s.aTenant()
    for (const step of by) await move(id, step)
    const before = await s.revisionOf(id)
    const { status, body } = await move(id, to)
    const isConflict = expected === 'conflict'
    const changes = !isConflict && expected !== from
    t.equal(isConflict ? status : body.status, isConflict ? 409 : expected, `${to} when ${from}`)
    t.equal(await s.revisionOf(id), before + (changes ? 1 : 0), `${to} when ${from}: revision`)
    t.equal((await s.root.get(`/tenants/${id}`)).body.status, isConflict ? from : expected)
  }
})

t.test('a move is repeatable: the second time changes nothing and answers the same', async (t) => {
  const { id } = await s.aTenant()
  for (const to of ['suspend', 'reactivate', 'delete', 'restore'] as const) {
    const first = await move(id, to)
    s.advance(5)
    const second = await move(id, to)
    t.same(second.body, first.body, to)
    t.same(second.headers['tenantry-revision'], first.headers['tenantry-revision'])
  }
})

t.test('a move takes a reason, which is kept beside the history and not in it', async (t) => {
  const { id } = await s.aTenant()
  const reason = 'Invoice 4711 of Vera Example is overdue'
  t.equal((await s.root.post(`/tenants/${id}/suspend`, { reason })).status, 200)
  t.equal((await s.root.post(`/tenants/${id}/suspend`, { reason: '' })).status, 400)
  t.equal((await s.root.post(`/tenants/${id}/suspend`, { note: 'x' })).status, 400)
  t.match(
    await s.test_database.superuser(
      'select data from tenantry.event_personal_data where history_id = $1 and revision = 2',
      [id],
    ),
    [{ data: { reason } }],
  )
  t.notMatch((await s.root.get(`/events?tenant_id=${id}`)).text, '4711')
})

t.test('If-Match guards every move', async (t) => {
  const { id } = await s.aTenant()
  for (const to of ['suspend', 'reactivate', 'delete', 'restore'] as const) {
    const { etag } = (await s.root.get(`/tenants/${id}`)).headers
    t.equal((await move(id, to, { 'if-match': '"999"' })).status, 412, to)
    t.equal((await s.root.get(`/tenants/${id}`)).headers.etag, etag)
    t.ok((await move(id, to, { 'if-match': String(etag) })).status < 300, to)
  }
})

t.test('credentials of a suspended tenant can read the tenant, and nothing more', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const owner = s.as(await s.aToken(id, 'user_olga'))
  const key = s.as(
    (await s.anApiKey({ tenant_id: id, permissions: ['*', 'tenantry.*', 'tenantry.token:issue'] })).secret,
  )
  const { id: mine } = (await s.root.get(`/memberships?tenant_id=${id}`)).body.data[0]
  for (const to of ['suspend', 'delete'] as const) {
    made({ ...(await move(id, to)), status: 200 })
    for (const caller of [owner, key]) {
      t.equal((await caller.get(`/tenants/${id}`)).status, 200)
      const tries: [string, () => Promise<Answer>][] = [
        ['change it', () => caller.patch(`/tenants/${id}`, { name: 'X' })],
        ['delete it', () => caller.delete(`/tenants/${id}`)],
        ['list members', () => caller.get('/memberships')],
        ['read oneself', () => caller.get(`/memberships/${mine}`)],
        ['leave', () => caller.delete(`/memberships/${mine}`)],
        ['add a member', () => caller.post('/memberships', { user_id: 'user_x' })],
        ['make a key', () => caller.post('/api-keys', { name: 'x', permissions: ['invoice:read'] })],
        ['read events', () => caller.get('/events')],
        ['read roles', () => caller.get('/roles')],
      ]
      for (const [name, attempt] of tries) {
        t.match(await attempt(), { status: 403, body: { code: 'tenant.suspended' } }, `${to}: ${name}`)
      }
      const asked = await caller.post('/access/v1/evaluation', {
        ...{
          subject: { type: 'user', id: 'user_olga' },
          action: { name: 'read' },
          resource: { type: 'invoice', id: 'x' },
        },
        context: { explain: true },
      })
      const code = to === 'suspend' ? 'tenant_suspended' : 'tenant_deletion_scheduled'
      t.match(asked, { status: 200, body: { decision: false, context: { reason: { code } } } })
    }
    t.match(await key.post('/tokens', { user_id: 'user_olga' }), { status: 403, body: { code: 'tenant.suspended' } })
    t.match(await s.root.post('/tokens', { tenant_id: id, user_id: 'user_olga' }), {
      status: 409,
      body: { code: 'tenant.not_active' },
    })
  }
  await move(id, 'restore')
  t.equal((await key.get('/memberships')).status, 200, 'and all is as it was afterwards')
  t.match(await owner.get('/memberships'), { status: 401, body: { code: 'token.stale' } }, 'but for older tokens')
  t.equal((await s.as(await s.aToken(id, 'user_olga')).get('/memberships')).status, 200)
})

t.test('the platform can put a suspended tenant in order, but not one on its way out', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  await move(id, 'suspend')
  t.equal((await s.root.patch(`/tenants/${id}`, { name: 'In order' })).status, 200)
  t.equal((await s.root.post('/memberships', { tenant_id: id, user_id: 'user_x' })).status, 201)
  await move(id, 'delete')
  for (const attempt of [
    s.root.patch(`/tenants/${id}`, { name: 'X' }),
    s.root.post('/memberships', { tenant_id: id, user_id: 'user_y' }),
    s.root.post('/api-keys', { tenant_id: id, name: 'x', permissions: ['invoice:read'] }),
  ]) {
    t.match(await attempt, { status: 409, body: { code: 'tenant.not_writable' } })
  }
})

t.test('the owner may end the tenant, an admin may not, and only the platform takes it back', async (t) => {
  const { id } = await s.aTenant()
  const [owner, admin] = [await s.aMember(id, 'owner'), await s.aMember(id, 'admin')]
  t.equal((await move(id, 'delete', undefined, admin.caller)).status, 403)
  const answer = await move(id, 'delete', undefined, owner.caller)
  t.match(answer, { status: 202, body: { status: 'deletion_scheduled', deletes_at: s.instant(GRACE_SECONDS) } })
  t.match(await move(id, 'restore', undefined, owner.caller), { status: 403, body: { code: 'scope.platform_only' } })
  t.match(await move(id, 'restore'), { status: 200, body: { status: 'active', deletes_at: null } })
  t.equal((await s.as(await s.aToken(id, owner.membership.user_id)).get('/memberships')).status, 200)
})

t.test('lists of tenants are filtered by state, slug and text', async (t) => {
  const token = `needle${Date.now() % 1000}`
  const one = await s.aTenant({ name: `${token} 100%_\\ One`, slug: `${token}-one` })
  const two = await s.aTenant({ name: `Two ${token.toUpperCase()}` })
  await move(two.id, 'suspend')
  const ids = async (query: string): Promise<string[]> =>
    (await s.root.get(`/tenants?limit=200&${query}`)).body.data.map(({ id }: { id: string }) => id)
  t.same(await ids(`q=${token}`), [one.id, two.id], 'in any case')
  t.same(await ids(`q=${token}&status=suspended`), [two.id])
  t.same(await ids(`slug=${token}-one`), [one.id])
  t.same(await ids(`q=${encodeURIComponent('100%_\\')}`), [one.id], 'signs of a pattern are plain text')
  t.same(await ids(`q=${token}${encodeURIComponent('%')}`), [])
  t.same(await ids(`q=${encodeURIComponent("' or 1=1 --")}`), [])
  t.equal((await s.root.get('/tenants?status=gone')).status, 400)
})

t.test('after 30 days a tenant is erased, and not a moment before', async (t) => {
  const { id } = await s.aTenant()
  await move(id, 'delete')
  s.advance(GRACE_SECONDS - 0.001)
  await erase()
  t.equal((await s.root.get(`/tenants/${id}`)).body.status, 'deletion_scheduled')
  t.equal((await move(id, 'restore')).status, 200, 'to the last moment')
  await move(id, 'delete')
  s.advance(GRACE_SECONDS)
  t.match(await move(id, 'restore'), { status: 409, body: { code: 'tenant.not_restorable' } }, 'from then on too late')
  t.ok((await erase()) > 0)
  t.equal(await erase(), 0, 'once')
  t.equal((await s.root.get(`/tenants/${id}`)).body.status, 'erased')
})

t.test('an erased tenant has lost everything personal, every row and every right; its history goes on', async (t) => {
  const secrets = {
    name: 'Doomed Industries',
    slug: 'doomed',
    settings: { boss: 'Vera Doom' },
    metadata: { crm: 'doom-1' },
  }
  const tenant = await s.aTenant({
    ...secrets,
    owner: { user_id: 'user_doom', email: 'doom@doomed.example', display_name: 'Vera Doom' },
  })
  const { id } = tenant
  const token = await s.aToken(id, 'user_doom')
  const key = await s.anApiKey({ tenant_id: id, name: 'doomed key' })
  await s
    .as(token)
    .post('/memberships', { user_id: 'user_doom_2', email: 'two@doomed.example' }, { 'idempotency-key': 'x' })
  await s.root.post(`/tenants/${id}/suspend`, { reason: 'Vera Doom asked' })
  await move(id, 'delete')
  const bystander = await s.aTenant({ owner: { user_id: 'user_doom', email: 'doom@elsewhere.example' } })
  const untouched = await s.dump(bystander.id)
  const before = (await s.root.get(`/events?tenant_id=${id}`)).body.data
  s.advance(GRACE_SECONDS)
  t.equal(await erase(), 1)

  t.match((await s.root.get(`/tenants/${id}`)).body, {
    ...{ id, status: 'erased', name: 'Erased', slug: `erased-${id}`, settings: {}, metadata: {}, deletes_at: null },
  })
  const left = await s.dump(id)
  t.notMatch(left, /doom@|two@|user_doom|Vera|Doomed Industries|doom-1|doomed key/i, 'nothing personal anywhere')
  t.same(
    [...new Set(left.split('\n').map((line) => line.split(' ')[0]))],
    ['events', 'histories', 'revocations', 'slugs', 'tenants'],
  )
  const events = (await s.root.get(`/events?tenant_id=${id}`)).body.data
  t.same(events.slice(0, -1), before, 'what was written stays')
  t.match(events.at(-1), {
    type: 'tenant.erased',
    revision: before.length + 1,
    actor: { type: 'system', id: null },
    data: {},
  })
  t.equal((await s.as(token).get(`/tenants/${id}`)).status, 401)
  t.equal((await s.as(key.secret).get(`/tenants/${id}`)).status, 401)
  t.equal(await s.dump(bystander.id), untouched, 'the same person elsewhere is untouched')

  for (const to of ['suspend', 'reactivate', 'delete', 'restore'] as const)
    t.equal((await move(id, to)).status, 409, to)
  t.equal((await s.root.patch(`/tenants/${id}`, { name: 'Back' })).status, 409)
  t.equal((await s.root.post('/memberships', { tenant_id: id, user_id: 'user_x' })).status, 409)
  t.equal((await s.root.post('/tokens', { tenant_id: id, user_id: 'user_doom' })).status, 404)
  t.equal((await s.root.post('/tenants', { name: 'New', slug: 'doomed' })).status, 409, 'its slug rests for 90 days')
  s.advance(90 * DAY_SECONDS + 1)
  t.equal((await s.root.post('/tenants', { name: 'New', slug: 'doomed' })).status, 201)
})

// Slugs: what may be one, how one is made from a name, and how long one that was given up stays out of reach.

const create = (name: string, slug?: string): Promise<Answer> =>
  s.root.post('/tenants', { name, ...(slug && { slug }) })
const rename = (id: string, slug: string): Promise<Answer> => s.root.patch(`/tenants/${id}`, { slug })

t.test('a slug is made from the name, in letters that an address can have', async (t) => {
  for (const [name, slug] of [
    ['Acme', 'acme'],
    ['Acme & Söhne GmbH', 'acme-and-soehne-gmbh'],
    ['  Größe Straße  ', 'groesse-strasse'],
    ['Žluťoučký kůň', 'zlutoucky-kun'],
    ['Ελλάδα', 'ellada'],
    ['Москва', 'moskva'],
    ['AcmeCorp 2.0', 'acmecorp-2-0'],
    ["O'Reilly / Media", 'o-reilly-media'],
    ['xn--bcher-kva', 'xn-bcher-kva'],
    ['--Hooli--', 'hooli'],
  ] as const) {
    const { status, body } = await create(name)
    t.equal(status, 201, name)
    t.equal(body.slug, slug)
    t.equal(body.name, name, 'the name stays as it was written')
  }
})

t.test('a name without such letters still gets a slug, and so does a very long one', async (t) => {
  for (const name of ['株式会社', '🦊', '...', '-', "'"])
    t.match((await create(name)).body.slug, /^tenant-[a-z0-9]{6}$/, name)
  const long = await create('Donaudampfschifffahrtsgesellschaft '.repeat(5).trim())
  t.equal(long.status, 201)
  t.ok(long.body.slug.length <= 63)
  t.match(long.body.slug, /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/)
})

t.test('a derived slug that is taken or reserved gets a suffix; one that was asked for does not', async (t) => {
  t.equal((await create('Globex')).body.slug, 'globex')
  const second = await create('Globex')
  t.match(second.body.slug, /^globex-[23456789a-hjkmnp-z]{6}$/)
  t.not((await create('globex')).body.slug, second.body.slug)
  t.match((await create('Admin')).body.slug, /^admin-[a-z0-9]{6}$/)
  t.match(await create('Other', 'globex'), { status: 409, body: { code: 'tenant.slug_taken' } })
  const reserved = await create('Other', 'www')
  t.match(reserved, { status: 422, body: { code: 'tenant.slug_reserved', errors: [{ pointer: '/slug' }] } })
})

t.test('every slug that could be derived fits the contract', async (t) => {
  const shape = /^(?!..--)[a-z0-9]([a-z0-9-]*[a-z0-9])?$/
  for (const name of [
    'ab--cd',
    'a - - b',
    'x'.repeat(200),
    `${'x'.repeat(49)} y`,
    `${'ß'.repeat(49)}`,
    '_',
    'a_b',
    'API',
    '1',
  ]) {
    const candidates = slugCandidates(name)
    for (let i = 0; i < 3; i++) {
      const { value } = candidates.next()
      t.match(value, shape, name)
      t.ok(String(value).length <= 63)
      t.notOk(isReserved(String(value)))
    }
  }
})

t.test('a slug is a DNS label', async (t) => {
  for (const slug of [
    'Acme',
    'a b',
    '-a',
    'a-',
    'a_b',
    'a.b',
    'ä',
    'xn--bcher-kva',
    'ab--c',
    '',
    'a'.repeat(64),
    'a\n',
    'a/b',
  ]) {
    t.equal((await s.root.post('/tenants', { name: 'X', slug })).status, 400, slug)
  }
  for (const slug of ['a', '1', 'a'.repeat(63), 'a-b-1', 'abc--d', '0x'])
    t.equal((await create('X', slug)).body.slug, slug)
})

t.test('words that hosts and products use themselves are reserved', async (t) => {
  const { id } = await s.aTenant()
  for (const slug of [
    'www',
    'api',
    'admin',
    'login',
    'oauth',
    'mail',
    'tenantry',
    'static',
    'localhost',
    'null',
    'undefined',
  ]) {
    t.equal((await create('X', slug)).body.code, 'tenant.slug_reserved', slug)
    t.equal((await rename(id, slug)).body.code, 'tenant.slug_reserved', slug)
  }
  t.equal((await create('X', 'www-acme')).status, 201)
})

t.test('a slug is one tenant’s at a time, and a refused change changes nothing', async (t) => {
  const [one, two] = [await s.aTenant({ slug: 'one' }), await s.aTenant({ slug: 'two' })]
  t.match(await rename(two.id, 'one'), { status: 409, body: { code: 'tenant.slug_taken' } })
  t.equal((await s.root.get(`/tenants/${two.id}`)).body.slug, 'two')
  t.equal(await s.revisionOf(two.id), 1)
  t.equal((await rename(one.id, 'one')).status, 200, 'its own')
  t.same(
    (await s.root.get('/tenants?slug=one')).body.data.map(({ id }: { id: string }) => id),
    [one.id],
  )
})

t.test('a tenant keeps the last five slugs that it gave up from others, and no more', async (t) => {
  const { id } = await s.aTenant({ name: 'Hoarder', slug: 'name-0' })
  for (let number = 1; number <= 7; number++) {
    s.advance(1)
    t.equal((await s.root.patch(`/tenants/${id}`, { slug: `name-${number}` })).status, 200)
  }
  const statuses = []
  for (let number = 0; number <= 7; number++) {
    statuses.push((await s.root.post('/tenants', { name: 'Other', slug: `name-${number}` })).status)
  }
  t.same(statuses, [201, 201, 409, 409, 409, 409, 409, 409])
})

t.test('a slug that was given up stays out of reach for 90 days, but not for who gave it up', async (t) => {
  const [old, other] = [await s.aTenant({ slug: 'acorn' }), await s.aTenant()]
  t.equal((await rename(old.id, 'oak')).status, 200)
  t.match(await create('New', 'acorn'), { status: 409, body: { code: 'tenant.slug_taken' } })
  t.equal((await rename(other.id, 'acorn')).status, 409)
  t.match((await create('Acorn')).body.slug, /^acorn-/)
  t.same((await s.root.get('/tenants?slug=acorn')).body.data, [], 'it leads to nobody')
  t.equal((await rename(old.id, 'acorn')).status, 200, 'back to its own old one')
  t.equal((await rename(old.id, 'oak')).status, 200, 'and to the one from between')
  s.advance(90 * DAY_SECONDS)
  t.equal((await rename(other.id, 'acorn')).status, 409, 'not until the 90 days are over')
  s.advance(1)
  t.equal((await rename(other.id, 'acorn')).status, 200)
  t.match(await rename(old.id, 'acorn'), { status: 409 }, 'now it is somebody else’s')
})

t.test('a slug chosen in a request that fails is free again', async (t) => {
  const weak = s.as((await s.anApiKey({ permissions: ['tenantry.tenant:create'] })).secret)
  t.equal((await weak.post('/tenants', { name: 'X', slug: 'phoenix', owner: { user_id: 'user_x' } })).status, 403)
  t.equal((await create('X', 'phoenix')).status, 201)
})

t.test('what looks like the name of an erased tenant is a slug like any other', async (t) => {
  const { id } = await s.aTenant({ slug: 'ghost' })
  t.equal((await create('X', `erased-${id}`)).status, 201)
})
