// A database that is not where it was: what was lost may come again under the same numbers, and must not be taken for it.
import t, { type Test } from 'tap'
import { readEpoch } from '../../src/epochs/queries.ts'
import { faultsOfHistories } from '../database/chain.ts'
import { openTestDatabase, type TestDatabase } from '../support/databases.ts'
import { aDownstream, eventually, hurried, KEY_GONE } from '../support/downstream.ts'
import { made } from '../support/service.ts'
import { aReplica, ISSUER, type Replica, someSecrets } from './replicas.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : false

const twoReplicas = async (
  t: Test,
  failover?: 'synchronous' | 'asynchronous',
): Promise<{ test_database: TestDatabase; one: Replica; other: Replica; tenant_id: string }> => {
  const test_database = await openTestDatabase()
  t.teardown(() => test_database.database.close())
  const secrets = someSecrets()
  const one = await aReplica(t, test_database.url, secrets, { failover })
  const other = await aReplica(t, test_database.url, secrets, { failover })
  const { id } = made(await one.root.post('/tenants', { name: 'Acme', owner: { user_id: 'user_olga' } }))
  return { test_database, one, other, tenant_id: id }
}

/** What a promotion looks like from inside: the log goes on in another line than the epoch began on. */
const PROMOTED = 'update tenantry.epochs set timeline = timeline + 1'

const tokenOf = async ({ root }: Replica, tenant_id: string): Promise<string> =>
  made(await root.post('/tokens', { tenant_id, user_id: 'user_olga', ttl_seconds: 3_600 })).access_token

const typesOf = async ({ root }: Replica): Promise<string[]> =>
  (await root.get('/events?limit=100')).body.data.map(({ type }: { type: string }) => type)

t.test(
  'a standby is promoted under the running service: it goes on, and nothing from before is good',
  { skip },
  async (t) => {
    const { test_database, one, other, tenant_id } = await twoReplicas(t)
    const before = await tokenOf(one, tenant_id)
    const first_page = await one.root.get('/events?limit=1')
    const url = await one.service.app.fastify.listen({ host: '127.0.0.1', port: 0 })
    const { secret: api_key } = made(
      await one.root.post('/api-keys', { name: 'follower', permissions: ['tenantry.revocation:read'] }),
    )
    const downstream = aDownstream(t, url, {
      ...{ issuer: ISSUER, audience: ISSUER, api_key, cooldown_seconds: 1 },
      revocations: { timer: hurried },
    })
    await downstream.becomes(before, 'accepted')

    await test_database.superuser(PROMOTED)
    await downstream.becomes(before, ...KEY_GONE)
    const fresh = await tokenOf(one, tenant_id)
    await downstream.becomes(fresh, 'accepted')
    const types = await typesOf(one)
    t.equal(types.filter((type) => type === 'platform.restored').length, 1, 'one of the two began it')

    // The other one follows nothing, so it looks once a minute.
    await other.service.app.epochs.look()
    const signedByOther = await tokenOf(other, tenant_id)
    await downstream.becomes(signedByOther, 'accepted')
    t.equal((await other.as(before).get(`/tenants/${tenant_id}`)).status, 401)
    t.equal((await other.as(fresh).get(`/tenants/${tenant_id}`)).status, 200)

    const page = await one.root.get(`/events?limit=1&cursor=${first_page.body.next_cursor}`)
    t.match([page.status, page.body], [400, { code: 'cursor.invalid', detail: /restored/ }])
    t.same(await faultsOfHistories(test_database.superuser), [])
  },
)

t.test('where a failover loses nothing, tokens stay good and only cursors end', { skip }, async (t) => {
  const { test_database, one, tenant_id } = await twoReplicas(t, 'synchronous')
  const token = await tokenOf(one, tenant_id)
  await test_database.superuser(PROMOTED)
  await one.service.app.epochs.look()
  t.match(await readEpoch(one.service.database), { number: 2, restored: 0, moved: null })
  t.equal((await one.as(token).get(`/tenants/${tenant_id}`)).status, 200)
})

t.test('facts in memory are of the epoch that they were read in', { skip }, async (t) => {
  const { test_database, one, tenant_id } = await twoReplicas(t)
  const check = {
    ...{ subject: { type: 'user', id: 'user_olga' }, action: { name: 'read' }, resource: { type: 'invoice', id: '1' } },
    context: { tenant_id },
  }
  const decision = async (): Promise<boolean> => (await one.root.post('/access/v1/evaluation', check)).body.decision
  await eventually(async () => {
    await decision()
    return one.service.app.memory.stats().hits > 0
  })
  // What nobody's event tells: the row is gone, as it may be after a restore.
  await test_database.superuser('delete from tenantry.membership_roles')
  t.equal(await decision(), true, 'from memory')
  await test_database.superuser(PROMOTED)
  await eventually(async () => !(await decision()))
})
