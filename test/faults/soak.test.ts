// Mixed load for long enough that what leaks shows: as many requests as FAULTS_SOAK says, on tenants, members and tokens that stay
// the same, so that whatever grows is a leak.
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { faultsOfHistories } from '../database/chain.ts'
import { addressOf, type Process, request, serve, stop } from '../operations/processes.ts'
import { aGround } from './settings.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : false
const REQUESTS = Number(process.env.FAULTS_SOAK ?? 60_000)
const AT_ONCE = 8
const MEMBERS = 24

interface Left {
  heap: number
  timers: number
}

/** What is left when all garbage is collected. */
const collected = async ({ child }: Process): Promise<Left> => {
  child.kill('SIGUSR2')
  for (;;) {
    const [chunk] = await once(child.stderr as NodeJS.ReadableStream, 'data')
    const said = /collected (.*)/.exec(String(chunk))?.[1]
    if (said !== undefined) return JSON.parse(said)
  }
}

t.test(`${REQUESTS} requests leave nothing behind`, { skip }, async (t) => {
  const { test_database, root, settings } = await aGround()
  const preload = fileURLToPath(new URL('collector.mjs', import.meta.url))
  const running = serve(t, settings({ NODE_OPTIONS: `--import=${preload}`, TENANTRY_STALENESS_MS: '20' }))
  const address = await addressOf(running)
  const ask = (target: string, body?: object, credential = root) => request(address, credential, target, body)
  const tenant_id = (await ask('POST /tenants', { name: 'Acme' })).body.id
  const members = await Promise.all(
    Array.from({ length: MEMBERS }, async (_, number) => {
      const user_id = `user_${number}`
      const { body } = await ask('POST /memberships', { tenant_id, user_id, roles: ['admin'] })
      return {
        id: body.id,
        user_id,
        token: (await ask('POST /tokens', { tenant_id, user_id, ttl_seconds: 3_600 })).body.access_token,
      }
    }),
  )
  /** Whose tokens are good throughout, and those that things happen to. */
  const [steady, changing] = [members.slice(0, MEMBERS / 2), members.slice(MEMBERS / 2)]
  const any = <T>(from: T[], number: number): T => from[number % from.length] as T
  const check = (user_id: string) => ({
    ...{ subject: { type: 'user', id: user_id }, action: { name: 'read' } },
    ...{ resource: { type: 'invoice', id: '1' }, context: { tenant_id } },
  })
  const KINDS: ((number: number) => Promise<{ status: number }>)[] = [
    (number) => ask('POST /access/v1/evaluation', check(any(members, number).user_id)),
    (number) => ask('GET /memberships?limit=10', undefined, any(steady, number).token),
    (number) => ask('POST /tokens', { tenant_id, user_id: any(steady, number).user_id }),
    (number) => ask(`PATCH /memberships/${any(changing, number).id}`, { roles: [number % 2 ? 'viewer' : 'member'] }),
    (number) => ask('POST /access/v1/evaluations', { evaluations: Array(5).fill(check(any(members, number).user_id)) }),
    () => ask('GET /.well-known/jwks.json'),
    (number) => ask('GET /tenants', undefined, `tnt_nobody_${number}`),
    (number) => ask(`POST /memberships/${any(changing, number).id}/${number % 3 ? 'reactivate' : 'suspend'}`),
    () => ask('POST /memberships', { tenant_id, user_id: 'user_0' }), // 409
  ]
  const statuses = new Map<number, number>()
  let number = 0
  const soak = async (until: number): Promise<void> => {
    while (number < until) {
      const mine = number++
      const { status } = await any(KINDS, mine)(Math.floor(mine / KINDS.length))
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  const load = (until: number) => Promise.all(Array.from({ length: AT_ONCE }, () => soak(until)))
  await load(REQUESTS / 2)
  const middle = await collected(running)
  await load(REQUESTS)
  const end = await collected(running)
  const unforeseen = [...statuses.keys()].filter((status) => ![200, 401, 409, 429].includes(status))
  t.same(unforeseen, [], JSON.stringify(Object.fromEntries(statuses)))
  t.ok(end.heap < middle.heap * 1.05, `${middle.heap} bytes of heap in the middle, ${end.heap} at the end`)
  t.ok(end.timers <= middle.timers + AT_ONCE, `${middle.timers} timers in the middle, ${end.timers} at the end`)
  const connections = async () =>
    (
      await test_database.superuser(
        `select from pg_stat_activity where application_name = 'tenantry' and datname = current_database()`,
      )
    ).length
  t.ok((await connections()) <= 12, `${await connections()} connections`)
  t.match(await stop(running), { code: 0 }, 'nothing keeps it')
  t.equal(await connections(), 0)
  t.same(await faultsOfHistories(test_database.superuser), [])
})
