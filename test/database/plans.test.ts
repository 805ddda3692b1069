// What every request asks is answered from an index, however much there is. Not by reading plans: PostgreSQL counts, for a
// transaction, how often a table was read from end to end.
import { sql } from 'drizzle-orm'
import t from 'tap'
import { hashOf, makeSecret } from '../../src/api-keys/secrets.ts'
import { PLATFORM } from '../../src/database/schema.ts'
import type { Tx } from '../../src/database/scope.ts'
import { currentSnapshot, listEventsOf, listEventsOfAll } from '../../src/events/queries.ts'
import { givenBesides, givenByGroup, listMembersOf, tenantWideBesides } from '../../src/grants/holdings.ts'
import { listGrants } from '../../src/grants/queries.ts'
import { listGroups } from '../../src/groups/queries.ts'
import {
  findMembership,
  findMemberships,
  hasOtherOwner,
  listAllHolders,
  listHolders,
  listMemberships,
} from '../../src/memberships/queries.ts'
import { listResources } from '../../src/resources/operations.ts'
import { aService } from '../support/service.ts'

/** PGlite's planner is PostgreSQL's, and it is slow with so many rows. */
const skip = process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : false

const s = await aService(t)
const { database, superuser } = s.test_database
const tenant = await s.aTenant({ owner: { user_id: 'user_olga' } })
const secret = makeSecret()

/** 1,000 tenants; 10,000 memberships with a role and an event each, most in one tenant; 10,000 API keys. */
const fill = async (): Promise<void> => {
  const other = await s.aTenant()
  await superuser(`insert into tenantry.histories (id, revision, head_hash)
    select gen_random_uuid(), 0, '' from generate_series(1, 1000)`)
  await superuser(`insert into tenantry.tenants (id, slug, name, status, settings, metadata, revision, created_at, updated_at)
    select h.id, h.id::text, 'Tenant', 'active', '{}', '{}', 1, now(), now() from tenantry.histories h where h.revision = 0`)
  await superuser(
    `insert into tenantry.memberships (tenant_id, id, user_id, status, properties, revision, created_at, updated_at)
     select case when n % 10 = 0 then $2::uuid else $1::uuid end, gen_random_uuid(), 'user_' || n, 'active', '{}', 1, now(), now()
     from generate_series(1, 10000) n`,
    [tenant.id, other.id],
  )
  await superuser(
    `insert into tenantry.membership_roles (tenant_id, membership_id, role_id, role_history_id)
     select m.tenant_id, m.id, r.id, r.history_id from tenantry.memberships m, tenantry.roles r
     where r.key = 'member' and m.user_id <> 'user_olga'`,
  )
  await superuser(
    `insert into tenantry.groups (tenant_id, id, name, description, revision, created_at, updated_at)
     select $1, gen_random_uuid(), 'group ' || n, '', 1, now(), now() from generate_series(1, 1000) n`,
    [tenant.id],
  )
  await superuser(
    `insert into tenantry.group_roles (tenant_id, group_id, role_id, role_history_id)
     select g.tenant_id, g.id, r.id, r.history_id from tenantry.groups g, tenantry.roles r where r.key = 'viewer'`,
  )
  await superuser(
    `insert into tenantry.group_members (tenant_id, group_id, membership_id)
     select g.tenant_id, g.id, m.id from tenantry.memberships m
     join tenantry.groups g on g.tenant_id = m.tenant_id and g.name = 'group ' || right(m.user_id, 3)`,
  )
  // One member has a grant on each of 10,000 projects, the others one each.
  await superuser(
    `insert into tenantry.grants (tenant_id, id, membership_id, role_id, role_history_id, resource_type, resource_id, revision, created_at, updated_at)
     select m.tenant_id, gen_random_uuid(), m.id, r.id, r.history_id, 'project', m.user_id || n, 1, now(), now()
     from tenantry.memberships m join tenantry.roles r on r.key = 'member'
     cross join generate_series(1, 10000) n where m.user_id = 'user_5001' or n = 1`,
  )
  await superuser(
    `insert into tenantry.grants (tenant_id, id, group_id, role_id, role_history_id, resource_type, resource_id, revision, created_at, updated_at)
     select g.tenant_id, gen_random_uuid(), g.id, r.id, r.history_id, 'folder', n::text, 1, now(), now()
     from tenantry.groups g, tenantry.roles r, generate_series(1, 10) n where r.key = 'member'`,
  )
  await superuser(
    `insert into tenantry.resources (tenant_id, type, id, properties, revision, created_at, updated_at)
     select $1, 'project', n::text, '{}', 1, now(), now() from generate_series(1, 10000) n`,
    [tenant.id],
  )
  await superuser(`insert into tenantry.policies (history_id, id, key, description, text, effect, actions, reads_resource, enabled,
      revision, created_at, updated_at)
    select h.id, gen_random_uuid(), 'policy ' || n, '', '', 'forbid', '{*}', false, true, 1, now(), now()
    from tenantry.histories h, generate_series(1, 10) n where h.revision = 0`)
  await superuser(
    `insert into tenantry.events (history_id, revision, type, actor_type, data, hash, created_at)
     select $1, n, 'membership.created', 'system', '{}', '', now() from generate_series(1000, 11000) n`,
    [tenant.id],
  )
  await superuser(
    `insert into tenantry.api_keys (history_id, id, name, hash, hint, permissions, excludes, root, revision, created_at)
     select $1, gen_random_uuid(), 'key', case when n = 1 then $2 else sha256(n::text::bytea) end, '', '{}', '{}', false, 1, now()
     from generate_series(1, 10000) n`,
    [tenant.id, hashOf(secret)],
  )
  await superuser('analyze')
}

