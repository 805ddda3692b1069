// API keys: what a secret looks like, what is kept of it, and how a key ends.
import { createHash } from 'node:crypto'
import t from 'tap'
import { ApiKeys } from '../../src/api-keys/authentication.ts'
import { hashOf, hintOf, isSecret, makeSecret } from '../../src/api-keys/secrets.ts'
import type { Database } from '../../src/database/scope.ts'
import { Attempts } from '../../src/http/attempts.ts'
import { preparePlatform } from '../../src/platform.ts'
import { Seal } from '../../src/sealing.ts'
import { aService } from '../support/service.ts'

const s = await aService(t)
const { cache } = s.service.app.memory
const attempts = new Attempts({ most: 0, clock: () => s.now, log: { warn: () => {} } })
const SHAPE = /^tnt_[0-9A-Za-z]{49}$/

t.test('a secret has 256 random bits in letters and digits, and a checksum', async (t) => {
  const secrets = Array.from({ length: 200 }, makeSecret)
  t.equal(new Set(secrets).size, 200)
  for (const secret of secrets) {
    t.match(secret, SHAPE)
    t.ok(isSecret(secret))
  }
})

t.test('one wrong character, or two that changed places, is no secret', async (t) => {
  const secret = makeSecret()
  for (let at = 0; at < secret.length; at++) {
    const other = secret[at] === 'x' ? 'y' : 'x'
    t.notOk(isSecret(secret.slice(0, at) + other + secret.slice(at + 1)), `character ${at}`)
    const [one, two] = [secret[at], secret[at + 1]]
    if (two === undefined || one === two) continue
    t.notOk(isSecret(secret.slice(0, at) + two + one + secret.slice(at + 2)), `characters ${at} and ${at + 1}`)
  }
  for (const wrong of [
    secret.slice(0, -1),
    `${secret}0`,
    ` ${secret}`,
    secret.toUpperCase(),
    secret.slice(4),
    '',
    `tnt_${'0'.repeat(49)}`,
  ]) {
    t.notOk(isSecret(wrong), wrong)
  }
})

t.test('a mistyped key is refused without asking the database', async (t) => {
  const asked: string[] = []
  const counting = {
    call: async ({ name }: { name: string }) => {
      asked.push(name)
      return null
    },
  } as unknown as Database
  const root = { hash: hashOf(s.root_api_key), principal: { kind: 'api_key' } as never }
  const keys = new ApiKeys({ database: counting, clock: () => s.now, root, cache, attempts })
  await keys.find(makeSecret(), '192.0.2.1')
  t.same(asked, ['find_api_key'], 'a well-formed one is looked up')

  const { id: tenant_id } = await s.aTenant()
  const { secret } = await s.anApiKey({ tenant_id })
  const typo = secret.slice(0, -1) + (secret.endsWith('x') ? 'y' : 'x')
  const { service } = s
  const original = service.database.call.bind(service.database)
  let calls = 0
  service.database.call = (...args) => {
    calls++
    return original(...args)
  }
  t.match(await s.as(typo).get('/roles'), { status: 401, body: { code: 'credential.invalid' } })
  t.match(await s.as('tnt_short').get('/roles'), { status: 401, body: { code: 'credential.invalid' } })
  t.equal(calls, 0)
  t.equal((await s.as(secret).get('/roles')).status, 200)
  t.equal(calls, 1)
  service.database.call = original
})

t.test('a key is shown whole once, and never again', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const input = {
    tenant_id,
    name: 'back end',
    permissions: ['invoice:*', 'tenantry.api_key:read'],
    excludes: ['invoice:void'],
  }
  const made = await s.root.post('/api-keys', { ...input, expires_at: s.instant(60) })
  t.equal(made.status, 201)
  const { secret, ...shown } = made.body
  t.match(secret, SHAPE)
  t.same(shown, {
    ...{ ...input, id: shown.id, hint: secret.slice(-4), root: false, expires_at: s.instant(60), last_used_at: null },
    ...{ created_at: s.now.toISOString(), revision: 2 },
  })
  t.same((await s.root.get(`/api-keys/${shown.id}`)).body, shown)
  const list = await s.as(secret).get('/api-keys')
  t.same(list.body.data, [shown])
  t.notMatch(list.text, secret.slice(0, -4))
  t.notMatch((await s.root.get('/api-keys?limit=200')).text, /tnt_|"secret"|"hash"/)
})

