// Single connections that break, locks that are held too long, and a database that falls silent.
import pg from 'pg'
import t, { type Test } from 'tap'
import { faultsOfHistories } from '../database/chain.ts'
import { openTestDatabase } from '../support/databases.ts'
import { aTenant, isUnavailable, join, onDatabase, untilReady } from './outages.ts'
import { aReplica, someSecrets } from './replicas.ts'
import { aSilentProxy } from './silent-proxy.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : false
const TEN_SECONDS = 10_000

/** Holds what `sql` locks until told to let go. */
const aLockHolder = async (t: Test, url: string | undefined, sql: string, parameters: unknown[]) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.teardown(() => client.end())
  await client.query('begin')
  await client.query(sql, parameters)
  const isWaitedFor = async (): Promise<number[]> => {
    for (;;) {
      const { rows } = await client.query(
        'select pid from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))',
      )
      if (rows.length > 0) return rows.map(({ pid }) => pid)
    }
  }
  return { client, isWaitedFor, letGo: () => client.query('rollback') }
}

// The write has its membership row by then and waits to give it a role.
const LOCK_ROLES = 'select from tenantry.roles for update'

t.test('a write whose connection is cut in the middle leaves nothing behind', { skip }, async (t) => {
  const [replica, { owner_url, superuser }] = await onDatabase(t)
  const tenant = await aTenant(replica)
  const holder = await aLockHolder(t, owner_url, LOCK_ROLES, [])
  const writing = join(replica, tenant.id, 'user_vera')
  const [pid] = await holder.isWaitedFor()
  await holder.client.query('select pg_terminate_backend($1)', [pid])
  t.ok(isUnavailable(await writing))
  await holder.letGo()
  t.same(await superuser('select from tenantry.memberships'), [])
  t.same(await faultsOfHistories(superuser), [])
  t.equal((await join(replica, tenant.id, 'user_vera')).status, 201)
})

for (const [what, settings] of [
  ['lock', '?lock_timeout=300'],
  ['statement', '?lock_timeout=0&statement_timeout=300'],
] as const) {
  t.test(
    `a write that waits longer than the ${what} timeout is told that the database is busy`,
    { skip },
    async (t) => {
      const [replica, { owner_url, superuser }] = await onDatabase(t, (url) => `${url}${settings}`)
      const tenant = await aTenant(replica)
      const holder = await aLockHolder(t, owner_url, 'select from tenantry.histories where id = $1 for update', [
        tenant.id,
      ])
      const answer = await join(replica, tenant.id, 'user_vera')
      t.match(answer, { status: 503, body: { code: 'database.busy' } })
      t.ok(Number(answer.headers['retry-after']) > 0)
      await holder.letGo()
      t.equal((await join(replica, tenant.id, 'user_vera')).status, 201)
      t.same(await faultsOfHistories(superuser), [])
    },
  )
}

t.test('a database that falls silent is given up, and its connections with it', { skip }, async (t) => {
  const test_database = await openTestDatabase()
  await test_database.database.close()
  const proxy = await aSilentProxy(t, test_database.url ?? '')
  const replica = await aReplica(t, `${proxy.url}?query_timeout=700`, someSecrets())
  const tenant = await aTenant(replica)
  proxy.fallSilent()
  for (const round of ['on connections that were open', 'on new ones']) {
    const started = Date.now()
    const answers = await Promise.all(
      Array.from({ length: 15 }, (_, number) => join(replica, tenant.id, `user_${number}`)),
    )
    t.same(
      answers.filter((answer) => !isUnavailable(answer)).map(({ status, text }) => `${status} ${text}`),
      [],
      round,
    )
    t.ok(Date.now() - started < TEN_SECONDS)
  }
  proxy.recover()
  await untilReady(replica)
  t.equal((await join(replica, tenant.id, 'user_vera')).status, 201)
  t.same(await faultsOfHistories(test_database.superuser), [])
})
