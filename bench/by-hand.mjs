// The other side of a membership's creation: the very statements that the service sends, sent by hand through pg, in one
// transaction, one after the other. No HTTP, no validation, no authentication, no rules.
import { createHash, randomBytes } from 'node:crypto'
import pg from 'pg'
import { newId } from '../dist/ids.js'
import { answerWith } from './processes.mjs'

const { database_url, tenants, writers } = JSON.parse(process.argv[2])
const PLATFORM = '00000000-0000-0000-0000-000000000000'
const pool = new pg.Pool({ connectionString: database_url, max: writers })
let created = 0

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()

const create = async (tenant_id) => {
  const client = await pool.connect()
  const query = async (text, values) => (await client.query(text, values)).rows
  const [id, at, user_id] = [newId(), new Date().toISOString(), `by_hand_${process.pid}_${created++}`]
  await query('begin')
  await query(`select set_config('role', 'tenantry_tenant', true), set_config('app.tenant_id', $1, true)`, [tenant_id])
  const [{ revision, head_hash }] = await query(
    'select id, revision, head_hash from tenantry.histories where id = $1 for no key update',
    [tenant_id],
  )
  await query(
    `select id, slug, name, status, settings, metadata, deletes_at, revision, created_at, updated_at
     from tenantry.tenants where id = $1`,
    [tenant_id],
  )
  const [role] = await query(
    `select history_id, id, tenant_id, key, name, description, permissions, excludes, built_in, revision, created_at,
     updated_at from tenantry.roles where history_id in ($1, $2) and key in ($3) order by key`,
    [tenant_id, PLATFORM, 'member'],
  )
  const next = Number(revision) + 1
  await query(
    `insert into tenantry.memberships
       (tenant_id, id, user_id, status, email, display_name, properties, expires_at, revision, created_at, updated_at)
     values ($1, $2, $3, 'active', null, null, '{}', null, $4, $5, $5)
     returning tenant_id, id, user_id, status, email, display_name, properties, expires_at, revision, created_at, updated_at`,
    [tenant_id, id, user_id, next, at],
  )
  await query(
    'insert into tenantry.membership_roles (tenant_id, membership_id, role_id, role_history_id) values ($1, $2, $3, $4)',
    [tenant_id, id, role.id, role.history_id],
  )
  const [salt, personal, data] = [randomBytes(16), JSON.stringify({ user_id }), JSON.stringify({ membership_id: id })]
  const hash = sha256(head_hash, data)
  await query(
    `with head as (update tenantry.histories set revision = $1, head_hash = $2 where id = $3),
       personal as (
         insert into tenantry.event_personal_data (history_id, revision, salt, data) values ($3, $1, $4, $5::jsonb))
     insert into tenantry.events
       (history_id, revision, type, actor_type, actor_id, data, personal_commitment, hash, created_at)
     values ($3, $1, 'membership.created', 'api_key', $6, $7::jsonb, $8, $2, $9)`,
    [next, hash, tenant_id, salt, personal, id, data, sha256(salt, personal), at],
  )
  await query('commit')
  client.release()
}

const createFor = async (tenant_id, until) => {
  let count = 0
  for (; Date.now() < until; count++) await create(tenant_id)
  return count
}

answerWith('ready', async ({ seconds }) => {
  const started = performance.now()
  const until = Date.now() + seconds * 1000
  const counts = await Promise.all(tenants.slice(0, writers).map(({ id }) => createFor(id, until)))
  return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - started) / 1000)
})
