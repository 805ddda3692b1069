// The histories as they are read: gapless, in order, and without anything personal.
import t from 'tap'
import { PLATFORM } from '../../src/database/schema.ts'
import { type Answer, aService, type Caller } from '../support/service.ts'

const s = await aService(t)

interface Event {
  tenant_id: string | null
  revision: number
  type: string
  actor: { type: string; id: string | null }
  data: Record<string, unknown>
  created_at: string
}

const eventsOf = async (caller: Caller, query: string): Promise<Event[]> =>
  (await caller.get(`/events?${query}`)).body.data
const revisions = (events: Event[]): number[] => events.map(({ revision }) => revision)

const walk = async (
  caller: Caller,
  query: string,
  between: () => Promise<unknown> = async () => {},
): Promise<Event[]> => {
  const events: Event[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body }: Answer = await caller.get(`/events?${query}${cursor === '' ? '' : `&cursor=${cursor}`}`)
    events.push(...body.data)
    cursor = body.next_cursor
    await between()
  }
  return events
}

t.test('every change of a tenant is one event, with who did it, when, and what', async (t) => {
  const root_id = (await s.root.get('/api-keys')).body.data[0].id
  const root = { type: 'api_key', id: root_id }
  const { id } = await s.aTenant({ owner: { user_id: 'user_olga', email: 'olga@acme.example' } })
  const olga = (await s.root.get(`/memberships?tenant_id=${id}`)).body.data[0]
  const owner = s.as(await s.aToken(id, 'user_olga'))
  const self = { type: 'membership', id: olga.id }
  s.advance(60)
  const vera = (await owner.post('/memberships', { user_id: 'user_vera', expires_at: s.instant(3_600) })).body
  await owner.patch(`/memberships/${vera.id}`, {
    roles: ['admin', 'viewer'],
    expires_at: null,
    email: 'vera@acme.example',
  })
  await owner.patch(`/memberships/${vera.id}`, { display_name: 'Vera' })
  await owner.post(`/memberships/${vera.id}/suspend`, { reason: 'on leave' })
  await owner.post(`/memberships/${vera.id}/reactivate`)
  await owner.delete(`/memberships/${vera.id}`)
  const key = (await owner.post('/api-keys', { name: 'key', permissions: ['invoice:*'], excludes: ['invoice:void'] }))
    .body
  await owner.delete(`/api-keys/${key.id}`)
  await owner.patch(`/tenants/${id}`, { name: 'Renamed', slug: 'renamed', metadata: { a: 1 } })
  await s.root.post(`/tenants/${id}/suspend`)
  await s.root.post(`/tenants/${id}/reactivate`)
  await s.as(await s.aToken(id, 'user_olga')).delete(`/tenants/${id}`)
  await s.root.post(`/tenants/${id}/restore`)
  const membership_id = vera.id
  const expected = [
    ['tenant.created', root, {}],
    ['membership.created', root, { membership_id: olga.id, roles: ['owner'], expires_at: null }],
    ['membership.created', self, { membership_id, roles: ['member'], expires_at: vera.expires_at }],
    [
      'membership.updated',
      self,
      {
        membership_id,
        changed: ['roles', 'expires_at', 'email'],
        roles: { from: ['member'], to: ['admin', 'viewer'] },
        expires_at: { from: vera.expires_at, to: null },
      },
    ],
    ['membership.updated', self, { membership_id, changed: ['display_name'] }],
    ['membership.suspended', self, { membership_id }],
    ['membership.reactivated', self, { membership_id }],
    ['membership.deleted', self, { membership_id, roles: ['admin', 'viewer'] }],
    [
      'api_key.created',
      self,
      { api_key_id: key.id, permissions: ['invoice:*'], excludes: ['invoice:void'], expires_at: null },
    ],
    ['api_key.deleted', self, { api_key_id: key.id }],
    ['tenant.updated', self, { changed: ['name', 'slug', 'metadata'] }],
    ['tenant.suspended', root, { from: 'active' }],
    ['tenant.reactivated', root, { from: 'suspended' }],
    ['tenant.deletion_scheduled', self, { from: 'active', deletes_at: s.instant(30 * 86_400) }],
    ['tenant.restored', root, { from: 'deletion_scheduled' }],
  ]
  const events = await eventsOf(s.root, `tenant_id=${id}`)
  t.same(
    events.map(({ type, actor, data }) => [type, actor, data]),
    expected,
  )
  t.same(
    revisions(events),
    expected.map((_, index) => index + 1),
    'without a gap',
  )
  t.equal(events.at(-1)?.created_at, s.now.toISOString())
  t.ok(events.every(({ tenant_id }) => tenant_id === id))
})

