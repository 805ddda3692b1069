import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { createVerifier, type TenantryError } from '@tenantry/client'
import t from 'tap'
import type { ApiKeyPrincipal } from '../../src/http/principal.ts'
import { openStream } from '../support/event-stream.ts'
import { aService, type TestService } from '../support/service.ts'

interface Entry {
  history: string
  target: string
  rev: number
  expires_at: string
}

const decode = (
  jws: string,
): { header: Record<string, unknown>; payload: { entries: Entry[]; tenants: string[] | null } } => {
  const [header = '', payload = ''] = jws.split('.')
  return {
    header: JSON.parse(Buffer.from(header, 'base64url').toString()),
    payload: JSON.parse(Buffer.from(payload, 'base64url').toString()),
  }
}

const entriesOf = async (s: TestService, tenant_id: string): Promise<Entry[]> =>
  decode((await s.root.get(`/revocations?tenant_id=${tenant_id}`)).text).payload.entries

const s = await aService(t)
const url = await s.service.app.fastify.listen({ host: '127.0.0.1', port: 0 })

t.test('what narrows access is in the feed at the revision of the change', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const { membership } = await s.aMember(id, 'admin')
  const target = `membership:${membership.id}`
  const path = `/memberships/${membership.id}`
  t.same(await entriesOf(s, id), [], 'creating narrows nothing')

  await s.root.patch(path, { roles: ['admin', 'owner'] })
  await s.root.patch(path, { display_name: 'Vera', expires_at: s.instant(3600) })
  t.match(await entriesOf(s, id), [{ history: id, target, rev: 5 }], 'an end date narrows, another role does not')
  await s.root.patch(path, { roles: ['viewer'] })
  await s.root.patch(path, { expires_at: null })
  t.match(await entriesOf(s, id), [{ target, rev: 6 }], 'a demotion narrows, a later end does not')
  await s.root.post(`${path}/suspend`)
  t.match(await entriesOf(s, id), [{ target, rev: 8 }], 'and so does a suspension')
  await s.root.post(`${path}/reactivate`)
  t.match(await entriesOf(s, id), [{ target, rev: 8 }], 'a reactivation does not')
  await s.root.delete(path)
  const entries = await entriesOf(s, id)
  t.same([entries.length, entries[0]?.rev], [1, 10], 'a removal does; of one target the last entry says it all')
  await s.root.post(`/tenants/${id}/suspend`)
  await s.root.post(`/tenants/${id}/reactivate`)
  t.match((await entriesOf(s, id)).at(-1), { history: id, target: 'tenant', rev: 11 })
})

t.test(
  'a role that gives way to a mightier one makes tokens stale too: they name it, and follow what becomes of it',
  async (t) => {
    const { id } = await s.aTenant()
    const { membership } = await s.aMember(id, 'viewer')
    await s.root.patch(`/memberships/${membership.id}`, { roles: ['member'] })
    t.match(await entriesOf(s, id), [{ history: id, target: `membership:${membership.id}` }])
  },
)

t.test('a revoked key makes the tokens stale that it asked for', async (t) => {
  const { id } = await s.aTenant()
  const key = await s.anApiKey({ tenant_id: id })
  await s.root.delete(`/api-keys/${key.id}`)
  t.match(await entriesOf(s, id), [{ history: id, target: `api_key:${key.id}` }])
})

t.test('an entry goes when no token it concerns can be valid any more', async (t) => {
  const { id } = await s.aTenant()
  await s.root.post(`/tenants/${id}/suspend`)
  const [entry] = await entriesOf(s, id)
  t.equal(entry?.expires_at, s.instant(3660))
  s.advance(3661)
  t.same(await entriesOf(s, id), [])
})

