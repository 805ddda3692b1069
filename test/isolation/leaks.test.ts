// Row-level security, tried from inside a tenant's scope with plain SQL: what a forgotten `where` would do.
import { type SQL, sql } from 'drizzle-orm'
import t from 'tap'
import { v7 } from 'uuid'
import { PLATFORM } from '../../src/database/schema.ts'
import type { Tx } from '../../src/database/scope.ts'
import { aService } from '../support/service.ts'

const s = await aService(t)
const { database } = s.service

type Row = Record<string, unknown>

/** A tenant with a row in every table. */
const aFullTenant = async (): Promise<string> => {
  const { id: tenant_id } = await s.aTenant()
  const { caller } = await s.aMember(tenant_id, 'owner')
  await caller.post('/memberships', { user_id: 'user_vera', email: 'vera@acme.example' }, { 'idempotency-key': 'x' })
  await s.anApiKey({ tenant_id })
  await s.anIssuer({ tenant_id })
  const revoked = await s.anApiKey({ tenant_id })
  await s.root.delete(`/api-keys/${revoked.id}`)
  await s.aRole({ tenant_id })
  await s.aPolicy({ tenant_id })
  const group = await s.aGroup(tenant_id, { roles: ['viewer'] })
  const member = await s.aMembership(tenant_id)
  await s.root.put(`/groups/${group.id}/members/${member.id}`)
  await s.aGrant(tenant_id, { group_id: group.id })
  await s.root.put(`/resources/project/42?tenant_id=${tenant_id}`, { properties: {} })
  return tenant_id
}

await s.root.put('/permissions', { permissions: [{ key: 'invoice:read' }] })
await s.aPolicy()
for (const [key, isDefault] of [
  ['usual', true],
  ['other', false],
] as const) {
  await s.root.post('/role-sets', { key, name: key, roles: ['admin', 'member', 'viewer'], default: isDefault })
}
const acme = await aFullTenant()
const globex = await aFullTenant()

/** The tables that a tenant's scope reaches, and the column that says whose a row is. */
const TABLES = (
  await s.test_database.superuser(
    `select p.tablename as name, coalesce(min(c.column_name), 'id') as owner from pg_policies p
     left join information_schema.columns c on c.table_schema = 'tenantry' and c.table_name = p.tablename
       and c.column_name in ('history_id', 'tenant_id')
     where p.schemaname = 'tenantry' and 'tenantry_tenant' = any (p.roles) group by 1 order by 1`,
  )
).map(({ name, owner }) => ({ name: String(name), table: sql.raw(`tenantry.${name}`), owner: sql.raw(String(owner)) }))

/** The platform's, and readable from every tenant. */
const OF_ALL = ['catalogues', 'role_sets']

const rowsOf = async (tx: Tx, query: SQL): Promise<Row[]> =>
  ((await tx.execute(query)) as unknown as { rows: Row[] }).rows // the shape both drivers answer

const inScope = (tenant_id: string, query: SQL): Promise<Row[]> =>
  database.forTenant({ tenant_id }, (tx) => rowsOf(tx, query))

/** PostgreSQL's code of what went wrong, or how many rows came of it. */
const outcome = async (tenant_id: string, query: SQL): Promise<string> => {
  try {
    return `${(await inScope(tenant_id, query)).length} rows`
  } catch (error) {
    let inner = error
    while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause
    return String((inner as { code?: unknown }).code)
  }
}

t.test('the suite tries every table that a tenant’s scope reaches, and each has rows of both tenants', async (t) => {
  t.same(
    TABLES.map(({ name }) => name),
    [
      'api_keys',
      'catalogues',
      'event_personal_data',
      'events',
      'grants',
      'group_members',
      'group_roles',
      'groups',
      'histories',
      'idempotency_keys',
      'issuers',
      'membership_roles',
      'memberships',
      'policies',
      'resources',
      'revocations',
      'role_sets',
      'roles',
      'tenants',
    ],
  )
  for (const { name, table, owner } of TABLES) {
    for (const tenant_id of [acme, globex]) {
      const whose = OF_ALL.includes(name) ? PLATFORM : tenant_id
      t.ok((await inScope(tenant_id, sql`select from ${table} where ${owner} = ${whose}`)).length > 0, name)
    }
  }
})

