// Three services on one database, and verifiers that follow each of them: what happens at one counts at all.
import t, { type Test } from 'tap'
import { Seal } from '../../src/sealing.ts'
import { turnKeysIfDue } from '../../src/signing-keys/schedule.ts'
import { openTestDatabase, type TestDatabase } from '../support/databases.ts'
import { aDownstream, type Downstream, eventually, KEY_GONE } from '../support/downstream.ts'
import { made } from '../support/service.ts'
import { aReplica, ISSUER, type Replica, type Secrets, someSecrets } from './replicas.ts'
import { aSilentProxy, type SilentProxy } from './silent-proxy.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'PGlite serves one process only' : false

interface Scene {
  test_database: TestDatabase
  secrets: Secrets
  /** What stands between the last replica and its database. */
  proxy: SilentProxy
  replicas: Replica[]
  urls: string[]
  api_key: string
  tenant_id: string
}

const threeReplicas = async (t: Test): Promise<Scene> => {
  const test_database = await openTestDatabase()
  t.teardown(() => test_database.database.close())
  const { url = '' } = test_database
  const proxy = await aSilentProxy(t, url)
  const secrets = someSecrets()
  const addresses = [url, url, `${proxy.url}?query_timeout=700`]
  const replicas = await Promise.all(addresses.map((address) => aReplica(t, address, secrets)))
  const urls = await Promise.all(
    replicas.map(({ service }) => service.app.fastify.listen({ host: '127.0.0.1', port: 0 })),
  )
  const [{ root } = never()] = replicas
  const key = { name: 'follower', permissions: ['tenantry.revocation:read'] }
  const { secret: api_key } = made(await root.post('/api-keys', key))
  const { id: tenant_id } = made(await root.post('/tenants', { name: 'Acme', owner: { user_id: 'user_olga' } }))
  return { test_database, secrets, proxy, replicas, urls, api_key, tenant_id }
}

const never = (): never => {
  throw new Error('three were made')
}

const following = (t: Test, { api_key }: Scene, url: string, offset = { seconds: 0 }): Downstream =>
  aDownstream(t, url, {
    ...{ issuer: ISSUER, audience: ISSUER, api_key, cooldown_seconds: 1 },
    clock: () => new Date(Date.now() + offset.seconds * 1_000),
  })

const tokenOf = async ({ root }: Replica, tenant_id: string, user_id = 'user_olga'): Promise<string> =>
  made(await root.post('/tokens', { tenant_id, user_id, ttl_seconds: 3_600 })).access_token

const tokensOfAll = ({ replicas, tenant_id }: Scene): Promise<string[]> =>
  Promise.all(replicas.map((replica) => tokenOf(replica, tenant_id)))

const allBecome = async (downstreams: Downstream[], tokens: string[], ...wanted: string[]): Promise<void> => {
  await Promise.all(downstreams.flatMap(({ becomes }) => tokens.map((token) => becomes(token, ...wanted))))
}

const kidOf = (token: string): string => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid

t.test(
  'keys that one replica turns are good everywhere, and thrown away they are good nowhere',
  { skip },
  async (t) => {
    const scene = await threeReplicas(t)
    const { test_database, secrets, replicas, urls } = scene
    const [one = never(), two = never()] = replicas
    const downstreams = urls.map((url) => following(t, scene, url))
    const before = await tokensOfAll(scene)
    await allBecome(downstreams, before, 'accepted')

    made(await one.root.post('/signing-keys/rotate'))
    const publishedBy = async ({ root }: Replica) => (await root.get('/.well-known/jwks.json')).body.keys.length
    for (const replica of replicas) await eventually(async () => (await publishedBy(replica)) === 2)

    await test_database.superuser(`update tenantry.signing_keys set activates_at = now() where status = 'next'`)
    await turnKeysIfDue(two.service.database, new Seal(secrets.encryption_key), 'ES256', new Date(Date.now() + 1_000))
    const after = await tokensOfAll(scene)
    t.equal(new Set(after.map(kidOf)).size, 1, 'each signs with the same key at once')
    t.not(kidOf(after[0] ?? ''), kidOf(before[0] ?? ''))
    await allBecome(downstreams, [...before, ...after], 'accepted')

    made(await one.root.post('/signing-keys/rotate', { emergency: true }))
    await allBecome(downstreams, [...before, ...after], ...KEY_GONE)
    const fresh = await tokensOfAll(scene)
    await allBecome(downstreams, fresh, 'accepted')
    for (const url of urls) {
      const late = following(t, scene, url)
      t.equal(await late.outcome(after[0] ?? ''), 'invalid_token', 'who comes later does not know that key at all')
      t.equal(await late.outcome(fresh[0] ?? ''), 'accepted')
    }
  },
)

t.test('a verifier that was away catches up, at whichever replica, before it accepts anything', { skip }, async (t) => {
  const scene = await threeReplicas(t)
  const { replicas, urls, tenant_id } = scene
  const [one = never()] = replicas
  const { id } = made(await one.root.post('/memberships', { tenant_id, user_id: 'user_vera' }))
  const tokens = await Promise.all(replicas.map((replica) => tokenOf(replica, tenant_id, 'user_vera')))
  made(await one.root.post(`/memberships/${id}/suspend`))
  for (const url of urls) {
    const { outcome } = following(t, scene, url)
    for (const token of tokens) t.equal(await outcome(token), 'stale_token', 'at its very first look')
  }
})

t.test('who follows a replica that lost its database knows that he knows nothing new', { skip }, async (t) => {
  const scene = await threeReplicas(t)
  const { proxy, replicas, urls, tenant_id } = scene
  const [one = never()] = replicas
  const [first = '', , last = ''] = urls
  const { id } = made(await one.root.post('/memberships', { tenant_id, user_id: 'user_vera' }))
  const token = await tokenOf(one, tenant_id, 'user_vera')
  const olgas = await tokenOf(one, tenant_id)
  const offset = { seconds: 0 }
  const cutOff = following(t, scene, last, offset)
  const other = following(t, scene, first)
  await allBecome([cutOff, other], [token, olgas], 'accepted')

  proxy.fallSilent()
  made(await one.root.post(`/memberships/${id}/suspend`))
  await other.becomes(token, 'stale_token')
  offset.seconds = 20
  t.equal(await cutOff.outcome(token), 'accepted', 'within the bound')
  offset.seconds = 31
  t.equal(await cutOff.outcome(token), 'revocations_unavailable')
  t.equal(await cutOff.outcome(olgas), 'revocations_unavailable')

  proxy.recover()
  await cutOff.becomes(token, 'stale_token')
  await cutOff.becomes(olgas, 'accepted')
})