t.test('of a secret only the hash is stored', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const { id, secret } = await s.anApiKey({ tenant_id })
  const [row] = await s.test_database.superuser(
    `select encode(hash, 'hex') as hash, to_jsonb(k)::text as row from tenantry.api_keys k where id = $1`,
    [id],
  )
  t.equal(row?.hash, createHash('sha256').update(secret).digest('hex'))
  t.notMatch(await s.dump(), secret)
  t.notMatch(await s.dump(), s.root_api_key)
})

t.test('a key ends at its very millisecond', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const key = s.as((await s.anApiKey({ tenant_id, expires_at: s.instant(10) })).secret)
  s.advance(9.999)
  t.equal((await key.get('/roles')).status, 200)
  s.advance(0.001)
  t.match(await key.get('/roles'), { status: 401, body: { code: 'credential.invalid' } })
  const past = { name: 'x', permissions: ['invoice:read'], expires_at: s.instant(0) }
  t.match(await s.root.post('/api-keys', past), { status: 422, body: { code: 'expires_at.past' } })
})

t.test('a revoked key stops at once, and a key may revoke itself', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const key = await s.anApiKey({ tenant_id })
  t.equal((await s.as(key.secret).get('/roles')).status, 200)
  t.equal((await s.as(key.secret).delete(`/api-keys/${key.id}`)).status, 204)
  t.match(await s.as(key.secret).get('/roles'), { status: 401, body: { code: 'credential.invalid' } })
  t.equal((await s.root.delete(`/api-keys/${key.id}`)).status, 404)
})

t.test('when a key was last used is written down now and then, to the minute, and never goes back', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const { id, secret } = await s.anApiKey({ tenant_id })
  const lastUsed = async (): Promise<string | null> => (await s.root.get(`/api-keys/${id}`)).body.last_used_at
  await s.as(secret).get('/roles')
  t.equal(await lastUsed(), null, 'not in the request itself')
  const minute = new Date(Math.floor(s.now.getTime() / 60_000) * 60_000).toISOString()
  await s.service.app.api_keys.flush()
  t.equal(await lastUsed(), minute)
  const revision = await s.revisionOf(tenant_id)
  s.advance(3_600)
  await s.as(secret).get('/roles')
  await s.service.app.api_keys.flush()
  t.equal(await lastUsed(), new Date(Date.parse(minute) + 3_600_000).toISOString())
  s.advance(-7_200)
  await s.as(secret).get('/roles')
  await s.service.app.api_keys.flush()
  t.equal(
    await lastUsed(),
    new Date(Date.parse(minute) + 3_600_000).toISOString(),
    'a replica that comes late changes nothing',
  )
  s.advance(3_600)
  t.equal(await s.revisionOf(tenant_id), revision, 'and it is no change of the tenant')
})

t.test('what a key may do is written as permissions and patterns', async (t) => {
  for (const permission of [
    'invoice',
    'invoice:',
    ':read',
    'Invoice:read',
    'invoice:read:all',
    'tenantry.role:*',
    '**',
    'in*:read',
    '',
  ]) {
    const answer = await s.root.post('/api-keys', { name: 'x', permissions: ['invoice:read', permission] })
    if (permission === '') t.equal(answer.status, 400)
    else
      t.match(
        answer,
        { status: 422, body: { code: 'permission.invalid', errors: [{ pointer: '/permissions/1' }] } },
        permission,
      )
  }
  const excludes = await s.root.post('/api-keys', { name: 'x', permissions: ['*'], excludes: ['nonsense'] })
  t.match(excludes.body, { code: 'permission.invalid', errors: [{ pointer: '/excludes/0' }] })
  for (const body of [
    { permissions: [] },
    { permissions: ['a:b', 'a:b'] },
    { name: '' },
    { name: 'a\nb' },
    { root: true },
  ]) {
    t.equal(
      (await s.root.post('/api-keys', { name: 'x', permissions: ['a:b'], ...body })).status,
      400,
      JSON.stringify(body),
    )
  }
})

