// A restored database gives revisions out again: then a policy of the same revision may have another text.
import { sql } from 'drizzle-orm'
import t from 'tap'
import { beginEpoch } from '../../src/epochs/operations.ts'
import { Seal } from '../../src/sealing.ts'
import { aService, made } from '../support/service.ts'

const s = await aService(t)
const { database, app } = s.service

t.test('in a new epoch, what a policy said before is forgotten, though its revision is the same', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  await s.aMembership(tenant_id, { user_id: 'ann', roles: ['viewer'] })
  const forbid = (action: string) => `forbid (principal, action, resource) when { action == Action::"${action}" };`
  const { id } = await s.aPolicy({ tenant_id, text: forbid('invoice:write') })
  const mayRead = async (): Promise<boolean> => {
    const asked = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'read' },
      resource: { type: 'invoice', id: '1' },
    }
    return made(await s.root.post('/access/v1/evaluation', { ...asked, context: { tenant_id } })).decision
  }
  t.equal(await mayRead(), true)
  await database.asPlatform('another past', (tx) =>
    tx.execute(sql`update tenantry.policies set text = ${forbid('invoice:read')} where id = ${id}`),
  )
  const how = { nothing_lost: true, in_tenants: true, isDue: () => true, now: new Date() }
  await beginEpoch({ database, seal: new Seal(Buffer.alloc(32)), algorithm: 'EdDSA', ...how })
  await app.epochs.look()
  t.equal(await mayRead(), false)
})
