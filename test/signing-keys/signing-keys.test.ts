import { randomBytes } from 'node:crypto'
import { createVerifier } from '@tenantry/client'
import t from 'tap'
import { Problem } from '../../src/errors.ts'
import { Seal } from '../../src/sealing.ts'
import { KeyRing } from '../../src/signing-keys/key-ring.ts'
import { turnKeysIfDue } from '../../src/signing-keys/schedule.ts'
import { eventually } from '../support/downstream.ts'
import { aService, made, type TestService } from '../support/service.ts'

const HOUR = 3_600
const DAY = 24 * HOUR

interface Key {
  kid: string
  status: string
  algorithm: string
}

const keysOf = async (s: TestService): Promise<Key[]> => made(await s.root.get('/signing-keys')).data
const statusesOf = async (s: TestService): Promise<string[]> => (await keysOf(s)).map(({ status }) => status)
const publishedBy = async (s: TestService): Promise<string[]> =>
  (await s.stranger.get('/.well-known/jwks.json')).body.keys.map(({ kid }: { kid: string }) => kid)
const kidOf = (token: string): string => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
const chore = (s: TestService, algorithm: 'ES256' | 'RS256' | 'EdDSA' = 'ES256'): Promise<void> =>
  turnKeysIfDue(s.test_database.database, new Seal(s.encryption_key), algorithm, s.now)
const aUser = async (s: TestService): Promise<{ tenant_id: string; user_id: string }> => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  return { tenant_id: id, user_id: 'user_olga' }
}

t.test('a key lives from next over active and retired until its last token is over', async (t) => {
  const s = await aService(t)
  const { tenant_id, user_id } = await aUser(s)
  const [first] = await keysOf(s)
  const old = await s.aToken(tenant_id, user_id, { ttl_seconds: 3600 })
  await chore(s)
  t.same(await statusesOf(s), ['active'], 'nothing is due at the start')

  s.advance(90 * DAY - HOUR)
  await chore(s)
  await chore(s)
  t.same(await statusesOf(s), ['active', 'next'], 'a successor is announced once, an hour ahead')
  t.equal((await publishedBy(s)).length, 2, 'and published before it signs')
  t.equal(kidOf(await s.aToken(tenant_id, user_id)), first?.kid)

  s.advance(HOUR)
  const last = await s.aToken(tenant_id, user_id, { ttl_seconds: 3600 })
  t.equal(kidOf(last), first?.kid)
  await chore(s)
  t.same(await statusesOf(s), ['retired', 'active'])
  const fresh = await s.aToken(tenant_id, user_id)
  t.equal(kidOf(fresh), (await keysOf(s))[1]?.kid)
  t.equal((await s.as(last).get(`/tenants/${tenant_id}`)).status, 200, 'what the retired key signed is still good')
  t.equal((await s.as(old).get(`/tenants/${tenant_id}`)).status, 401)

  s.advance(HOUR + 60)
  await chore(s)
  t.same(await statusesOf(s), ['active'])
  t.same(await publishedBy(s), [kidOf(fresh)])
})

t.test('turning the keys by hand announces a successor, once', async (t) => {
  const s = await aService(t)
  const first = await s.root.post('/signing-keys/rotate')
  t.equal(first.status, 200)
  t.match(first.headers['tenantry-revision'], /^platform:\d+$/)
  const again = await s.root.post('/signing-keys/rotate')
  t.same(again.body, first.body)
  t.same(await statusesOf(s), ['active', 'next'])
  t.notOk(/"d":|private/.test(first.text), 'private parts never leave')
})

t.test('an emergency throws every key away, on every replica, and revokes what they signed', async (t) => {
  const s = await aService(t)
  const replica = await aService(t, { replica_of: s })
  const { tenant_id, user_id } = await aUser(s)
  await s.root.post('/signing-keys/rotate')
  const before = await keysOf(s)
  const stolen = await replica.aToken(tenant_id, user_id)
  t.equal((await replica.as(stolen).get(`/tenants/${tenant_id}`)).status, 200)

  const { body } = await s.root.post('/signing-keys/rotate', { emergency: true })
  t.match(body.data, [{ status: 'active' }])
  t.equal(body.data.length, 1)
  t.equal((await s.as(stolen).get(`/tenants/${tenant_id}`)).status, 401)
  t.equal((await replica.as(stolen).get(`/tenants/${tenant_id}`)).status, 401, 'the other replica at once too')
  const fresh = await replica.aToken(tenant_id, user_id)
  t.equal(kidOf(fresh), body.data[0].kid, 'which signs with the new key from its next token on')
  t.equal((await s.as(fresh).get(`/tenants/${tenant_id}`)).status, 200)

  const [, payload = ''] = (await replica.root.get('/revocations')).text.split('.')
  const { entries } = JSON.parse(Buffer.from(payload, 'base64url').toString())
  t.same(
    entries.map(({ history, target }: { history: string; target: string }) => `${history} ${target}`).sort(),
    before.map(({ kid }) => `platform key:${kid}`).sort(),
  )
})