t.test('the root key has a row like any other, and neither ends nor shows', async (t) => {
  const { data } = (await s.root.get('/api-keys')).body
  const root = data.find((each: { root: boolean }) => each.root)
  t.match(root, { tenant_id: null, name: 'root', hint: s.root_api_key.slice(-4), expires_at: null })
  t.same(root.permissions, ['*', 'tenantry.*', 'tenantry.token:issue', 'tenantry.role:assign_any'])
  t.match(await s.root.delete(`/api-keys/${root.id}`), { status: 409, body: { code: 'api_key.root' } })
  const full = s.as((await s.anApiKey({ permissions: root.permissions })).secret)
  t.equal((await full.delete(`/api-keys/${root.id}`)).status, 409, 'whoever asks')
  t.equal((await s.root.get('/roles')).status, 200)
})

t.test('a key of a tenant is listed there, a platform key only for the platform', async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  const [one, two] = [await s.anApiKey({ tenant_id: acme.id }), await s.anApiKey({ tenant_id: globex.id })]
  const platform = await s.anApiKey({ permissions: ['invoice:read'] })
  const ids = async (caller: typeof s.root, url: string): Promise<string[]> =>
    (await caller.get(url)).body.data.map(({ id }: { id: string }) => id)
  t.same(await ids(s.as(one.secret), '/api-keys'), [one.id])
  t.same(await ids(s.root, `/api-keys?tenant_id=${globex.id}`), [two.id])
  const all = await ids(s.root, '/api-keys?limit=200')
  for (const { id } of [one, two, platform]) t.ok(all.includes(id))
  t.equal((await s.as(one.secret).get(`/api-keys/${platform.id}`)).status, 404)
  t.equal((await s.as(one.secret).get(`/api-keys/${two.id}`)).status, 404)
  t.equal((await s.as(one.secret).delete(`/api-keys/${two.id}`)).status, 404)
})

// The last one: the running service goes on with the root key that it was started with.
t.test('a changed root key replaces the old one at start, and keeps its id', async (t) => {
  const { database } = s.service
  const seal = new Seal(s.encryption_key)
  const start = (root_api_key: string) =>
    preparePlatform(database, { root_api_key, seal, algorithm: 'ES256', now: s.now })
  const root = (await s.root.get('/api-keys')).body.data.find((each: { root: boolean }) => each.root)
  const before = await s.dump()
  const again = await start(s.root_api_key)
  t.equal(again.root.principal.id, root.id)
  t.equal(await s.dump(), before, 'a start that changes nothing writes nothing')
  const secret = 'second-root-key-of-this-installation'
  const replaced = await start(secret)
  t.equal(replaced.root.principal.id, root.id)
  const rows = await s.test_database.superuser(
    `select id, encode(hash, 'hex') as hash, hint from tenantry.api_keys where root`,
  )
  t.same(rows, [{ id: root.id, hash: hashOf(secret).toString('hex'), hint: hintOf(secret) }])
  const [newest] = (await s.root.get('/events?type=api_key.replaced')).body.data
  t.match(newest, { tenant_id: null, actor: { type: 'system', id: null }, data: { api_key_id: root.id, root: true } })
  const keys = new ApiKeys({ database, clock: () => s.now, root: replaced.root, cache, attempts })
  t.equal(keys.root({ hash: hashOf(s.root_api_key) }), undefined)
  t.equal(keys.root({ hash: hashOf(secret) })?.id, root.id)
})