t.test('a tenant sees its own rows, what is shared, and nothing else', async (t) => {
  for (const { name, table, owner } of TABLES) {
    const owners = (await inScope(acme, sql`select distinct ${owner}::text as owner from ${table} order by 1`)).map(
      (row) => row.owner,
    )
    const shared = ['histories', 'policies', 'roles', ...OF_ALL].includes(name) ? [PLATFORM] : []
    t.same(owners, [...shared, ...(OF_ALL.includes(name) ? [] : [acme])], name)
    t.same(await inScope(acme, sql`select from ${table} where ${owner} = ${globex}`), [], name)
  }
})

t.test('of the sets of roles a tenant sees its own and the default, and not which others there are', async (t) => {
  const seen = async (): Promise<unknown[]> =>
    (await inScope(acme, sql`select key from tenantry.role_sets order by 1`)).map(({ key }) => key)
  t.same(await seen(), ['usual'])
  await s.root.patch(`/tenants/${globex}`, { role_set: 'other' })
  t.same(await seen(), ['usual'])
  await s.root.patch(`/tenants/${acme}`, { role_set: 'other' })
  t.same(await seen(), ['other', 'usual'])
})

t.test('a tenant changes and deletes nothing of another, nor what is shared', async (t) => {
  const before = [await s.dump(globex), await s.dump(PLATFORM)]
  for (const { name, table, owner } of TABLES) {
    for (const victim of [globex, PLATFORM]) {
      for (const query of [
        sql`update ${table} set ${owner} = ${owner} where ${owner} = ${victim} returning 1`,
        sql`delete from ${table} where ${owner} = ${victim} returning 1`,
      ]) {
        t.match(await outcome(acme, query), /^(0 rows|42501|428C9)$/, `${name}: nothing there, or no right to it`)
      }
    }
    t.equal(await outcome(acme, sql`truncate ${table} cascade`), '42501', name)
  }
  t.same([await s.dump(globex), await s.dump(PLATFORM)], before)
})

t.test('without a where clause a tenant changes its own rows only', async (t) => {
  const before = [await s.dump(globex), await s.dump(PLATFORM)]
  t.equal(await outcome(acme, sql`update tenantry.memberships set display_name = 'All' returning 1`), '3 rows')
  t.equal(await outcome(acme, sql`update tenantry.tenants set name = 'All' returning 1`), '1 rows')
  t.equal(await outcome(acme, sql`delete from tenantry.idempotency_keys returning 1`), '1 rows')
  t.same([await s.dump(globex), await s.dump(PLATFORM)], before)
})

t.test('a tenant puts no row into another, nor moves one of its own there', async (t) => {
  const before = await s.dump(globex)
  for (const { name, table, owner } of TABLES) {
    const columns = await s.test_database.superuser(
      `select column_name as name from information_schema.columns
       where table_schema = 'tenantry' and table_name = $1 and is_generated = 'NEVER' and is_identity = 'NO'`,
      [name],
    )
    const list = sql.raw(columns.map((column) => `"${column.name}"`).join(', '))
    const [row] = await s.test_database.superuser(
      `select to_jsonb(x)::text as row from tenantry.${name} x where to_jsonb(x) ->> coalesce($2, 'id') = $1 limit 1`,
      [
        OF_ALL.includes(name) ? PLATFORM : globex,
        (columns.find((column) => ['history_id', 'tenant_id'].includes(String(column.name)))?.name as string) ?? 'id',
      ],
    )
    const copied = sql`insert into ${table} (${list}) select ${list} from jsonb_populate_record(null::${table}, ${row?.row}::jsonb)`
    t.equal(await outcome(acme, copied), '42501', `${name}: insert`)
    t.match(await outcome(acme, sql`update ${table} set ${owner} = ${globex}`), /^(42501|428C9)$/, `${name}: move`)
  }
  t.equal(await s.dump(globex), before)
})

