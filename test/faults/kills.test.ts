// Replicas are killed in the middle of what they are doing, again and again, while others go on. FAULTS_KILLS says how often:
// starting the process is what takes the time.
import t from 'tap'
import { faultsOfHistories } from '../database/chain.ts'
import { addressOf, kill9, request, serve } from '../operations/processes.ts'
import { aGround } from './settings.ts'
import { type Acknowledged, halves, lost, writeUntilGone } from './writes.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : false
const KILLS = Number(process.env.FAULTS_KILLS ?? 100)
const REPLICAS = 3 // one or two start while the others write

t.test(`${KILLS} × kill -9 under mixed writes: none is lost, none is half written`, { skip }, async (t) => {
  const { test_database, root, settings } = await aGround()
  const quick = settings({ TENANTRY_STALENESS_MS: '20' }) // what takes rights away waits that long
  const first = serve(t, quick)
  const { body: tenant } = await request(await addressOf(first), root, 'POST /tenants', { name: 'Acme' })
  await kill9(first)

  const acknowledged: Acknowledged[] = []
  let begun = 0
  let killed = 0
  const replica = async (): Promise<void> => {
    while (begun < KILLS) {
      const number = begun++
      const running = serve(t, quick)
      const target = { address: await addressOf(running), credential: root }
      const enough = 5 + (number % 20) // so that it is not always the same write that is under way
      const writes = writeUntilGone({ target, tenant_id: tenant.id, name: `user_${number}`, enough, acknowledged })
      await writes.reached
      await kill9(running)
      killed++
      await writes.broken
    }
  }
  await Promise.all(Array.from({ length: REPLICAS }, replica))
  t.equal(killed, KILLS)
  t.ok(acknowledged.length >= KILLS * 5, `${acknowledged.length} writes were acknowledged`)
  t.same(await lost(test_database.superuser, acknowledged), [])
  t.same(await halves(test_database.superuser), [])
  t.same(await faultsOfHistories(test_database.superuser), [])
})
