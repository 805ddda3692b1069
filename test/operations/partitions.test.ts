// docs/partition.sql, run: the same rows, the same rules, and a tenant's rows in one partition.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { verifyHistories } from '../../src/events/verification.ts'
import { aService, type TestService } from '../support/service.ts'

const skip =
  process.env.TEST_DATABASE_URL === undefined ? 'the schema of the embedded database is shared by tests' : false
const SCRIPT = readFileSync('docs/partition.sql', 'utf8')

const partition = (s: TestService) => s.test_database.superuser(`begin; ${SCRIPT}; commit`)

const isAllowed = async (s: TestService, tenant_id: string, user_id: string): Promise<boolean> => {
  const { body } = await s.root.post('/access/v1/evaluation', {
    subject: { type: 'user', id: user_id },
    action: { name: 'read' },
    resource: { type: 'project', id: '42' },
    context: { tenant_id },
  })
  return body.decision
}

t.test('a database with partitions', { skip }, async (t) => {
  const s = await aService(t)
  const [tenant, other] = [await s.aTenant(), await s.aTenant()]
  const membership = await s.aMembership(tenant.id, { user_id: 'user_olga' })
  await s.aMembership(other.id, { user_id: 'user_olga' })
  const group = await s.aGroup(tenant.id)
  await s.root.put(`/groups/${group.id}/members/${membership.id}`)
  await s.aGrant(tenant.id, { membership_id: membership.id })
  const before = await s.dump()
  await partition(s)

  await t.test('has every row as it was, and every history is gapless and chained', async (t) => {
    t.equal(await s.dump(), before)
    for await (const report of verifyHistories(s.test_database.database)) t.equal(report.fault, null)
  })

  await t.test('keeps the rows of a tenant in one partition, and looks for them in no other', async (t) => {
    for (const [table, key] of [
      ['memberships', 'tenant_id'],
      ['events', 'history_id'],
    ]) {
      const rows = `from tenantry.${table} where ${key} = '${tenant.id}'`
      const parts = await s.test_database.superuser(`select distinct tableoid::regclass::text as part ${rows}`)
      t.match(parts, [{ part: /^tenantry_partition_\d+\./ }])
      t.equal(parts.length, 1)
      t.notMatch(JSON.stringify(await s.test_database.superuser(`explain select ${rows}`)), /Append/)
    }
  })

  await t.test('serves as before, with the same rules and errors', async (t) => {
    t.equal(await isAllowed(s, tenant.id, 'user_olga'), true)
    const { caller } = await s.aMember(other.id, 'admin')
    t.equal((await caller.get(`/memberships/${membership.id}`)).status, 404)
    const again = await s.root.post('/memberships', { tenant_id: tenant.id, user_id: 'user_olga' })
    t.match(again, { status: 409, body: { code: 'membership.exists' } })
    t.equal((await s.root.get('/memberships?user_id=user_olga')).body.data.length, 2)
    t.equal((await s.root.delete(`/memberships/${membership.id}`)).status, 204)
    t.equal(await isAllowed(s, tenant.id, 'user_olga'), false)
    const { body } = await s.root.get('/events?limit=100')
    t.equal(body.data.at(-1).type, 'membership.deleted', 'events of all histories come in their order')
  })
})