const scans = async (tx: Tx): Promise<Record<string, number>> => {
  const { rows } = (await tx.execute(sql`
    select relname, seq_scan::int from pg_stat_xact_user_tables
    where schemaname = 'tenantry' and relname not in ('roles', 'histories', 'catalogues') -- small, always locked by id, one row
  `)) as unknown as { rows: { relname: string; seq_scan: number }[] } // the shape both drivers answer
  return Object.fromEntries(rows.map(({ relname, seq_scan }) => [relname, seq_scan]))
}

/** The tables that were read from end to end to answer this. What this connection did before may still be counted. */
const readWhole = async (tx: Tx, ask: (tx: Tx) => Promise<unknown>): Promise<string[]> => {
  const before = await scans(tx)
  // Ten times: after the fifth PostgreSQL may keep one plan for a function's statement, whatever its parameters.
  for (let times = 0; times < 10; times++) await ask(tx)
  const after = await scans(tx)
  return Object.keys(after).filter((table) => after[table] !== (before[table] ?? 0))
}

if (!skip) await fill()
const olga = (await s.root.get(`/memberships?tenant_id=${tenant.id}&user_id=user_olga`)).body.data[0]
const vera = (await s.root.get('/memberships?user_id=user_5001')).body.data[0]
const mia = (await s.root.get('/memberships?user_id=user_5002')).body.data[0]
const group = (await s.root.get(`/groups?tenant_id=${tenant.id}&limit=1`)).body.data[0]
const page = {
  ...{ tenant_id: undefined, user_id: undefined, role: undefined, status: undefined, email: undefined },
  ...{ now: s.now, after: undefined, limit: 51 },
}
const first = { tenant_id: tenant.id, after: undefined, limit: 51 }
const hash = hashOf(secret)