t.test('the snapshot is signed, typed, tagged, and limited to the credential', async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  for (const { id } of [acme, globex]) await s.root.post(`/tenants/${id}/suspend`)
  const ours = await s.root.get('/revocations')
  t.equal(ours.headers['content-type'], 'application/jwt')
  const { header, payload } = decode(ours.text)
  t.match(header, { typ: 'tenantry-revocations+jwt', alg: 'ES256' })
  t.match(payload, { iss: s.issuer, tenants: null })
  t.ok(
    payload.entries.some(({ history }) => history === acme.id) &&
      payload.entries.some(({ history }) => history === globex.id),
  )
  t.equal((await s.root.get('/revocations', { 'if-none-match': String(ours.headers.etag) })).status, 304)

  const key = await s.anApiKey({ tenant_id: acme.id, permissions: ['tenantry.revocation:read'] })
  const theirs = decode((await s.as(key.secret).get('/revocations')).text).payload
  t.same(theirs.tenants, [acme.id])
  t.ok(
    theirs.entries.every(({ history }) => history === acme.id || history === 'platform'),
    'another tenant shows nothing',
  )
  t.equal((await s.as(key.secret).get(`/revocations?tenant_id=${globex.id}`)).status, 404)

  const verifier = createVerifier({
    ...{ issuer: s.issuer, audience: s.issuer },
    keys: async (kid) =>
      (await s.stranger.get('/.well-known/jwks.json')).body.keys.find((key: { kid: string }) => key.kid === kid),
  })
  const refused = await verifier.verify(ours.text).catch((error: TenantryError) => error.reason)
  t.equal(refused, 'type', 'a snapshot never passes as an access token')
})

t.test('the stream begins with a snapshot, tells what happens, and resumes', async (t) => {
  const { id } = await s.aTenant()
  const { membership } = await s.aMember(id)
  const stream = await openStream(`${url}/revocations/stream?tenant_id=${id}`, { key: s.root_api_key })
  t.teardown(() => stream.close())
  t.match(await stream.next(), { event: 'snapshot', data: { entries: [] } })
  await s.root.delete(`/memberships/${membership.id}`)
  const told = await stream.next()
  t.match(told, {
    event: 'revocations',
    data: { entries: [{ history: id, target: `membership:${membership.id}`, rev: 3 }] },
  })
  stream.close()
  await s.root.post(`/tenants/${id}/suspend`)
  const resumed = await openStream(`${url}/revocations/stream?tenant_id=${id}`, {
    key: s.root_api_key,
    last_event_id: told.id,
  })
  t.teardown(() => resumed.close())
  const { event, data } = await resumed.next()
  t.equal(event, 'revocations')
  t.match(data.entries, [{ target: 'tenant' }], 'only what came since')
  s.advance(6)
  t.match(await resumed.next(), { event: 'alive', data: { entries: [] } }, 'silence is broken by signs of life')
})

t.test('a stream of one tenant hears nothing of another', async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  const key = await s.anApiKey({ tenant_id: acme.id, permissions: ['tenantry.revocation:read'] })
  const stream = await openStream(`${url}/revocations/stream`, { key: key.secret })
  t.teardown(() => stream.close())
  await stream.next()
  await s.root.post(`/tenants/${globex.id}/suspend`)
  await s.root.post(`/tenants/${acme.id}/suspend`)
  t.match(await stream.next(), { data: { entries: [{ history: acme.id, target: 'tenant' }] } })
})

t.test('a stream ends when its own credential is revoked', async (t) => {
  const { id } = await s.aTenant()
  const key = await s.anApiKey({ tenant_id: id, permissions: ['tenantry.revocation:read'] })
  const stream = await openStream(`${url}/revocations/stream`, { key: key.secret })
  await stream.next()
  await s.root.delete(`/api-keys/${key.id}`)
  t.match(await stream.next(), { data: { entries: [{ target: `api_key:${key.id}` }] } })
  t.equal(await stream.next().catch((error: Error) => error.message), 'the stream has ended')
  const again = await fetch(`${url}/revocations/stream`, { headers: { authorization: `Bearer ${key.secret}` } })
  t.equal(again.status, 401)
})

/** Reads on until it has ended; signs of life may come before. */
const ends = async (stream: Awaited<ReturnType<typeof openStream>> | undefined): Promise<void> => {
  let isOver = false
  while (!isOver) {
    await stream?.next().catch(({ message }: Error) => {
      isOver = message === 'the stream has ended'
    })
  }
}

