// The service through PgBouncer in transaction mode: every transaction may be on another connection, which somebody else just
// used. Two connections for all, so that they surely change hands.
import t from 'tap'
import { openTestDatabase } from '../support/databases.ts'
import { findPgbouncer, throughPgbouncer } from '../support/pgbouncer.ts'
import { made } from '../support/service.ts'
import { aReplica, someSecrets } from './replicas.ts'

const skip =
  process.env.TEST_DATABASE_URL === undefined
    ? 'needs a server'
    : findPgbouncer() === undefined && 'PGBOUNCER IS NOT INSTALLED'

const TENANTS = 6
const ROUNDS = 5

t.test('tenants, memberships, checks and tokens, and nobody sees another tenant', { skip }, async (t) => {
  const { database, url = '' } = await openTestDatabase()
  await database.close()
  const pooled = await throughPgbouncer(t, url, 2)
  const secrets = someSecrets()
  const { root, as } = await aReplica(t, pooled, secrets, { direct_url: url })
  const other = await aReplica(t, pooled, secrets, { direct_url: url })

  const ids: string[] = await Promise.all(
    Array.from({ length: TENANTS }, async (_, index) => {
      const tenant = made(
        await root.post('/tenants', { name: `Tenant ${index}`, owner: { user_id: `owner_${index}` } }),
      )
      return tenant.id
    }),
  )
  const keys = await Promise.all(
    ids.map(async (tenant_id) => {
      const key = { tenant_id, name: 'own', permissions: ['*', 'tenantry.*'] }
      return as(made(await root.post('/api-keys', key)).secret)
    }),
  )
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(
      keys.map(async (key, index) => {
        const user_id = `user_${index}_${round}`
        const membership = made(await key.post('/memberships', { user_id, roles: ['member'] }))
        t.equal(membership.tenant_id, ids[index])
        const { body } = await key.get('/memberships?limit=100')
        t.equal(body.data.length, round + 2)
        t.ok(body.data.every(({ tenant_id }: { tenant_id: string }) => tenant_id === ids[index]))
        t.equal((await key.get(`/tenants/${ids[(index + 1) % TENANTS]}`)).status, 404)
        const check = {
          ...{
            subject: { type: 'user', id: user_id },
            action: { name: 'read' },
            resource: { type: 'invoice', id: '1' },
          },
        }
        t.equal((await key.post('/access/v1/evaluation', check)).body.decision, true)
        const elsewhere = { ...check, context: { tenant_id: ids[(index + 1) % TENANTS] } }
        t.equal((await root.post('/access/v1/evaluation', elsewhere)).body.decision, false)
        const token = made(await root.post('/tokens', { tenant_id: ids[index], user_id }))
        t.equal((await other.as(token.access_token).get(`/tenants/${ids[index]}`)).body.id, ids[index])
      }),
    )
  }
  const [first = ''] = ids
  const { body } = await root.get(`/memberships?tenant_id=${first}&user_id=user_0_0`)
  made(await root.post(`/memberships/${body.data[0].id}/suspend`))
  const check = {
    ...{ subject: { type: 'user', id: 'user_0_0' }, action: { name: 'read' }, resource: { type: 'invoice', id: '1' } },
    context: { tenant_id: first },
  }
  t.equal((await other.root.post('/access/v1/evaluation', check)).body.decision, false, 'the other replica has heard')
})

t.test('without being told of it, the service says what a pooler refuses', { skip }, async (t) => {
  const { database, url = '' } = await openTestDatabase()
  await database.close()
  const pooled = await throughPgbouncer(t, url, 2)
  await t.rejects(aReplica(t, pooled, someSecrets()), { cause: { message: /unsupported startup parameter/ } })
})