t.test('a tenant makes no role that is shared or built in, nor one of its own into such', async (t) => {
  const insert = (history_id: string, built_in: boolean): SQL => sql`
    insert into tenantry.roles (history_id, id, key, name, description, permissions, excludes, built_in, revision, created_at, updated_at)
    values (${history_id}, ${v7()}, 'mine', '', '', '{*}', '{}', ${built_in}, 1, now(), now())`
  t.equal(await outcome(acme, insert(PLATFORM, false)), '42501')
  t.equal(await outcome(acme, insert(acme, true)), '42501')
  for (const change of ['history_id = history_id', 'built_in = true', `key = 'owner'`, 'id = id']) {
    t.equal(await outcome(acme, sql`update tenantry.roles set ${sql.raw(change)}`), '42501', change)
  }
  t.equal(await outcome(acme, sql`update tenantry.roles set permissions = '{}' returning 1`), '1 rows', 'its own only')
})

t.test('a tenant’s rows cannot refer to another’s', async (t) => {
  const [membership] = await inScope(globex, sql`select id from tenantry.memberships limit 1`)
  const [own] = await inScope(acme, sql`select id from tenantry.memberships limit 1`)
  const [role] = await s.test_database.superuser('select id from tenantry.roles where history_id = $1', [globex])
  const [shared] = await inScope(acme, sql`select id from tenantry.roles where key = 'viewer'`)
  const hold = (membership_id: unknown, role_history_id: string, role_id: unknown): SQL =>
    sql`insert into tenantry.membership_roles (tenant_id, membership_id, role_history_id, role_id)
        values (${acme}, ${membership_id}, ${role_history_id}, ${role_id})`
  t.equal(await outcome(acme, hold(membership?.id, PLATFORM, shared?.id)), '23503', 'a membership of the other')
  t.equal(await outcome(acme, hold(own?.id, globex, role?.id)), '23514', 'a role of the other')
  t.equal(await outcome(acme, hold(own?.id, acme, role?.id)), '23503', 'the same, called one’s own')
  const personal = sql`insert into tenantry.event_personal_data (history_id, revision, salt, data) values (${acme}, 999, '', '{}')`
  t.equal(await outcome(acme, personal), '23503', 'an event that is not there')
})

t.test('outside any scope nothing is seen, and nothing can be written', async (t) => {
  for (const { name, table } of TABLES) {
    t.same(await inScope('', sql`select from ${table}`), [], name)
    t.match(await outcome('', sql`delete from ${table} returning 1`), /^(0 rows|42501)$/, name)
  }
  t.equal(await outcome('', sql`select nothing`), '42703', 'an error within a scope is told as it is')
  t.equal(await outcome('not-an-id', sql`select from tenantry.tenants`), '22P02')
})

t.test('a connection that one tenant has used shows the next tenant only its own', async (t) => {
  const look = sql`select pg_backend_pid() as pid, current_setting('app.tenant_id', true) as scope, current_user::text as role,
    (select array_agg(distinct tenant_id::text) from tenantry.memberships) as seen`
  const [first] = await inScope(acme, look)
  const [second] = await inScope(globex, look)
  t.equal(second?.pid, first?.pid, 'the same connection')
  t.same([first?.scope, first?.seen, first?.role], [acme, [acme], 'tenantry_tenant'])
  t.same([second?.scope, second?.seen, second?.role], [globex, [globex], 'tenantry_tenant'])
  const after = await database.call({
    name: 'after',
    text: `select json_build_array(pg_backend_pid(), coalesce(current_setting('app.tenant_id', true), ''), current_user = session_user) as value`,
  })
  t.same(after, [first?.pid, '', true], 'and after the transaction neither scope nor role are left')
})

t.test('a scope that failed leaves nothing behind either', async (t) => {
  await t.rejects(
    database.forTenant({ tenant_id: acme }, async (tx) => {
      await tx.execute(sql`update tenantry.tenants set name = 'Half done'`)
      throw new Error('on purpose')
    }),
    /on purpose/,
  )
  t.equal(await outcome(acme, sql`select 1 from tenantry.tenants where name = 'Half done'`), '0 rows')
  const [row] = await inScope(globex, sql`select count(*)::int as count from tenantry.tenants`)
  t.equal(row?.count, 1)
})