const IN_A_TENANT: Record<string, (tx: Tx) => Promise<unknown>> = {
  'the facts of a user': (tx) => tx.execute(sql`select tenantry.read_facts(${tenant.id}, 'user_5001', null)`),
  'the facts of several users': (tx) =>
    tx.execute(sql`select tenantry.read_facts_of_users(array_fill(${tenant.id}::uuid, '{4}'),
      '{user_5001, user_5002, user_olga, nobody}', '{project, null, null, null}', '{user_50017, null, null, null}')`),
  'the facts of a membership': (tx) => tx.execute(sql`select tenantry.read_facts(${tenant.id}, null, ${vera.id})`),
  'the facts about a resource': (tx) =>
    tx.execute(sql`select tenantry.read_facts(${tenant.id}, 'user_5001', null, 'project', 'user_50017')`),
  'what is given besides roles': (tx) => givenBesides(tx, tenant.id, mia.id),
  'what is held besides roles now': (tx) => tenantWideBesides(tx, [vera.id, olga.id], s.now),
  'what a group gives': (tx) => givenByGroup(tx, tenant.id, group.id),
  'the grants on a resource': (tx) => listGrants(tx, { ...first, resource_type: 'project', resource_id: 'user_50017' }),
  'a page of the grants of a membership': (tx) => listGrants(tx, { ...first, membership_id: vera.id, after: vera.id }),
  'a page of the grants of a group': (tx) => listGrants(tx, { ...first, group_id: group.id }),
  'the members of a group': (tx) => listMembersOf(tx, tenant.id, group.id, { after: vera.id, limit: 51 }),
  'the groups of a membership': (tx) => listGroups(tx, { ...first, membership_id: vera.id }),
  'a page of resources': (tx) =>
    listResources(tx, {
      ...{ tenant_id: tenant.id, type: 'project', limit: 51 },
      after: { tenant_id: tenant.id, type: 'project', id: '5000' },
    }),
  'the facts of an API key': (tx) => tx.execute(sql`select tenantry.read_api_key_facts(${tenant.id}, ${vera.id})`),
  'the facts of the first members': (tx) =>
    tx.execute(sql`select tenantry.read_member_facts(${tenant.id}, ${PLATFORM}, 20)`),
  'the facts of later members': (tx) =>
    tx.execute(sql`select tenantry.read_member_facts(${tenant.id}, ${vera.id}, 20)`),
  'a membership': (tx) => findMembership(tx, tenant.id, vera.id),
  'the first page of memberships': (tx) => listMemberships(tx, { ...page, tenant_id: tenant.id }),
  'a later page of memberships': (tx) => listMemberships(tx, { ...page, tenant_id: tenant.id, after: vera.id }),
  'the membership of a user': (tx) => listMemberships(tx, { ...page, tenant_id: tenant.id, user_id: 'user_5001' }),
  'whether there is another owner': (tx) => hasOtherOwner(tx, { tenant_id: tenant.id, id: olga.id }),
  'who holds a role of the tenant': (tx) => listHolders(tx, { id: vera.id }, { tenant_id: tenant.id, limit: 51 }),
  'some memberships by their ids': (tx) => findMemberships(tx, [vera.id, olga.id]),
  'a page of events': (tx) => listEventsOf(tx, { history_id: tenant.id, after: 9000, type: undefined, limit: 51 }),
}

const ON_THE_PLATFORM: Record<string, (tx: Tx) => Promise<unknown>> = {
  'an API key': (tx) => tx.execute(sql`select tenantry.find_api_key(${hash})`),
  'where a membership is': (tx) => tx.execute(sql`select tenantry.locate('membership', ${vera.id})`),
  'where a group is': (tx) => tx.execute(sql`select tenantry.locate('group', ${vera.id})`),
  'where a grant is': (tx) => tx.execute(sql`select tenantry.locate('grant', ${vera.id})`),
  'who holds a role in whichever way, in all tenants': (tx) => listAllHolders(tx, { id: vera.id }, 51),
  'where an API key is': (tx) => tx.execute(sql`select tenantry.locate('api_key', ${vera.id})`),
  'the memberships of a user in all tenants': (tx) => listMemberships(tx, { ...page, user_id: 'user_5001' }),
  'who holds a shared role in all tenants': (tx) => listHolders(tx, { id: vera.id }, { limit: 51 }),
  'what has changed': (tx) => tx.execute(sql`select tenantry.read_changes(pg_current_snapshot()::text)`),
  'a page of all memberships': (tx) => listMemberships(tx, { ...page, after: vera.id }),
}

for (const [what, ask] of Object.entries(IN_A_TENANT)) {
  t.test(`${what}: from an index`, { skip }, (t) =>
    database.forTenant({ tenant_id: tenant.id }, async (tx) => {
      t.same(await readWhole(tx, ask), [])
    }),
  )
}

for (const [what, ask] of Object.entries(ON_THE_PLATFORM)) {
  t.test(`${what}: from an index`, { skip }, (t) =>
    database.asPlatform('see how it is read', async (tx) => {
      t.same(await readWhole(tx, ask), [])
    }),
  )
}

t.test('a page of all events: from an index', { skip }, (t) =>
  database.asPlatform('see how it is read', async (tx) => {
    const snapshot = await currentSnapshot(tx)
    const ask = () => listEventsOfAll(tx, { snapshot, after: 9000, type: undefined, limit: 51 })
    t.same(await readWhole(tx, ask), [])
  }),
)

t.test('reading a table from end to end would show', { skip }, (t) =>
  database.asPlatform('see that the tests above can fail', async (tx) => {
    const ask = () => tx.execute(sql`select count(*) from tenantry.memberships where display_name = 'Vera'`)
    t.same(await readWhole(tx, ask), ['memberships'])
  }),
)
