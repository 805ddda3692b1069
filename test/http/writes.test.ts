// What every write has in common: Idempotency-Key, ETag and If-Match, and the revision it answers.
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { forgetOldAnswers } from '../../src/http/write.ts'
import { type Answer, aService } from '../support/service.ts'

const s = await aService(t)
const DAY_SECONDS = 86_400

const key = (text: string) => ({ 'idempotency-key': text })
/** What a client sees of an answer, but for what names this very request. */
const seen = ({ status, headers, text }: Answer) => {
  const { 'x-request-id': _, date: __, ...rest } = headers
  return { status, headers: rest, text }
}

t.test('the same key and body answer as the first time did, headers and all, and nothing happens again', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const body = { tenant_id, user_id: 'user_vera', email: 'vera@acme.example' }
  const first = await s.root.post('/memberships', body, key('one'))
  t.equal(first.status, 201)
  const revision = await s.revisionOf(tenant_id)
  await s.root.patch(`/memberships/${first.body.id}`, { display_name: 'Vera' })
  s.advance(60)
  t.same(seen(await s.root.post('/memberships', body, key('one'))), seen(first))
  const reordered = { email: body.email, user_id: body.user_id, tenant_id }
  t.same(
    seen(await s.root.post('/memberships', reordered, key('one'))),
    seen(first),
    'the order of fields means nothing',
  )
  t.equal(await s.revisionOf(tenant_id), revision + 1)
})

t.test('a secret is answered again, and is nowhere in the database', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const body = { tenant_id, name: 'back end', permissions: ['invoice:read'] }
  const first = await s.root.post('/api-keys', body, key('secret'))
  t.match(first.body.secret, /^tnt_/)
  t.same(seen(await s.root.post('/api-keys', body, key('secret'))), seen(first))
  const rows = await s.test_database.superuser(
    `select encode(sealed_response, 'escape') as sealed, to_jsonb(k)::text as row from tenantry.idempotency_keys k`,
  )
  t.ok(rows.length > 0)
  for (const { sealed, row } of rows) {
    t.notMatch(sealed, first.body.secret)
    t.notMatch(sealed, 'permissions', 'nothing of the answer can be read')
    t.notMatch(row, first.body.secret)
  }
  t.notMatch(await s.dump(), first.body.secret)
})

t.test('the same key with another body, path or query is refused', async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  const first = await s.root.post('/memberships', { tenant_id: acme.id, user_id: 'user_vera' }, key('body'))
  t.equal(first.status, 201)
  const other = await s.root.post('/memberships', { tenant_id: acme.id, user_id: 'user_otto' }, key('body'))
  t.match(other, { status: 422, body: { code: 'idempotency.mismatch' } })
  t.equal((await s.root.get(`/memberships?tenant_id=${acme.id}`)).body.data.length, 1)
  const [one, two] = [await s.aMembership(acme.id), await s.aMembership(acme.id)]
  t.equal((await s.root.post(`/memberships/${one.id}/suspend`, undefined, key('path'))).status, 200)
  t.equal((await s.root.post(`/memberships/${two.id}/suspend`, undefined, key('path'))).status, 422)
  t.equal((await s.root.get(`/memberships/${two.id}`)).body.status, 'active')
  t.equal(
    (await s.root.post('/memberships', { tenant_id: globex.id, user_id: 'user_vera' }, key('body'))).status,
    201,
    'another tenant',
  )
})

t.test('a key means something for one credential and one operation only', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const other = s.as((await s.anApiKey({ permissions: ['*', 'tenantry.*'] })).secret)
  const body = { tenant_id, user_id: 'user_vera' }
  const first = await s.root.post('/memberships', body, key('mine'))
  t.match(await other.post('/memberships', body, key('mine')), { status: 409, body: { code: 'membership.exists' } })
  const suspended = await s.root.post(`/memberships/${first.body.id}/suspend`, undefined, key('mine'))
  t.match(suspended, { status: 200, body: { status: 'suspended' } })
  const reactivated = await s.root.post(`/memberships/${first.body.id}/reactivate`, undefined, key('mine'))
  t.match(reactivated, { status: 200, body: { status: 'active' } })
})

