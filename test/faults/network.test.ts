// The way to the database goes wrong while requests are made: each is answered, within its time, with what happened or with 503;
// the service recovers by itself; and no decision is older than its bound.
import t, { type Test } from 'tap'
import { faultsOfHistories } from '../database/chain.ts'
import { aTenant, isUnavailable, join, untilReady } from '../operations/outages.ts'
import { aReplica, someSecrets } from '../operations/replicas.ts'
import { openTestDatabase } from '../support/databases.ts'
import { eventually } from '../support/downstream.ts'
import { type Answer, made } from '../support/service.ts'
import { aWaywardProxy, type WaywardProxy } from './wayward-proxy.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : false

/** A query is given up after 700 ms where nothing answers, a connection after three seconds; and the machine may be busy. */
const QUERY_TIMEOUT = '?query_timeout=700'
const NONE_HANGS_MS = 12_000

const scene = async (t: Test, settings = QUERY_TIMEOUT) => {
  const { database, url, superuser } = await openTestDatabase()
  await database.close()
  const proxy = await aWaywardProxy(t, url ?? '')
  const secrets = someSecrets()
  return { superuser, proxy, secrets, url, replica: await aReplica(t, `${proxy.url}${settings}`, secrets) }
}

const words = ({ status, text }: Answer): string => `${status} ${text}`

const ENDS: Record<string, { begin(proxy: WaywardProxy): void; end(proxy: WaywardProxy): void; mayFail: boolean }> = {
  'every connection is dropped': { begin: (proxy) => proxy.drop(), end: () => {}, mayFail: true },
  'every connection is half closed': { begin: (proxy) => proxy.halfClose(), end: () => {}, mayFail: true },
  'everything takes 100 ms longer': {
    begin: (proxy) => proxy.becomes('delays'),
    end: (proxy) => proxy.becomes('passes'),
    mayFail: false,
  },
  'nothing answers': {
    begin: (proxy) => proxy.becomes('is silent'),
    end: (proxy) => proxy.becomes('passes'),
    mayFail: true,
  },
  'all is dropped and nothing let in': {
    begin: (proxy) => {
      proxy.becomes('refuses')
      proxy.drop()
    },
    end: (proxy) => proxy.becomes('passes'),
    mayFail: true,
  },
}

for (const [what, { begin, end, mayFail }] of Object.entries(ENDS)) {
  t.test(`${what}: each request is answered in time, and then all is as before`, { skip }, async (t) => {
    const { proxy, replica, superuser } = await scene(t, mayFail ? QUERY_TIMEOUT : '')
    const tenants = await Promise.all(Array.from({ length: 6 }, () => aTenant(replica)))
    const answers: Answer[] = []
    const write = async (tenant_id: string, name: string): Promise<void> => {
      for (let number = 0; number < 4; number++) answers.push(await join(replica, tenant_id, `${name}_${number}`))
    }
    await Promise.all(tenants.map(({ id }) => join(replica, id, 'user_before')))
    const began = performance.now()
    const writing = Promise.all([...tenants, ...tenants].map(({ id }, index) => write(id, `user_${index}`)))
    begin(proxy)
    await writing
    const slowest = performance.now() - began
    t.same(answers.filter((answer) => answer.status !== 201 && !(mayFail && isUnavailable(answer))).map(words), [])
    t.ok(slowest < 4 * NONE_HANGS_MS, `four requests one after another took ${slowest.toFixed(0)} ms`)
    end(proxy)
    await untilReady(replica)
    const after = await Promise.all(tenants.map(({ id }) => join(replica, id, 'user_after')))
    t.same(after.filter(({ status }) => status !== 201).map(words), [])
    const kept = new Set((await superuser('select id from tenantry.memberships')).map(({ id }) => id))
    t.ok(
      answers.every(({ status, body }) => status !== 201 || kept.has(body.id)),
      'what was acknowledged is there',
    )
    t.same(await faultsOfHistories(superuser), [])
  })
}

for (const way of ['is silent', 'refuses'] as const) {
  t.test(
    `a replica that is cut off (its database ${way}) allows nobody for longer than the bound`,
    { skip },
    async (t) => {
      const { proxy, replica: cut_off, secrets, url } = await scene(t)
      const writer = await aReplica(t, url, secrets)
      const { id: tenant_id } = await aTenant(writer)
      const { id } = made(await join(writer, tenant_id, 'user_vera'))
      const ask = () =>
        cut_off.root.post('/access/v1/evaluation', {
          ...{ subject: { type: 'user', id: 'user_vera' }, action: { name: 'read' } },
          ...{ resource: { type: 'invoice', id: '1' }, context: { tenant_id } },
        })
      const { stats } = cut_off.service.app.memory
      await eventually(async () => {
        const before = stats().hits
        await ask()
        return stats().hits > before
      })
      const before = await ask()
      t.match(before, { status: 200, body: { decision: true } }, 'from memory')
      proxy.becomes(way)
      if (way === 'refuses') proxy.drop()
      made(await writer.root.post(`/memberships/${id}/suspend`)) // answered when the bound has passed
      const answers = await Promise.all(Array.from({ length: 10 }, ask))
      t.same(answers.filter((answer) => !isUnavailable(answer)).map(words), [], 'it cannot know, and says so')
      proxy.becomes('passes')
      await untilReady(cut_off)
      await eventually(async () => (await ask()).status === 200)
      t.match(await ask(), { status: 200, body: { decision: false } })
    },
  )
}
