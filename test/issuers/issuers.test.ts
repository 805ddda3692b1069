// Trusted issuers: who may name them, and that nobody can have this service ask its own network.
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { guardedFetch, isSafeUrl } from '../../src/issuers/guarded-fetch.ts'
import { type Answer, aService } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const owner = await s.aMember(tenant_id, 'owner')
const admin = await s.aMember(tenant_id, 'admin')
const INPUT = { issuer: 'https://login.example.com', audiences: ['my-application'] }

t.test('a shared issuer and a tenant’s own, from the beginning to the end', async (t) => {
  const shared = await s.root.post('/issuers', { ...INPUT, user_id_prefix: 'corp|' })
  t.match(shared, {
    status: 201,
    headers: { location: `/issuers/${shared.body.id}`, 'tenantry-revision': /^platform:\d+$/ },
    body: {
      ...{ tenant_id: null, jwks_uri: null, algorithms: ['RS256', 'ES256', 'EdDSA'], user_id_claim: 'sub' },
      ...{ user_id_prefix: 'corp|', client_auth_required: false },
    },
  })
  const own = await owner.caller.post('/issuers', INPUT)
  t.match(own, { status: 201, body: { tenant_id, user_id_prefix: `idp:${own.body.id}:` } })
  t.match(await s.root.post('/issuers', INPUT), { status: 409, body: { code: 'issuer.exists' } })
  t.match(await owner.caller.post('/issuers', INPUT), { status: 409, body: { code: 'issuer.exists' } })

  const at = `/issuers/${own.body.id}`
  const { headers } = await owner.caller.get(at)
  const changed = await owner.caller.patch(at, { audiences: ['other'] }, { 'if-match': String(headers.etag) })
  t.match(changed, { status: 200, body: { audiences: ['other'], user_id_prefix: own.body.user_id_prefix } })
  t.equal((await owner.caller.patch(at, { audiences: ['x'] }, { 'if-match': String(headers.etag) })).status, 412)
  const revision = await s.revisionOf(tenant_id)
  t.equal((await owner.caller.patch(at, { audiences: ['other'] })).status, 200)
  t.equal(await s.revisionOf(tenant_id), revision, 'what changes nothing is no event')
  t.match((await owner.caller.get('/issuers')).body.data, [{ id: own.body.id }], 'a tenant sees its own alone')
  t.equal((await owner.caller.get(`/issuers/${shared.body.id}`)).status, 404)
  t.equal((await s.root.get('/issuers')).body.data.length, 2)
  t.equal((await owner.caller.delete(at)).status, 204)
  t.equal((await owner.caller.get(at)).status, 404)
  const { body } = await s.root.get(`/events?tenant_id=${tenant_id}&limit=200`)
  const types = body.data.map(({ type }: { type: string }) => type).filter((type: string) => type.startsWith('issuer.'))
  t.same(types, ['issuer.created', 'issuer.updated', 'issuer.deleted'])
})

t.test('two shared issuers speak for the same people only where somebody says that they do', async (t) => {
  const one = { ...INPUT, issuer: 'https://one.example', user_id_prefix: 'same|' }
  const other = { ...one, issuer: 'https://other.example' }
  t.equal((await s.root.post('/issuers', one)).status, 201)
  t.match(await s.root.post('/issuers', other), { status: 409, body: { code: 'issuer.same_users' } })
  t.equal((await s.root.post('/issuers', { ...other, user_id_prefix: 'other|' })).status, 201)
  t.equal(
    (await s.root.post('/issuers', { ...one, issuer: 'https://moved.example', shares_user_ids: true })).status,
    201,
  )
  t.match(
    await s.root.post('/issuers', { ...INPUT, user_id_prefix: 'api_key:' }),
    { status: 400 },
    'a machine’s prefix',
  )
  t.match(await s.root.post('/issuers', { ...INPUT, issuer: s.issuer }), {
    status: 422,
    body: { code: 'issuer.unsafe' },
  })
  t.match(await s.root.post('/issuers', { ...INPUT, issuer: 'https://localhost.' }), { status: 422 })
})

t.test('only who holds all that an owner does names an issuer: it speaks for owners too', async (t) => {
  const own = (await owner.caller.post('/issuers', { ...INPUT, issuer: 'https://a.example' })).body
  const key = await s.anApiKey({ tenant_id, permissions: ['tenantry.issuer:manage'] })
  const ending = await s.anApiKey({ permissions: ['*', 'tenantry.*'], expires_at: s.instant(3_600) })
  const before = await s.dump()
  const tries: [string, Promise<Answer>][] = [
    ['an admin making one', admin.caller.post('/issuers', INPUT)],
    ['an admin changing one', admin.caller.patch(`/issuers/${own.id}`, { jwks_uri: 'https://evil.example/jwks' })],
    ['an admin removing one', admin.caller.delete(`/issuers/${own.id}`)],
    ['a key with the permission alone', s.as(key.secret).post('/issuers', INPUT)],
    ['rights that end', s.as(ending.secret).post('/issuers', INPUT)],
  ]
  for (const [name, attempt] of tries) t.match(await attempt, { status: 403, body: { code: 'role.exceeds_own' } }, name)
  t.equal(await s.dump(), before)
  t.equal((await admin.caller.get(`/issuers/${own.id}`)).status, 200, 'to see it is enough to be an admin')
})

