// A history is gapless and its chain unbroken, however many write to it at once; and it reads without gaps meanwhile.
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { faultsOfHistories } from '../database/chain.ts'
import { aService, type Caller, made } from '../support/service.ts'

const s = await aService(t)
const look = s.test_database.superuser

const onServer = process.env.TEST_DATABASE_URL !== undefined
const WRITERS = 16
const CYCLES = onServer ? 8 : 1 // in process nothing runs at the same time anyway
const WRITES_A_CYCLE = 5

/** Makes members, changes them and takes one away: five events a cycle. */
const write = async (caller: Caller, tenantOf: (cycle: number) => string): Promise<void> => {
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const membership = await s.aMembership(tenantOf(cycle), { email: `member${cycle}@acme.example` })
    const at = `/memberships/${membership.id}`
    made(await caller.patch(at, { roles: ['viewer', 'admin'] }))
    made(await caller.post(`${at}/suspend`, { reason: 'a reason' }))
    made(await caller.post(`${at}/reactivate`))
    if (cycle % 2 === 0) await caller.delete(at)
    else made(await caller.patch(at, { properties: { floor: cycle } }))
  }
}

const writeAll = (tenantOf: (writer: number, cycle: number) => string): Promise<unknown> =>
  Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(s.root, (cycle) => tenantOf(writer, cycle))))

t.test('sixteen writers in one tenant', async (t) => {
  const tenant = await s.aTenant()
  await writeAll(() => tenant.id)
  t.equal(await s.revisionOf(tenant.id), 1 + WRITERS * CYCLES * WRITES_A_CYCLE, 'every write took one revision')
  t.same(await faultsOfHistories(look), [])
})

t.test('sixteen writers in twenty tenants, crossing', async (t) => {
  const tenants = await Promise.all(Array.from({ length: 20 }, () => s.aTenant()))
  await writeAll((writer, cycle) => tenants[(writer * 7 + cycle) % tenants.length]?.id ?? '')
  const revisions = await Promise.all(tenants.map(({ id }) => s.revisionOf(id)))
  const total = revisions.reduce((sum, revision) => sum + revision, 0)
  t.equal(total, tenants.length + WRITERS * CYCLES * WRITES_A_CYCLE)
  t.same(await faultsOfHistories(look), [])
})

/** Reads a tenant's history behind `after`, page by page, until there is nothing more. */
const readOn = async (tenant_id: string, after: number): Promise<number[]> => {
  const seen: number[] = []
  for (let cursor = ''; ; ) {
    await setImmediate() // in process, a reader that never lets go of the loop would be the only one to run
    const { body } = await s.root.get(`/events?tenant_id=${tenant_id}&after=${after}&limit=7${cursor}`)
    seen.push(...body.data.map(({ revision }: { revision: number }) => revision))
    if (body.next_cursor === null) return seen
    cursor = `&cursor=${body.next_cursor}`
  }
}

t.test("a tenant's events are read without a gap while they are written", async (t) => {
  const tenant = await s.aTenant()
  let writing = true
  const written = writeAll(() => tenant.id).finally(() => {
    writing = false
  })
  const seen: number[] = []
  while (writing) seen.push(...(await readOn(tenant.id, seen.length)))
  await written
  seen.push(...(await readOn(tenant.id, seen.length)))
  t.same(
    seen,
    Array.from({ length: 1 + WRITERS * CYCLES * WRITES_A_CYCLE }, (_, index) => index + 1),
  )
})

/** Everything, page by page, as of the moment of the first page: the revisions of every history, in the order read. */
const readAll = async (): Promise<Map<string, number[]>> => {
  const seen = new Map<string, number[]>()
  for (let cursor = ''; ; ) {
    await setImmediate()
    const { body } = await s.root.get(`/events?limit=200${cursor}`)
    for (const { tenant_id, revision } of body.data) {
      const history = tenant_id ?? 'platform'
      seen.set(history, [...(seen.get(history) ?? []), revision])
    }
    if (body.next_cursor === null) return seen
    cursor = `&cursor=${body.next_cursor}`
  }
}

t.test('all events are read as of one moment, each history without a gap, while they are written', async (t) => {
  const tenants = await Promise.all(Array.from({ length: 5 }, () => s.aTenant()))
  const before = await Promise.all(tenants.map(({ id }) => s.revisionOf(id)))
  let writing = true
  const written = writeAll((writer, cycle) => tenants[(writer + cycle) % tenants.length]?.id ?? '').finally(() => {
    writing = false
  })
  let reads = 0
  do {
    const seen = await readAll()
    const gaps = [...seen].filter(([, revisions]) => revisions.some((revision, index) => revision !== index + 1))
    t.same(gaps, [], `read ${++reads}`)
    t.ok(tenants.every(({ id }, index) => (seen.get(id)?.length ?? 0) >= (before[index] ?? 0)))
  } while (writing)
  await written
})

t.test('none of this made a deadlock', { skip: onServer ? false : 'needs a server' }, async (t) => {
  // Backends report what they counted when they end, at the latest.
  await look(`select pg_terminate_backend(pid, 10000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`)
  const [row] = await look('select deadlocks::int from pg_stat_database where datname = current_database()')
  t.equal(row?.deadlocks, 0)
})
