// What waits for a lock: it decides with the rights that its credential has when its turn comes, and it does not keep
// others from the database meanwhile.
import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import { PLATFORM } from '../../src/database/schema.ts'
import { type Answer, aService, made } from '../support/service.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'needs a server: in process nothing waits' : false
const s = await aService(t)

/** Holds the lock of a history until it is let go. */
const holdLock = async (t: Test, history_id: string): Promise<() => Promise<void>> => {
  const client = new pg.Client({ connectionString: s.test_database.owner_url })
  await client.connect()
  t.teardown(() => client.end())
  await client.query('begin')
  await client.query('select from tenantry.histories where id = $1 for update', [history_id])
  return async () => void (await client.query('commit'))
}

const waiters = async (): Promise<number> => {
  const [row] = await s.test_database.superuser(`select count(*)::int as count from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`)
  return Number(row?.count)
}

/** Until so many of our statements wait for a lock; gives up with the test. */
const untilWaiting = async (count: number): Promise<void> => {
  while ((await waiters()) < count) await setTimeout(10)
}

/** Both are sent while the lock is held, the first takes its turn first. Answers what became of the second. */
const inTurn = async (
  t: Test,
  history_id: string,
  first: () => Promise<Answer>,
  second: () => Promise<Answer>,
): Promise<Answer> => {
  const release = await holdLock(t, history_id)
  const done = first()
  await untilWaiting(1)
  const late = second()
  await untilWaiting(2)
  await release()
  t.ok((await done).status < 300)
  return late
}

const CHANGED = { status: 409, body: { code: 'principal.changed' } }

t.test('a platform key that is being revoked makes no other key, nor a signing key', { skip }, async (t) => {
  for (const attempt of ['/api-keys', '/signing-keys/rotate']) {
    const key = await s.anApiKey({ permissions: ['*', 'tenantry.*'] })
    const body = attempt === '/api-keys' ? { name: 'heir', permissions: ['invoice:read'] } : {}
    const answer = await inTurn(
      t,
      PLATFORM,
      () => s.root.delete(`/api-keys/${key.id}`),
      () => s.as(key.secret).post(attempt, body),
    )
    t.match(answer, CHANGED, attempt)
  }
})

t.test('in a tenant, what waits for its turn is done only if it still may be', { skip }, async (t) => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const [admin, other] = [await s.aMember(tenant_id, 'admin'), await s.aMember(tenant_id, 'admin')]
  const key = await s.anApiKey({ tenant_id })
  const platform = await s.anApiKey({ permissions: ['*', 'tenantry.*'] })
  const issuing = await s.anApiKey({ tenant_id, permissions: ['*', 'tenantry.*', 'tenantry.token:issue'] })
  const { access_token } = made(await s.as(issuing.secret).post('/tokens', { user_id: other.membership.user_id }))
  const clerks = await s.aRole({
    tenant_id,
    permissions: ['tenantry.membership:manage', '*:read', 'tenantry.tenant:read'],
  })
  const clerk = await s.aMember(tenant_id, clerks.key)
  const end = s.instant(3_600)
  const cases: [string, () => Promise<Answer>, (user_id: string) => Promise<Answer>][] = [
    [
      'a demoted admin',
      () => s.root.patch(`/memberships/${admin.membership.id}`, { roles: ['viewer'] }),
      (user_id) => admin.caller.post('/memberships', { user_id }),
    ],
    [
      'somebody whose role is narrowed',
      () => s.root.patch(`/roles/${clerks.id}`, { permissions: ['*:read'] }),
      (user_id) => clerk.caller.post('/memberships', { user_id, roles: ['viewer'] }),
    ],
    [
      'a token whose key is revoked',
      () => s.root.delete(`/api-keys/${issuing.id}`),
      (user_id) => s.as(access_token).post('/memberships', { user_id }),
    ],
    [
      'an admin who is given an end',
      () => s.root.patch(`/memberships/${other.membership.id}`, { expires_at: end }),
      (user_id) => other.caller.post('/memberships', { user_id }),
    ],
    [
      'a key of the tenant that is revoked',
      () => s.root.delete(`/api-keys/${key.id}`),
      (user_id) => s.as(key.secret).post('/memberships', { user_id }),
    ],
  ]
  for (const [name, first, second] of cases) {
    t.match(await inTurn(t, tenant_id, first, () => second('user_late')), CHANGED, name)
  }
  const last = await s.anApiKey({ tenant_id })
  const suspended = await inTurn(
    t,
    tenant_id,
    () => s.root.post(`/tenants/${tenant_id}/suspend`),
    () => s.as(last.secret).post('/memberships', { user_id: 'user_late' }),
  )
  t.match(suspended, CHANGED, 'a key of a tenant that is suspended')
  made(await s.root.post(`/tenants/${tenant_id}/reactivate`))
  const release = await holdLock(t, tenant_id)
  const late = s.as(platform.secret).post('/memberships', { tenant_id, user_id: 'user_late' })
  await untilWaiting(1)
  t.equal((await s.root.delete(`/api-keys/${platform.id}`)).status, 204)
  await release()
  t.match(await late, CHANGED, 'a platform key that was revoked meanwhile')
  t.same((await s.root.get(`/memberships?tenant_id=${tenant_id}&user_id=user_late`)).body.data, [])
})

t.test('the queue of one tenant keeps nobody else from the database', { skip }, async (t) => {
  const [busy, other] = [await s.aTenant(), await s.aTenant()]
  const release = await holdLock(t, busy.id)
  const queue = Array.from({ length: 40 }, (_, index) =>
    s.root.post('/memberships', { tenant_id: busy.id, user_id: `user_${index}` }),
  )
  await untilWaiting(2)
  t.equal((await s.root.post('/memberships', { tenant_id: other.id, user_id: 'user_vera' })).status, 201)
  t.equal((await s.root.get(`/memberships?tenant_id=${busy.id}`)).status, 200, 'and its readers do not wait')
  t.equal((await s.stranger.get('/readyz')).status, 200)
  t.equal(await waiters(), 2, 'the rest waits without a connection')
  await release()
  t.same([...new Set((await Promise.all(queue)).map(({ status }) => status))], [201])
})