t.test('a tenant does not choose its prefix, and nobody takes an assigned one', async (t) => {
  for (const user_id_prefix of ['', 'corp|', `idp:${tenant_id}:`]) {
    const answer = await owner.caller.post('/issuers', { ...INPUT, user_id_prefix })
    t.ok([400, 422].includes(answer.status), answer.text)
  }
  t.match(await s.root.post('/issuers', { ...INPUT, issuer: 'https://b.example', user_id_prefix: 'idp:x' }), {
    ...{ status: 422, body: { code: 'issuer.prefix_assigned' } },
  })
  const { id } = (await owner.caller.post('/issuers', { ...INPUT, issuer: 'https://c.example' })).body
  t.equal((await owner.caller.patch(`/issuers/${id}`, { user_id_prefix: 'corp|' })).status, 400)
  t.equal((await owner.caller.patch(`/issuers/${id}`, { issuer: 'https://d.example' })).status, 400)
})

t.test('a tenant trusts ten issuers, and one only once however many ask at the same time', async (t) => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const caller = s.as(await s.aToken(id, 'user_olga'))
  const same = await Promise.all(Array.from({ length: 5 }, () => caller.post('/issuers', INPUT)))
  t.same(same.map(({ status }) => status).sort(), [201, 409, 409, 409, 409])
  for (let number = 1; number < 10; number++) {
    t.equal((await caller.post('/issuers', { ...INPUT, issuer: `https://${number}.example` })).status, 201)
  }
  t.match(await caller.post('/issuers', { ...INPUT, issuer: 'https://x.example' }), {
    body: { code: 'issuer.too_many' },
  })
})

t.test('addresses that are not safe to ask are refused', async (t) => {
  const unsafe = [
    ...[
      'http://login.example.com',
      'http://127.0.0.1',
      'https://127.0.0.1',
      'https://localhost',
      'https://a.localhost',
    ],
    ...[
      'https://10.1.2.3',
      'https://192.168.0.1',
      'https://172.16.0.1',
      'https://169.254.169.254',
      'https://100.64.0.1',
    ],
    ...[
      'https://0.0.0.0',
      'https://[::1]',
      'https://[::]',
      'https://[fe80::1]',
      'https://[fd00::1]',
      'https://[::ffff:10.0.0.1]',
    ],
    ...[
      'https://[64:ff9b::a00:1]',
      'https://[2002:a00:1::]',
      'https://[2001:db8::1]',
      'https://224.0.0.1',
      'https://2130706433',
    ],
    ...['https://0x7f.1', 'https://user:password@login.example.com', 'https://017700000001'],
  ]
  for (const issuer of unsafe) {
    t.equal(isSafeUrl(issuer, false), false, issuer)
    const answer = await s.root.post('/issuers', { ...INPUT, issuer })
    t.match(answer, { status: 422, body: { code: 'issuer.unsafe', errors: [{ pointer: '/issuer' }] } }, issuer)
    const jwks_uri = await s.root.post('/issuers', {
      ...INPUT,
      issuer: 'https://e.example',
      jwks_uri: `${issuer}/jwks`,
    })
    t.match(jwks_uri, { status: 422, body: { errors: [{ pointer: '/jwks_uri' }] } })
  }
  for (const issuer of [
    'ftp://login.example.com',
    'login.example.com',
    'https://a.example?x=1',
    'https://a.example#x',
    '',
  ]) {
    t.match(await s.root.post('/issuers', { ...INPUT, issuer }), { status: 400 }, issuer)
  }
  for (const issuer of ['https://login.example.com', 'https://8.8.8.8:8443/realm', 'https://[2606:4700::1111]']) {
    t.ok(isSafeUrl(issuer, false), issuer)
  }
  t.ok(isSafeUrl('http://localhost:3000', true) && isSafeUrl('http://[::1]', true))
  t.notOk(isSafeUrl('http://10.0.0.1', true) || isSafeUrl('http://login.example.com', true))
})

t.test('the address that is connected to is the one that was checked', async (t) => {
  let asked = 0
  const server = http.createServer((_, response) => {
    asked++
    response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const inside = { address: '127.0.0.1', family: 4 }
  const outside = { address: '93.184.216.34', family: 4 }
  for (const addresses of [[inside], [outside, inside], [{ address: '::ffff:127.0.0.1', family: 6 }], []]) {
    const fetch = guardedFetch({ allow_loopback: false, resolve: async () => addresses })
    const fault = await fetch(`https://login.example.com:${port}/jwks`).catch((error: Error) => error)
    t.match(fault, { message: /login.example.com is at/ }, JSON.stringify(addresses))
  }
  let lookups = 0
  const rebinding = guardedFetch({
    allow_loopback: false,
    resolve: async () => [lookups++ === 0 ? inside : outside],
  })
  await t.rejects(rebinding(`https://login.example.com:${port}/jwks`))
  t.equal(lookups, 1, 'it is looked up once, and nothing is looked up again after the check')
  t.equal(asked, 0)
  const here = guardedFetch({ allow_loopback: true })
  const answer = await here(`http://localhost:${port}/jwks`)
  t.equal(answer.status, 302, 'a redirect is not followed')
  t.equal(asked, 1)
})
