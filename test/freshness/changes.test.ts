// What the database tells of the histories, to whoever keeps facts in memory.
import t from 'tap'
import { aService } from '../support/service.ts'

const s = await aService(t)
const { id: busy } = await s.aTenant({ slug: 'busy' })
const { id: calm } = await s.aTenant({ slug: 'calm' })

const READ_SNAPSHOT = { name: 'read_snapshot', text: 'select to_jsonb(pg_current_snapshot()::text) as value' }
const READ_CHANGES = { name: 'read_changes', text: 'select tenantry.read_changes($1) as value' }
const changesSince = (snapshot: unknown) => s.service.database.call(READ_CHANGES, snapshot)

t.test('a history with much in it is told as one change of anything in it, the others event by event', async (t) => {
  const since = await s.service.database.call(READ_SNAPSHOT)
  t.same(await changesSince(since), [])
  const { id } = await s.aMembership(calm, { user_id: 'user_calm' })
  const { id: again } = await s.aMembership(busy, { user_id: 'user_busy' })
  const toggle = async () => {
    for (const what of ['suspend', 'reactivate']) await s.root.post(`/memberships/${again}/${what}`)
  }
  for (let n = 0; n < 100; n++) await toggle()
  const told = (await changesSince(since)) as { history_id: string; type: string; data: object }[]
  t.same(
    told.filter(({ history_id }) => history_id === busy),
    [{ history_id: busy, type: 'many', data: {} }],
  )
  t.same(
    told.filter(({ history_id }) => history_id === calm),
    [{ history_id: calm, type: 'membership.created', data: { membership_id: id } }],
  )
})

t.test('since no snapshot, or one that is not of this cluster, anything may have changed', async (t) => {
  t.equal(await changesSince(null), null)
  t.equal(await changesSince('99999999:99999999:'), null)
})
