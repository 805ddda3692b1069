// Each way of tampering with a history is tried as the superuser, past every right and policy.
import t from 'tap'
import { History } from '../../src/database/history.ts'
import { type HistoryReport, verifyHistories } from '../../src/events/verification.ts'
import { aService } from '../support/service.ts'

const s = await aService(t)
const { database, superuser } = s.test_database

const verify = async (only?: string): Promise<HistoryReport[]> => {
  const reports: HistoryReport[] = []
  for await (const report of verifyHistories(database, only)) reports.push(report)
  return reports
}

const faultOf = async (id: string) => (await verify(id))[0]?.fault

/** A tenant with four events, each of which says something about a person. */
const aHistory = async (): Promise<string> => {
  const { id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  await s.aMembership(id, { email: 'vera@acme.example' })
  await s.aMembership(id)
  return id
}

t.test('untouched histories hold, the platform’s included', async (t) => {
  const id = await aHistory()
  const [platform, tenant] = await verify()
  t.match(platform, { history: 'platform', fault: null })
  t.match(tenant, { history: id, revision: 4, personal: { kept: 4, erased: 0 }, fault: null })
  const [head] = await superuser("select encode(head_hash, 'hex') as hash from tenantry.histories where id = $1", [id])
  t.equal(tenant?.head_hash, head?.hash)
  t.same(await verify(crypto.randomUUID()), [])
})

const set = (assignment: string) => `update tenantry.events set ${assignment} where history_id = $1 and revision = 3`
const unlink = 'delete from tenantry.event_personal_data where history_id = $1'

const ATTACKS: [what: string, fault: { revision: number; reason: RegExp }, ...statements: string[]][] = [
  ['data', { revision: 3, reason: /contents/ }, set(`data = data || '{"roles":["owner"]}'`)],
  ['data with a number past all bounds', { revision: 3, reason: /contents/ }, set(`data = '{"n":1e999}'`)],
  ['type', { revision: 3, reason: /contents/ }, set(`type = 'membership.deleted'`)],
  ['actor', { revision: 3, reason: /contents/ }, set('actor_id = gen_random_uuid()')],
  ['time', { revision: 3, reason: /contents/ }, set("created_at = created_at - interval '1 day'")],
  ['time without end', { revision: 3, reason: /contents/ }, set("created_at = 'infinity'")],
  ['hash', { revision: 3, reason: /contents/ }, set("hash = decode(repeat('00', 32), 'hex')")],
  ['commitment', { revision: 3, reason: /contents/ }, set("personal_commitment = decode(repeat('00', 32), 'hex')")],
  [
    'personal data',
    { revision: 2, reason: /personal data are not/ },
    `update tenantry.event_personal_data set data = '{"user_id":"user_eve"}' where history_id = $1 and revision = 2`,
  ],
  [
    'salt',
    { revision: 4, reason: /personal data are not/ },
    `update tenantry.event_personal_data set salt = '\\x00' where history_id = $1 and revision = 4`,
  ],
  [
    'an event gone',
    { revision: 2, reason: /missing/ },
    unlink,
    'delete from tenantry.events where history_id = $1 and revision = 2',
  ],
  [
    'the last event gone',
    { revision: 4, reason: /missing/ },
    unlink,
    'delete from tenantry.events where history_id = $1 and revision = 4',
  ],
  ['all events gone', { revision: 1, reason: /missing/ }, unlink, 'delete from tenantry.events where history_id = $1'],
  [
    ...(['two events swapped', { revision: 2, reason: /contents/ }, unlink] as const),
    'update tenantry.events set revision = 100 where history_id = $1 and revision = 2',
    'update tenantry.events set revision = 2 where history_id = $1 and revision = 3',
    'update tenantry.events set revision = 3 where history_id = $1 and revision = 100',
  ],
  [
    ...(['an event before the first', { revision: 0, reason: /before the first/ }, unlink] as const),
    'update tenantry.events set revision = 0 where history_id = $1 and revision = 4',
  ],
  [
    'the head set back',
    { revision: 4, reason: /ends at 3/ },
    'update tenantry.histories set revision = 3 where id = $1',
  ],
  [
    'the head set forward',
    { revision: 5, reason: /missing/ },
    'update tenantry.histories set revision = 9 where id = $1',
  ],
  [
    'the head’s hash',
    { revision: 4, reason: /head is not/ },
    `update tenantry.histories set head_hash = '\\x00' where id = $1`,
  ],
]

for (const [what, fault, ...statements] of ATTACKS) {
  t.test(`tampering shows at the first broken revision: ${what}`, async (t) => {
    const [id, other] = [await aHistory(), await aHistory()]
    for (const statement of statements) await superuser(statement, [id])
    t.match(await faultOf(id), fault)
    t.equal(await faultOf(other), null, 'another history is as good as before')
  })
}

t.test('personal data that appear beside an event written without them show', async (t) => {
  const id = await aHistory()
  await s.root.post(`/tenants/${id}/suspend`)
  await superuser(`insert into tenantry.event_personal_data values ($1, 5, '\\x00', '{"reason":"none"}')`, [id])
  t.match(await faultOf(id), { revision: 5, reason: /not written with/ })
})

t.test('what was erased about a person breaks nothing, and is counted', async (t) => {
  const id = await aHistory()
  await superuser('delete from tenantry.event_personal_data where history_id = $1 and revision > 2', [id])
  t.match(await verify(id), [{ personal: { kept: 2, erased: 2 }, fault: null }])
})

t.test('a long history is read page by page, and broken on a later page too', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  await database.forTenant({ tenant_id }, async (tx) => {
    const history = await History.lock(tx, tenant_id)
    const event = { type: 'tenant.updated', actor: { type: 'system', id: null } as const, at: s.now, data: {} }
    await history?.append(tx, ...Array.from({ length: 1099 }, () => event))
  })
  t.match(await verify(tenant_id), [{ revision: 1100, fault: null }])
  await superuser(`update tenantry.events set data = '{"n":1}' where history_id = $1 and revision = 1001`, [tenant_id])
  t.match(await faultOf(tenant_id), { revision: 1001, reason: /contents/ })
})

t.test('a history that grows meanwhile is no broken one', async (t) => {
  const id = await aHistory()
  const writing = Promise.all(Array.from({ length: 20 }, () => s.aMembership(id)))
  const seen: (HistoryReport['fault'] | undefined)[] = []
  for (let i = 0; i < 10; i++) seen.push(await faultOf(id))
  await writing
  t.same(new Set(seen), new Set([null]))
  t.match(await verify(id), [{ revision: 24, fault: null }])
})
