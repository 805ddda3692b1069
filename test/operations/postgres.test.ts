// The service as a process on a PostgreSQL that keeps what it acknowledges.
import t from 'tap'
import { faultsOfHistories } from '../database/chain.ts'
import { openTestDatabase } from '../support/databases.ts'
import { findPostgres, startPostgres } from '../support/postgres-server.mjs'
import { membershipIds, writeMemberships } from './acknowledged.ts'
import { addressOf, kill9, request, serve, stop } from './processes.ts'
import { ISSUER, someSecrets } from './replicas.ts'

const skip =
  process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : !findPostgres() && 'kills a server, so it starts one'

t.test('what was acknowledged survives kill -9 of the service and of PostgreSQL', { skip }, async (t) => {
  const server = await startPostgres({ durable: true })
  t.teardown(() => server.stop())
  process.env.TEST_DATABASE_URL = server.url
  const { database, url, superuser } = await openTestDatabase()
  await database.close()
  const { root_api_key, encryption_key } = someSecrets()
  const settings = {
    DATABASE_URL: url ?? '',
    TENANTRY_ISSUER: ISSUER,
    TENANTRY_ROOT_API_KEY: root_api_key,
    TENANTRY_ENCRYPTION_KEY: encryption_key.toString('base64'),
  }
  const first = serve(t, settings)
  const address = await addressOf(first)
  const tenant = await request(address, root_api_key, 'POST /tenants', {
    name: 'Acme',
    owner: { user_id: 'user_olga' },
  })
  const tenant_id = tenant.body.id
  const asked = { tenant_id, user_id: 'user_olga' }
  const { body: issued } = await request(address, root_api_key, 'POST /tokens', asked)
  const writes = writeMemberships(address, root_api_key, tenant_id, 100)
  await writes.acknowledged
  await Promise.all([kill9(first), server.kill9()])
  const acknowledged = await writes.ended
  t.ok(acknowledged.length >= 100)

  await server.restart()
  const second = serve(t, settings)
  const again = await addressOf(second)
  const kept = await membershipIds(again, root_api_key, tenant_id)
  t.same(
    acknowledged.filter((id) => !kept.has(id)),
    [],
  )
  t.same(await faultsOfHistories(superuser), [])
  t.equal((await request(again, issued.access_token, `GET /tenants/${tenant_id}`)).status, 200, 'an old token is good')
  t.match(await stop(second), { code: 0, signal: null })
})