t.test('what is refused, repeated or only read leaves no event', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const olga = (await s.root.get(`/memberships?tenant_id=${id}`)).body.data[0]
  const before = await s.dump()
  await s.root.delete(`/memberships/${olga.id}`)
  await s.root.post('/memberships', { tenant_id: id, user_id: 'user_olga' })
  await s.root.post('/memberships', { tenant_id: id, user_id: 'user_x', roles: ['king'] })
  await s.root.patch(`/tenants/${id}`, { name: 'X' }, { 'if-match': '"9"' })
  await s.root.post(`/tenants/${id}/reactivate`)
  await s.root.post('/tokens', { tenant_id: id, user_id: 'user_olga' })
  await s.root.get(`/events?tenant_id=${id}`)
  t.equal(await s.dump(), before)
})

t.test('one tenant’s history is read from any revision on, by type, and in pages', async (t) => {
  const { id } = await s.aTenant()
  for (let i = 0; i < 6; i++) await s.aMembership(id)
  await s.root.patch(`/tenants/${id}`, { name: 'X' })
  const all = await eventsOf(s.root, `tenant_id=${id}`)
  t.same(revisions(all), [1, 2, 3, 4, 5, 6, 7, 8])
  t.same(revisions(await eventsOf(s.root, `tenant_id=${id}&after=5`)), [6, 7, 8])
  t.same(await eventsOf(s.root, `tenant_id=${id}&after=8`), [])
  t.same(await eventsOf(s.root, `tenant_id=${id}&after=9007199254740991`), [])
  t.same(revisions(await eventsOf(s.root, `tenant_id=${id}&type=tenant.updated`)), [8])
  t.same(await eventsOf(s.root, `tenant_id=${id}&type=nothing.happened`), [])
  for (const query of ['', '&after=2', '&type=membership.created', '&type=membership.created&after=4']) {
    const whole = await eventsOf(s.root, `tenant_id=${id}${query}`)
    for (const limit of [1, 2, 5])
      t.same(await walk(s.root, `tenant_id=${id}${query}&limit=${limit}`), whole, `${query} ${limit}`)
  }
  for (const query of ['after=-1', 'after=x', 'after=1.5', 'type=Tenant', 'type=tenant', 'type=a.b.c', 'type=%27']) {
    t.equal((await s.root.get(`/events?tenant_id=${id}&${query}`)).status, 400, query)
  }
})

t.test('a tenant’s credential reads its own history and no other', async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  const { caller } = await s.aMember(acme.id, 'admin')
  t.same(await eventsOf(caller, 'limit=200'), await eventsOf(s.root, `tenant_id=${acme.id}`))
  t.same(await walk(caller, 'limit=1'), await eventsOf(s.root, `tenant_id=${acme.id}`))
  t.equal((await caller.get(`/events?tenant_id=${globex.id}`)).status, 404)
})

t.test('without a tenant the platform reads everything, each history in its order', async (t) => {
  const [one, two] = [await s.aTenant(), await s.aTenant()]
  await s.aMembership(two.id)
  await s.aMembership(one.id)
  await s.anApiKey()
  const [counted] = await s.test_database.superuser('select count(*)::int as count from tenantry.events')
  for (const limit of [1, 3, 200]) {
    const events = await walk(s.root, `limit=${limit}`)
    t.equal(events.length, counted?.count, 'all')
    t.equal(new Set(events.map(({ tenant_id, revision }) => `${tenant_id}:${revision}`)).size, events.length, 'once')
    for (const history of new Set(events.map(({ tenant_id }) => tenant_id))) {
      const own = revisions(events.filter(({ tenant_id }) => tenant_id === history))
      t.same(
        own,
        own.map((_, index) => index + 1),
        `${history}`,
      )
    }
  }
  const platform = (await walk(s.root, 'limit=200')).filter(({ tenant_id }) => tenant_id === null)
  t.same(
    platform.slice(0, 3).map(({ type }) => type),
    ['platform.created', 'api_key.created', 'signing_key.created'],
  )
  const after = await s.root.get('/events?after=1')
  t.match(
    after,
    { status: 400, body: { code: 'tenant.required' } },
    'revisions of different histories are not compared',
  )
})