t.test('two members of a tenant do not share keys, and neither do two tenants', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const [olga, otto] = [await s.aMember(tenant_id, 'owner'), await s.aMember(tenant_id, 'owner')]
  const elsewhere = await s.aMember((await s.aTenant()).id, 'owner')
  const ids = new Set<string>()
  for (const [name, { caller }] of Object.entries({ olga, otto, elsewhere })) {
    const answer = await caller.post('/memberships', { user_id: `user_of_${name}` }, key('same'))
    t.equal(answer.status, 201, name)
    ids.add(answer.body.id)
  }
  t.equal(ids.size, 3)
})

t.test('a key is forgotten after 24 hours, by the clock and in the table', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const body = { tenant_id, user_id: 'user_vera' }
  const first = await s.root.post('/memberships', body, key('day'))
  s.advance(DAY_SECONDS - 1)
  t.same(seen(await s.root.post('/memberships', body, key('day'))), seen(first))
  s.advance(1)
  t.match(await s.root.post('/memberships', body, key('day')), { status: 409, body: { code: 'membership.exists' } })
  const count = async (): Promise<unknown> =>
    (await s.test_database.superuser('select count(*)::int as count from tenantry.idempotency_keys'))[0]?.count
  await s.root.post('/memberships', { tenant_id, user_id: 'user_otto' }, key('day'))
  s.advance(60)
  await forgetOldAnswers(s.service.database, s.now)
  t.equal(await count(), 1)
  s.advance(DAY_SECONDS)
  await forgetOldAnswers(s.service.database, s.now)
  t.equal(await count(), 0)
})

t.test('a request that failed is not kept: with the cause gone, the same request succeeds', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const vera = await s.aMembership(tenant_id, { user_id: 'user_vera' })
  const body = { tenant_id, user_id: 'user_vera' }
  t.equal((await s.root.post('/memberships', body, key('again'))).status, 409)
  await s.root.delete(`/memberships/${vera.id}`)
  t.equal((await s.root.post('/memberships', body, key('again'))).status, 201)
})

t.test('an answer that cannot be opened any more is not made up, and the write is not repeated', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const body = { tenant_id, user_id: 'user_vera' }
  t.equal((await s.root.post('/memberships', body, key('sealed'))).status, 201)
  const present = randomBytes(32)
  const both = await aService(t, { replica_of: s, encryption_keys: { previous: s.encryption_key, present } })
  t.equal((await both.root.post('/memberships', body, key('sealed'))).status, 201)
  const later = await aService(t, { replica_of: s, encryption_keys: { present } })
  t.match(await later.root.post('/memberships', body, key('sealed')), {
    ...{ status: 409, body: { code: 'idempotency.answer_lost' } },
  })
  t.equal(await s.revisionOf(tenant_id), 2)
})

t.test('a kept answer is no way around authentication or rights', async (t) => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const { caller, membership } = await s.aMember(tenant_id, 'admin')
  const body = { user_id: 'user_vera' }
  t.equal((await caller.post('/memberships', body, key('mine'))).status, 201)
  await s.root.patch(`/memberships/${membership.id}`, { roles: ['viewer'] })
  t.match(await caller.post('/memberships', body, key('mine')), { status: 401, body: { code: 'token.stale' } })
  const fresh = s.as(await s.aToken(tenant_id, membership.user_id))
  t.match(await fresh.post('/memberships', body, key('mine')), { status: 403, body: { code: 'permission.missing' } })
  await s.root.post(`/memberships/${membership.id}/suspend`)
  t.equal((await caller.post('/memberships', body, key('mine'))).status, 401)
})

t.test('a key that is no key is refused; operations that take none ignore it', async (t) => {
  const { id } = await s.aTenant()
  for (const text of ['', 'x'.repeat(256)]) {
    t.match((await s.root.post('/tenants', { name: 'X' }, key(text))).body.errors, [
      { pointer: 'header/idempotency-key' },
    ])
  }
  t.equal((await s.root.post('/tenants', { name: 'X' }, key('x'.repeat(255)))).status, 201)
  const long = Array.from({ length: 9_000 }, (_, index) => (index % 36).toString(36)).join('')
  t.equal((await s.root.patch(`/tenants/${id}`, { name: 'One' }, key(long))).status, 200)
  const again = await s.root.patch(`/tenants/${id}`, { name: 'Two' }, key(long))
  t.match(again, { status: 200, body: { name: 'Two' } }, 'nothing was kept of the first')
})

