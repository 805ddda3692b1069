// Two services on one database, as a deployment has them.
import { createVerifier } from '@tenantry/client'
import t, { type Test } from 'tap'
import { openTestDatabase, type TestDatabase } from '../support/databases.ts'
import { made } from '../support/service.ts'
import { aReplica, ISSUER, type Replica, type Secrets, someSecrets } from './replicas.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'PGlite serves one process only' : false

const aDatabase = async (t: Test): Promise<TestDatabase> => {
  const test_database = await openTestDatabase()
  t.teardown(() => test_database.database.close())
  return test_database
}

const twoReplicas = async (t: Test): Promise<[Replica, Replica, TestDatabase, Secrets]> => {
  const test_database = await aDatabase(t)
  const secrets = someSecrets()
  const [one, other] = await Promise.all([0, 1].map(() => aReplica(t, test_database.url, secrets)))
  if (!one || !other) throw new Error('two were made')
  return [one, other, test_database, secrets]
}

const aTenantWithOlga = async ({ root }: Replica): Promise<{ id: string }> =>
  made(await root.post('/tenants', { name: 'Acme', owner: { user_id: 'user_olga' } }))

const mayRead = async ({ root }: Replica, tenant_id: string, user_id: string): Promise<boolean> => {
  const question = {
    subject: { type: 'user', id: user_id },
    action: { name: 'read' },
    resource: { type: 'invoice', id: '1' },
    context: { tenant_id },
  }
  return made(await root.post('/access/v1/evaluation', question)).decision
}

t.test('replicas that start first at the same moment agree on the platform', { skip }, async (t) => {
  const test_database = await aDatabase(t)
  const secrets = someSecrets()
  const replicas = await Promise.all(Array.from({ length: 4 }, () => aReplica(t, test_database.url, secrets)))
  const [counts] = await test_database.superuser(`select
    (select count(*)::int from tenantry.signing_keys) as signing_keys,
    (select count(*)::int from tenantry.api_keys where root) as root_keys,
    (select count(*)::int from tenantry.roles) as roles,
    (select revision::int from tenantry.histories) as revision`)
  t.same(counts, { signing_keys: 1, root_keys: 1, roles: 4, revision: 3 })
  const key_sets = await Promise.all(replicas.map(({ root }) => root.get('/.well-known/jwks.json')))
  t.same(new Set(key_sets.map(({ text }) => text)).size, 1, 'all publish the same key')
})

t.test('what one signed the other accepts, online and offline', { skip }, async (t) => {
  const [one, other] = await twoReplicas(t)
  const tenant = await aTenantWithOlga(one)
  const token = made(await one.root.post('/tokens', { tenant_id: tenant.id, user_id: 'user_olga' })).access_token
  t.equal((await other.as(token).get(`/tenants/${tenant.id}`)).status, 200)
  const { keys } = made(await other.root.get('/.well-known/jwks.json'))
  const find = (kid: string) => keys.find((key: { kid: string }) => key.kid === kid)
  const verifier = createVerifier({ issuer: ISSUER, audience: ISSUER, keys: find })
  t.equal((await verifier.verify(token)).tenant_id, tenant.id)
})

t.test('whom one suspends the other denies with its next answer', { skip }, async (t) => {
  const [one, other] = await twoReplicas(t)
  const tenant = await aTenantWithOlga(one)
  const vera = made(await one.root.post('/memberships', { tenant_id: tenant.id, user_id: 'user_vera' }))
  const token = made(await other.root.post('/tokens', { tenant_id: tenant.id, user_id: 'user_vera' })).access_token
  t.equal(await mayRead(other, tenant.id, 'user_vera'), true)
  made(await one.root.post(`/memberships/${vera.id}/suspend`))
  t.equal(await mayRead(other, tenant.id, 'user_vera'), false)
  t.match(await other.as(token).get(`/tenants/${tenant.id}`), { status: 401, body: { code: 'token.stale' } })
  made(await one.root.post(`/tenants/${tenant.id}/suspend`))
  t.equal(await mayRead(other, tenant.id, 'user_olga'), false)
})

t.test('the key that one revokes the other refuses with its next answer', { skip }, async (t) => {
  const [one, other] = await twoReplicas(t)
  const key = made(await one.root.post('/api-keys', { name: 'back end', permissions: ['tenantry.tenant:read'] }))
  t.equal((await other.as(key.secret).get('/tenants')).status, 200)
  t.equal((await one.root.delete(`/api-keys/${key.id}`)).status, 204)
  t.match(await other.as(key.secret).get('/tenants'), { status: 401, body: { code: 'credential.invalid' } })
})

t.test('a start with another root key replaces it, and says so in the history', { skip }, async (t) => {
  const [one, other, test_database, secrets] = await twoReplicas(t)
  const tenant = await aTenantWithOlga(one)
  const token = made(await one.root.post('/tokens', { tenant_id: tenant.id, user_id: 'user_olga' })).access_token
  await Promise.all([one.stop(), other.stop()])
  const { root_api_key } = someSecrets()
  const [next] = await Promise.all([0, 1].map(() => aReplica(t, test_database.url, { ...secrets, root_api_key })))
  if (!next) throw new Error('it was made')
  t.match(await next.as(secrets.root_api_key).get('/tenants'), { status: 401, body: { code: 'credential.invalid' } })
  t.equal((await next.root.get('/tenants')).body.data[0].id, tenant.id)
  const stale = { status: 401, body: { code: 'token.stale' } }
  t.match(await next.as(token).get(`/tenants/${tenant.id}`), stale, 'and ends the tokens that the old one asked for')
  const { body } = await next.root.get('/events?type=api_key.replaced')
  t.equal(body.data.length, 1, 'once, although both started with it')
})