t.test('a replica that is followed publishes a new key as soon as it has heard of it', async (t) => {
  const s = await aService(t)
  const replica = await aService(t, { replica_of: s })
  const before = await publishedBy(replica)
  const principal = {
    kind: 'api_key',
    id: 'x',
    tenant_id: null,
    tenant_status: null,
    rights: [],
    by_name: [],
    ends_at: null,
  } as const
  const stream = await replica.service.app.streams.open({ principal, tenant_id: undefined, since: undefined })
  t.teardown(() => stream.destroy())
  const { body } = await s.root.post('/signing-keys/rotate', { emergency: true })
  await eventually(async () => String(await publishedBy(replica)) !== String(before))
  t.same(await publishedBy(replica), [body.data[0].kid])
})

t.test('two emergencies at once leave one key', async (t) => {
  const s = await aService(t)
  const answers = await Promise.all([1, 2, 3].map(() => s.root.post('/signing-keys/rotate', { emergency: true })))
  t.same(
    answers.map(({ status }) => status),
    [200, 200, 200],
  )
  t.same(await statusesOf(s), ['active'])
})

for (const signing_algorithm of ['ES256', 'RS256', 'EdDSA'] as const) {
  t.test(`tokens are signed with ${signing_algorithm} where it is chosen`, async (t) => {
    const s = await aService(t, { signing_algorithm })
    const { tenant_id, user_id } = await aUser(s)
    const token = await s.aToken(tenant_id, user_id)
    t.equal((await s.as(token).get(`/tenants/${tenant_id}`)).status, 200)
    const { keys } = (await s.stranger.get('/.well-known/jwks.json')).body
    t.match(keys, [{ alg: signing_algorithm, use: 'sig', kid: kidOf(token) }])
    t.notOk(JSON.stringify(keys).includes('"d"'))
    const { body } = await s.stranger.get('/.well-known/openid-configuration')
    t.same(body.id_token_signing_alg_values_supported, [signing_algorithm])
    const verifier = createVerifier({
      ...{ issuer: s.issuer, audience: s.issuer, clock: () => s.now, algorithms: [signing_algorithm] },
      keys: (kid) => keys.find((key: Key) => key.kid === kid),
    })
    t.equal((await verifier.verify(token)).user_id, user_id)
  })
}

t.test('another algorithm takes over by announcing a successor', async (t) => {
  const s = await aService(t)
  await aService(t, { replica_of: s, signing_algorithm: 'EdDSA' })
  const both = [
    { algorithm: 'ES256', status: 'active' },
    { algorithm: 'EdDSA', status: 'next' },
  ]
  t.match(await keysOf(s), both)
  s.advance(3_600)
  for (const algorithm of ['ES256', 'EdDSA', 'ES256'] as const) await chore(s, algorithm)
  t.match(await keysOf(s), [
    { algorithm: 'ES256', status: 'retired' },
    { algorithm: 'EdDSA', status: 'active' },
  ])
  t.equal((await keysOf(s)).length, 2, 'replicas that are told different things do not fight over it')
})

t.test('keys are published for an hour after the database went', async (t) => {
  const s = await aService(t)
  const real = s.test_database.database
  const away = new Problem('database.unavailable')
  let isAway = false
  const asPlatform: typeof real.asPlatform = (...asked) => (isAway ? Promise.reject(away) : real.asPlatform(...asked))
  const ring = new KeyRing({ asPlatform } as typeof real, new Seal(s.encryption_key), () => s.now)
  const keys = await ring.publicKeys()
  isAway = true
  s.advance(3_599)
  t.same(await ring.publicKeys(), keys)
  s.advance(1)
  await t.rejects(ring.publicKeys(), away)
})

t.test('a new encryption key takes over from the previous one, and the previous one is needed no more', async (t) => {
  const s = await aService(t)
  const { tenant_id, user_id } = await aUser(s)
  const present = randomBytes(32)
  await t.rejects(aService(t, { replica_of: s, encryption_keys: { present } }), /another TENANTRY_ENCRYPTION_KEY/)
  await aService(t, { replica_of: s, encryption_keys: { previous: s.encryption_key, present } })
  const later = await aService(t, { replica_of: s, encryption_keys: { present } })
  t.ok(await later.aToken(tenant_id, user_id))
})

t.test('only the platform sees and turns the keys', async (t) => {
  const s = await aService(t)
  const { id } = await s.aTenant()
  const { caller } = await s.aMember(id, 'owner')
  const before = await keysOf(s)
  for (const answer of [
    await caller.get('/signing-keys'),
    await caller.post('/signing-keys/rotate', { emergency: true }),
  ]) {
    t.match(answer, { status: 403, body: { code: 'scope.platform_only' } })
  }
  t.same(await keysOf(s), before)
})

t.test('where the clock was set back, a key that another replica made is published all the same', async (t) => {
  const s = await aService(t)
  const replica = await aService(t, { replica_of: s, now: s.now })
  const published = async () => (await replica.stranger.get('/.well-known/jwks.json')).body.keys.length
  t.equal(await published(), 1)
  replica.advance(-86_400)
  made(await s.root.post('/signing-keys/rotate'))
  t.equal(await published(), 2)
})