const embedded = database.kind === 'embedded' ? {} : { skip: 'it would hang on PGlite only, and is watched for there' }

t.test('a door inside a door is refused, whichever two', embedded, async (t) => {
  const message = /opened inside another/
  await t.rejects(
    database.forTenant({ tenant_id: acme }, () => database.forTenant({ tenant_id: globex }, async () => 1)),
    message,
  )
  await t.rejects(
    database.forTenant({ tenant_id: acme }, () => database.asPlatform('x', async () => 1)),
    message,
  )
  await t.rejects(
    database.asPlatform('x', () => database.forTenant({ tenant_id: acme }, async () => 1)),
    message,
  )
  await t.rejects(
    database.asPlatform('x', () => database.ping()),
    message,
  )
  t.equal(await database.asPlatform('x', async () => 'still works'), 'still works')
})

t.test('scopes beside one another do not mix', async (t) => {
  const look = sql`select array_agg(distinct tenant_id::text) as seen from tenantry.memberships`
  const seen = await Promise.all(Array.from({ length: 12 }, (_, index) => inScope(index % 2 ? acme : globex, look)))
  seen.forEach(([row], index) => {
    t.same(row?.seen, [index % 2 ? acme : globex])
  })
})

t.test('the functions that carry their own scope refuse to leave an open one', async (t) => {
  const now = s.now.toISOString()
  for (const query of [
    sql`select tenantry.read_facts(${globex}, 'user_vera', null)`,
    sql`select tenantry.read_facts(${globex}, 'user_vera', null, 'project', '42')`,
    sql`select tenantry.read_facts_of_users(array[${acme}, ${globex}]::uuid[], '{user_vera, user_vera}', '{null, null}', '{null, null}')`,
    sql`select tenantry.read_resource_roles(${globex}, 'user_vera')`,
    sql`select tenantry.read_member_facts(${globex}, ${PLATFORM}, 10, 'project', '42')`,
    sql`select tenantry.read_api_key_facts(${globex}, ${v7()})`,
    sql`select tenantry.read_member_facts(${globex}, ${PLATFORM}, 10)`,
    sql`select tenantry.read_revisions(array[${globex}]::uuid[])`,
    sql`select tenantry.claim_slug('mine', ${globex}, ${now})`,
    sql`select tenantry.release_slug('mine', ${globex}, ${now})`,
    sql`select tenantry.locate('tenant', ${globex})`,
    sql`select tenantry.find_api_key('x')`,
  ]) {
    t.equal(await outcome(acme, query), '42501')
  }
  const [own] = await inScope(
    acme,
    sql`select tenantry.read_facts(${acme}, 'user_vera', null) as facts,
    current_setting('app.tenant_id') as scope`,
  )
  t.match(own?.facts, { tenant: { id: acme }, membership: { user_id: 'user_vera' } })
  t.equal(own?.scope, acme, 'and leave the scope as it was')
  const [several] = await inScope(
    acme,
    sql`select tenantry.read_facts_of_users(array[${acme}]::uuid[], '{user_vera}', '{null}', '{null}') as facts,
    current_setting('app.tenant_id') as scope`,
  )
  t.match(several, { facts: { found: [{ tenant_id: acme, user_id: 'user_vera' }] }, scope: acme })
  const [members] = await inScope(
    acme,
    sql`select tenantry.read_member_facts(${acme}, ${PLATFORM}, 1000) as page, current_setting('app.tenant_id') as scope`,
  )
  const { page, scope } = members as { page: { members: { facts: { tenant: { id: string } } }[] }; scope: string }
  t.ok(page.members.length > 0)
  t.ok(page.members.every(({ facts }) => facts.tenant.id === acme))
  t.equal(scope, acme)
})

t.test('a membership’s id of another tenant is no fact of this one', async (t) => {
  const [membership] = await inScope(globex, sql`select id from tenantry.memberships where user_id = 'user_vera'`)
  const facts = await database.call(
    { name: 'facts', text: 'select tenantry.read_facts($1, null, $2) as value' },
    acme,
    membership?.id,
  )
  t.match(facts, { tenant: { id: acme }, membership: null })
})