t.test('a write answers the revision that it made, and the tag of what it wrote', async (t) => {
  const { id } = await s.aTenant()
  const changed = await s.root.patch(`/tenants/${id}`, { name: 'Changed' })
  t.match(changed.headers, { 'tenantry-revision': `${id}:2`, etag: '"2"' })
  t.equal(changed.body.revision, 2)
  const created = await s.root.post('/memberships', { tenant_id: id, user_id: 'user_vera' })
  t.match(created.headers, { 'tenantry-revision': `${id}:3`, etag: '"3"' })
  t.equal((await s.root.get(`/tenants/${id}`)).headers.etag, '"2"', 'a tenant is not changed by its members')
  t.equal((await s.root.delete(`/memberships/${created.body.id}`)).headers['tenantry-revision'], `${id}:4`)
  const platform = await s.root.post('/api-keys', { name: 'p', permissions: ['invoice:read'] })
  t.match(platform.headers, { 'tenantry-revision': /^platform:\d+$/, location: `/api-keys/${platform.body.id}` })
})

t.test('with If-Match a change happens only if nothing changed in between', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const member = await s.aMembership(tenant_id)
  const apiKey = await s.anApiKey({ tenant_id })
  const targets: [string, () => Promise<Answer>, (headers: Record<string, string>) => Promise<Answer>][] = [
    [
      'a tenant',
      () => s.root.get(`/tenants/${tenant_id}`),
      (headers) => s.root.patch(`/tenants/${tenant_id}`, { name: 'X' }, headers),
    ],
    [
      'a membership',
      () => s.root.get(`/memberships/${member.id}`),
      (headers) => s.root.patch(`/memberships/${member.id}`, { display_name: 'X' }, headers),
    ],
  ]
  for (const [name, read, change] of targets) {
    const etag = String((await read()).headers.etag)
    for (const stale of ['"0"', `W/${etag}`, '"7777", "0"']) {
      t.match(
        await change({ 'if-match': stale }),
        { status: 412, body: { code: 'precondition.failed' } },
        `${name}: ${stale}`,
      )
    }
    for (const bare of [etag.replaceAll('"', ''), 'nonsense', `"${etag}"`, `${etag}, x`]) {
      t.match(await change({ 'if-match': bare }), {
        ...{
          status: 400,
          body: { code: 'request.invalid', errors: [{ pointer: 'header/If-Match', detail: /quotes/ }] },
        },
      })
    }
    t.equal((await read()).headers.etag, etag, 'nothing changed')
    t.equal((await change({ 'if-match': etag })).status, 200)
    t.equal((await change({ 'if-match': etag })).status, 412, 'that tag is of the past now')
    const fresh = String((await read()).headers.etag)
    t.equal((await change({ 'if-match': `"0" , ${fresh},"abc"` })).status, 200, 'one of a list')
    t.equal((await change({ 'if-match': '*' })).status, 200, 'any')
  }
  t.equal((await s.root.delete(`/api-keys/${apiKey.id}`, { 'if-match': '"0"' })).status, 412)
  t.equal((await s.root.delete(`/memberships/${member.id}`, { 'if-match': '"0"' })).status, 412)
  t.equal((await s.root.delete(`/tenants/${tenant_id}`, { 'if-match': '"0"' })).status, 412)
  t.equal((await s.root.delete(`/api-keys/${apiKey.id}`, { 'if-match': `"${apiKey.revision}"` })).status, 204)
})

t.test('a precondition tells nobody without rights what the tag is', async (t) => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const { caller } = await s.aMember(tenant_id, 'viewer')
  t.equal((await caller.patch(`/tenants/${tenant_id}`, { name: 'X' }, { 'if-match': '"0"' })).status, 403)
})
