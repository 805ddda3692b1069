// The database's server goes away: callers are told so at once, nothing is left half done, and the service recovers by
// itself when the server is back.
import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { faultsOfHistories } from '../database/chain.ts'
import { findPostgres, startPostgres } from '../support/postgres-server.mjs'
import { type Answer, made } from '../support/service.ts'
import { aTenant, isUnavailable, join, onDatabase, untilReady } from './outages.ts'
import type { Replica } from './replicas.ts'

const skip =
  process.env.TEST_DATABASE_URL === undefined
    ? 'needs a server'
    : !findPostgres() && 'takes a server away, so it needs the binaries of one'
const A_FEW_SECONDS = 5_000

// A server of this file's own: the others' stays up. Durable, because it is killed.
const server = skip ? undefined : await startPostgres({ durable: true })
if (server) process.env.TEST_DATABASE_URL = server.url
t.teardown(() => server?.stop())

/** One request of every kind: look-ups, reads, checks, writes, with keys that the database must find. */
const oneOfEachKind = (
  { root, as }: Replica,
  tenant_id: string,
  { secret, token }: { secret: string; token: string },
): Promise<Answer>[] => [
  root.get('/tenants'),
  root.get(`/memberships?tenant_id=${tenant_id}`),
  root.post('/memberships', { tenant_id, user_id: 'user_late' }),
  root.post('/tenants', { name: 'Late' }, { 'Idempotency-Key': 'late' }),
  root.post('/tokens', { tenant_id, user_id: 'user_olga' }),
  root.get('/events'),
  as(secret).get('/tenants'),
  as(token).get('/forward-auth'),
]

t.test('without its database the service says so at once, and goes on when it is back', { skip }, async (t) => {
  const [replica] = await onDatabase(t)
  const tenant = await aTenant(replica)
  const { secret } = made(
    await replica.root.post('/api-keys', { name: 'back end', permissions: ['tenantry.tenant:read'] }),
  )
  await join(replica, tenant.id, 'user_olga')
  const { access_token: token } = made(
    await replica.root.post('/tokens', { tenant_id: tenant.id, user_id: 'user_olga' }),
  )
  await server?.kill9()
  for (const round of ['connections in the pool broke', 'new ones are refused']) {
    const started = Date.now()
    const answers = await Promise.all(oneOfEachKind(replica, tenant.id, { secret, token }))
    t.same(
      answers.filter((answer) => !isUnavailable(answer)).map(({ status, text }) => `${status} ${text}`),
      [],
      round,
    )
    t.ok(Date.now() - started < A_FEW_SECONDS)
  }
  t.equal((await replica.root.get('/livez')).status, 200)
  const { status, body, headers } = await replica.root.get('/readyz')
  t.match({ status, body }, { status: 503, body: { status: 'unavailable', checks: [{ name: 'database', ok: false }] } })
  t.ok(headers['retry-after'])
  await server?.restart()
  await untilReady(replica)
  t.equal((await join(replica, tenant.id, 'user_vera')).status, 201)
})

for (const way of ['is killed', 'is restarted in order'] as const) {
  t.test(
    `when the database ${way} under load, every write is done or refused, and no connection is lost`,
    { skip },
    async (t) => {
      const [replica, { superuser }] = await onDatabase(t)
      const tenants = await Promise.all(Array.from({ length: 8 }, () => aTenant(replica)))
      const answers: Answer[] = []
      let refused = false
      const reached = new EventEmitter()
      const writer = async (tenant_id: string, name: number): Promise<void> => {
        for (let number = 0; number < 500 && !refused; number++) {
          const answer = await join(replica, tenant_id, `user_${name}_${number}`)
          refused ||= answer.status !== 201
          if (answers.push(answer) === 50) reached.emit('fifty')
        }
      }
      const fifty = once(reached, 'fifty')
      // More writers than connections, two in each tenant.
      const writing = Promise.all([...tenants, ...tenants].map(({ id }, name) => writer(id, name)))
      await fifty
      if (way === 'is killed') await server?.kill9()
      else await server?.restart()
      await writing
      const wrong = answers.filter((answer) => answer.status !== 201 && !isUnavailable(answer))
      t.same(
        wrong.map(({ status, text }) => `${status} ${text}`),
        [],
      )
      t.ok(answers.some(isUnavailable))
      if (way === 'is killed') await server?.restart()
      await untilReady(replica)
      const after = await Promise.all(
        Array.from({ length: 40 }, (_, number) => join(replica, tenants[0]?.id ?? '', `after_${number}`)),
      )
      t.same([...new Set(after.map(({ status }) => status))], [201], 'the whole pool is usable again')
      const kept = new Set((await superuser('select id from tenantry.memberships')).map(({ id }) => id))
      t.ok(answers.filter(({ status }) => status === 201).every(({ body }) => kept.has(body.id)))
      t.same(await faultsOfHistories(superuser), [])
    },
  )
}