t.test('a list of everything shows the moment of its first page, whatever happens meanwhile', async (t) => {
  const { id } = await s.aTenant()
  const [before] = await s.test_database.superuser('select count(*)::int as count from tenantry.events')
  const events = await walk(s.root, 'limit=7', () => s.aMembership(id))
  t.equal(events.length, before?.count)
  const fresh = await walk(s.root, 'limit=200')
  t.ok(fresh.length > events.length, 'a new list shows the rest')
  t.same(fresh.slice(0, events.length), events)
})

t.test('an event cannot be changed or removed, not even in the platform’s scope', async (t) => {
  const { sql } = await import('drizzle-orm')
  for (const query of [sql`update tenantry.events set data = '{}'`, sql`delete from tenantry.events`]) {
    await t.rejects(
      s.service.database.asPlatform('try', (tx) => tx.execute(query)),
      { cause: { code: '42501' } },
    )
  }
})

t.test('no event anywhere holds an address, a name, a user id or free text', async (t) => {
  const { id } = await s.aTenant({
    ...{
      name: 'Privacy Ltd',
      slug: 'privacy-slug',
      settings: { note: 'setting-text' },
      metadata: { note: 'metadata-text' },
    },
    owner: { user_id: 'user_private', email: 'private@acme.example', display_name: 'Penny Private' },
  })
  const owner = s.as(await s.aToken(id, 'user_private'))
  const member = { user_id: 'user_private_2', email: 'second@acme.example', display_name: 'Second Person' }
  const { body } = await owner.post('/memberships', { ...member, properties: { note: 'property-text' } })
  await owner.patch(`/memberships/${body.id}`, {
    email: 'third@acme.example',
    display_name: 'Third Person',
    properties: { p: 'property-2' },
  })
  await owner.post(`/memberships/${body.id}/suspend`, { reason: 'reason-text' })
  await owner.delete(`/memberships/${body.id}`)
  await owner.patch(`/tenants/${id}`, { name: 'Privacy GmbH', slug: 'privacy-two' })
  await owner.post('/api-keys', { name: 'private key', permissions: ['invoice:read'] })
  await s.root.post(`/tenants/${id}/suspend`, { reason: 'reason-two' })
  const rows = await s.test_database.superuser('select to_jsonb(e)::text as row from tenantry.events e')
  const text = rows.map(({ row }) => row).join('\n')
  const personal = /@acme|user_private|Penny|d Person|Privacy|privacy-|private key|-text|reason-two|property-2/i
  t.equal(personal.exec(text)?.[0], undefined)
  t.equal(personal.exec(JSON.stringify(await walk(s.root, 'limit=200')))?.[0], undefined)
  t.match(text, body.id, 'but the membership is named')
})

t.test('what is personal about an event lies beside it, tied by a commitment', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_beside' } })
  const rows = await s.test_database.superuser(
    `select e.revision::int as revision, e.personal_commitment is not null as committed, p.data, octet_length(p.salt) as salt
     from tenantry.events e left join tenantry.event_personal_data p using (history_id, revision)
     where e.history_id = $1 order by 1`,
    [id],
  )
  t.match(rows, [
    { revision: 1, committed: true, salt: 16, data: { name: String, slug: String } },
    { revision: 2, committed: true, salt: 16, data: { user_id: 'user_beside', email: null } },
  ])
  const orphans = await s.test_database.superuser(
    `select from tenantry.events e left join tenantry.event_personal_data p using (history_id, revision)
     where (e.personal_commitment is null) <> (p.data is null) and e.history_id <> $1`,
    [PLATFORM],
  )
  t.same(orphans, [])
})