t.test('a stream ends after ten minutes, and with its credential', async (t) => {
  const { id } = await s.aTenant()
  const permissions = ['tenantry.revocation:read']
  const lasting = await s.anApiKey({ tenant_id: id, permissions })
  const passing = await s.anApiKey({ tenant_id: id, permissions, expires_at: s.instant(300) })
  const member = await s.aMember(id, 'owner')
  const [first, second, third] = await Promise.all(
    [passing.secret, member.token, lasting.secret].map((key) => openStream(`${url}/revocations/stream`, { key })),
  )
  for (const stream of [first, second, third]) await stream?.next()
  s.advance(299)
  for (const stream of [first, second, third]) t.equal((await stream?.next())?.event, 'alive')
  s.advance(1)
  for (const stream of [first, second]) await ends(stream)
  s.advance(299)
  t.equal((await third?.next())?.event, 'alive')
  s.advance(1)
  await ends(third)
})

const keyOf = (tenant_id: string): ApiKeyPrincipal => ({
  kind: 'api_key',
  id: tenant_id,
  tenant_id,
  tenant_status: 'active',
  rights: [],
  by_name: [],
  ends_at: null,
})

t.test('who does not read is let go', async (t) => {
  const { id } = await s.aTenant()
  const stream = await s.service.app.streams.open({ principal: keyOf(id), tenant_id: id, since: undefined })
  const closed = once(stream, 'close')
  await s.test_database.superuser(
    `insert into tenantry.revocations (history_id, revision, target, expires_at)
     select $1, 1, 'membership:' || each, $2 from generate_series(1, 10000) each`,
    [id, s.instant(3_600)],
  )
  await closed
  t.ok(stream.destroyed)
})

t.test('one credential has so many streams and no more', async (t) => {
  const { id } = await s.aTenant()
  const open = () => s.service.app.streams.open({ principal: keyOf(id), tenant_id: id, since: undefined })
  const opened = await Promise.allSettled(Array.from({ length: 210 }, open))
  const streams = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  t.teardown(() => streams.map((stream) => stream.destroy()))
  t.equal(streams.length, 200, 'however many are asked for at the same moment')
  await t.rejects(open(), { code: 'stream.too_many', status: 429 })
  streams.pop()?.destroy()
  await setImmediate()
  streams.push(await open())
})

t.test('in a database restored from a dump, what lies in the future is old, and its cursors start over', async (t) => {
  const { id } = await s.aTenant()
  const { membership } = await s.aMember(id)
  await s.root.delete(`/memberships/${membership.id}`)
  const future = '9000000000'
  for (const table of ['revocations', 'events']) {
    await s.test_database.superuser(`update tenantry.${table} set xid = '${future}'::xid8 where history_id = $1`, [id])
  }
  const at = `${url}/revocations/stream?tenant_id=${id}`
  const first = await openStream(at, { key: s.root_api_key, last_event_id: `${future}:${future}:` })
  t.teardown(() => first.close())
  const begun = await first.next()
  t.match(begun.data.entries, [{ target: `membership:${membership.id}` }], 'a cursor from elsewhere: everything')
  await s.root.post(`/tenants/${id}/suspend`)
  const second = await openStream(at, { key: s.root_api_key, last_event_id: begun.id })
  t.teardown(() => second.close())
  t.match((await second.next()).data.entries, [{ target: 'tenant' }], 'only what is new')
  const seen: string[] = []
  for (let cursor = ''; ; ) {
    const { body } = await s.root.get(`/events?limit=200${cursor}`)
    for (const { tenant_id, type } of body.data) if (tenant_id === id) seen.push(type)
    if (body.next_cursor === null) break
    cursor = `&cursor=${body.next_cursor}`
  }
  t.same(seen, ['tenant.created', 'membership.created', 'membership.deleted', 'tenant.suspended'])
})

t.test('a hostile Last-Event-ID starts over', async (t) => {
  for (const last_event_id of ['x', '9:3:', '1/9:3:', '1/1:2:5', '1/-1:2:', '99/1:1:']) {
    const stream = await openStream(`${url}/revocations/stream`, { key: s.root_api_key, last_event_id })
    t.equal((await stream.next()).event, 'snapshot', last_event_id)
    stream.close()
  }
})

t.test('a commit of this process wakes the stream, and nothing is wrong with that', async (t) => {
  t.notOk(s.logged.some(({ msg }) => msg === 'cannot follow what other replicas change'))
})
