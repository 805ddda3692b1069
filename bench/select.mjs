// The other side of a cold check: one prepared select of the membership, through pg. No HTTP, no isolation, no decision.
import pg from 'pg'
import { answerWith } from './processes.mjs'

const { owner_url, in_flight } = JSON.parse(process.argv[2])
const pool = new pg.Pool({ connectionString: owner_url, max: 10 })
const TEXT = `select m.id, m.status, m.expires_at, r.key, r.permissions, r.excludes
  from tenantry.memberships m
  join tenantry.membership_roles mr on mr.tenant_id = m.tenant_id and mr.membership_id = m.id
  join tenantry.roles r on r.history_id = mr.role_history_id and r.id = mr.role_id
  where m.tenant_id = $1 and m.user_id = $2`

const select = async (users, until) => {
  let count = 0
  for (; Date.now() < until; count++) {
    const { tenant_id, user_id } = users[Math.floor(Math.random() * users.length)]
    await pool.query({ name: 'select', text: TEXT, values: [tenant_id, user_id] })
  }
  return count
}

answerWith('ready', async ({ users, seconds }) => {
  const started = performance.now()
  const until = Date.now() + seconds * 1000
  const counts = await Promise.all(Array.from({ length: in_flight }, () => select(users, until)))
  return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - started) / 1000)
})
