// The database as it really is, read from its own catalogue: a table, key or function that forgets isolation fails here.
import pg from 'pg'
import t from 'tap'
import { openTestDatabase } from '../support/databases.ts'

const db = await openTestDatabase()
t.teardown(() => db.database.close())
const sql = db.superuser

const OWNERS = ['tenant_id', 'history_id']

/** Tables that belong to no tenant: no tenant's scope may read or write them. */
const OF_THE_PLATFORM = ['epochs', 'signing_keys', 'slugs']

/** The keys that do not begin with the tenant, each for a reason. */
const EXCEPTIONS: Record<string, string> = {
  histories_pkey: 'the id of a history is the tenant',
  tenants_pkey: 'the id is the tenant',
  tenants_history: 'the id is the tenant',
  slugs_pkey: 'directory: who holds a slug',
  epochs_pkey: 'of the platform',
  signing_keys_pkey: 'of the platform',
  signing_keys_one_active: 'of the platform',
  memberships_directory: 'directory: the tenant of a membership, for platform credentials',
  roles_directory: 'directory: the tenant of a role, for platform credentials',
  api_keys_directory: 'directory: the tenant of an API key, for platform credentials',
  issuers_directory: 'directory: the tenant of an issuer, for platform credentials',
  policies_directory: 'directory: the tenant of a policy, for platform credentials',
  groups_directory: 'directory: the tenant of a group, for platform credentials',
  grants_directory: 'directory: the tenant of a grant, for platform credentials',
  role_sets_key: 'of the platform',
  tenants_role_set: 'the sets are the platform’s',
  api_keys_hash: 'directory: whose secret this is',
  group_roles_role: 'a role is the own tenant’s or shared, and a check says so',
  grants_role: 'a role is the own tenant’s or shared, and a check says so',
  membership_roles_role: 'a role is the own tenant’s or shared, and a check says so',
}

const tables = await sql(
  `select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced
   from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname = 'tenantry' and c.relkind in ('r', 'p') order by 1`,
)
const policies = await sql(
  `select tablename as name, roles::text[] as roles, cmd, permissive, coalesce(qual, '') as qual, coalesce(with_check, '') as with_check
   from pg_policies where schemaname = 'tenantry' order by tablename, policyname`,
)

t.test('every table has row-level security, enabled and forced', async (t) => {
  t.ok(tables.length >= 11)
  for (const { name, enabled, forced } of tables) t.same([enabled, forced], [true, true], String(name))
})

t.test('every table has a policy for the platform, and one for a tenant unless it is the platform’s own', async (t) => {
  for (const { name } of tables) {
    const has = (role: string): boolean =>
      policies.some((policy) => policy.name === name && (policy.roles as string[]).includes(role))
    t.ok(has('tenantry_platform'), String(name))
    t.equal(has('tenantry_tenant'), !OF_THE_PLATFORM.includes(String(name)), String(name))
  }
  t.same(
    policies.filter(({ roles }) => !['{tenantry_tenant}', '{tenantry_platform}'].includes(`{${roles}}`)),
    [],
    'no policy is for anybody else',
  )
})

t.test('every policy of a tenant rests on the setting of the transaction, and survives an empty one', async (t) => {
  const own = policies.filter(({ roles }) => (roles as string[]).includes('tenantry_tenant'))
  t.ok(own.length >= 10)
  for (const { name, qual } of own) {
    t.match(qual, /nullif\(current_setting\('app\.tenant_id'::text, true\), ''::text\)/i, String(name))
  }
})

t.test('every key of a tenant’s table begins with the tenant, but for a short list', async (t) => {
  const keys = await sql(
    `select k.name, k.kind, t.relname as table, a.attname as first from (
       select conname as name, contype::text as kind, conrelid as relid, conkey[1] as first from pg_constraint
         where contype in ('p', 'u', 'f')
       union
       select i.relname, 'i', x.indrelid, x.indkey[0] from pg_index x join pg_class i on i.oid = x.indexrelid where x.indisunique
     ) k
     join pg_class t on t.oid = k.relid join pg_namespace n on n.oid = t.relnamespace
     left join pg_attribute a on a.attrelid = k.relid and a.attnum = k.first
     where n.nspname = 'tenantry' order by 1`,
  )
  const odd = keys.filter(({ first }) => !OWNERS.includes(String(first))).map(({ name }) => String(name))
  t.same(
    [...new Set(odd)].sort(),
    Object.keys(EXCEPTIONS).sort(),
    'explain a new exception here, or give the key its tenant',
  )
})

t.test('every table that a tenant owns says whose each row is, and never nobody’s', async (t) => {
  const columns = await sql(
    `select table_name as name, bool_or(is_nullable = 'NO') as certain from information_schema.columns
     where table_schema = 'tenantry' and column_name in ('tenant_id', 'history_id') group by 1`,
  )
  const owned = tables
    .map(({ name }) => String(name))
    .filter((name) => !['epochs', 'histories', 'tenants', 'signing_keys'].includes(name))
  t.same(columns.map(({ name }) => name).sort(), owned)
  for (const { name, certain } of columns) t.equal(certain, true, String(name))
})

t.test(
  'every function that runs with its owner’s rights has a fixed path, a weak owner, and is not for everybody',
  async (t) => {
    const functions = await sql(
      `select p.proname as name, p.prosecdef as definer, p.proconfig as config, r.rolname as owner, r.rolsuper or r.rolbypassrls as mighty,
       exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0) as for_everybody
     from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_roles r on r.oid = p.proowner
     where n.nspname = 'tenantry' order by 1`,
    )
    t.ok(functions.length >= 6)
    for (const each of functions) {
      t.match(each, { definer: true, mighty: false, for_everybody: false }, String(each.name))
      t.match(each.owner, /^tenantry_(tenant|platform)$/, String(each.name))
      t.same(each.config, ['search_path=pg_catalog, pg_temp'], String(each.name))
    }
  },
)

t.test('there are no views, which would look past the policies of the tables under them', async (t) => {
  t.same(
    await sql(
      `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = 'tenantry' and c.relkind in ('v', 'm', 'f')`,
    ),
    [],
  )
})

t.test('everybody has no right at all, and the two roles cannot log in or look past policies', async (t) => {
  const open = await sql(
    `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a
     where n.nspname in ('tenantry', 'tenantry_migrations') and a.grantee = 0
     union all
     select n.nspname from pg_namespace n, aclexplode(n.nspacl) a where n.nspname like 'tenantry%' and a.grantee = 0`,
  )
  t.same(open, [])
  const roles = await sql(
    `select rolname as name, rolcanlogin or rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication as mighty
     from pg_roles where rolname in ('tenantry_tenant', 'tenantry_platform') order by 1`,
  )
  t.same(roles, [
    { name: 'tenantry_platform', mighty: false },
    { name: 'tenantry_tenant', mighty: false },
  ])
  for (const role of ['tenantry_tenant', 'tenantry_platform']) {
    const [made] = await sql(`select has_schema_privilege($1, 'tenantry', 'create') as may`, [role])
    t.equal(made?.may, false, `${role} makes nothing new in the schema`)
  }
})

t.test('nobody rewrites history: events are added and read, and that is all', async (t) => {
  for (const role of ['tenantry_tenant', 'tenantry_platform']) {
    const [may] = await sql(
      `select has_table_privilege($1, 'tenantry.events', 'update') as update, has_table_privilege($1, 'tenantry.events', 'delete') as delete,
         has_table_privilege($1, 'tenantry.events', 'truncate') as truncate, has_any_column_privilege($1, 'tenantry.events', 'update') as columns`,
      [role],
    )
    t.same(may, { update: false, delete: false, truncate: false, columns: false }, role)
  }
})

t.test('a tenant’s scope has no right to the platform’s own tables, nor to look up others', async (t) => {
  for (const table of OF_THE_PLATFORM) {
    const [may] = await sql(
      `select has_table_privilege('tenantry_tenant', $1, 'select, insert, update, delete') as any`,
      [`tenantry.${table}`],
    )
    t.equal(may?.any, false, table)
  }
  for (const signature of ['find_api_key(bytea)', 'locate(text, uuid)', 'read_revisions(uuid[])']) {
    const [may] = await sql(`select has_function_privilege('tenantry_tenant', $1, 'execute') as may`, [
      `tenantry.${signature}`,
    ])
    t.equal(may?.may, false, signature)
  }
})

const server = db.url === undefined ? { skip: 'PGlite has one user, and it is a superuser' } : {}

t.test('the role that the service logs in as is mighty in nothing and inherits nothing', server, async (t) => {
  const { username } = new URL(db.url as string)
  const [role] = await sql(
    `select rolsuper, rolbypassrls, rolinherit, rolcreaterole, rolcreatedb, rolreplication,
       exists (select from pg_class c where c.relowner = r.oid) as owns_tables,
       exists (select from pg_proc p where p.proowner = r.oid) as owns_functions,
       exists (select from pg_namespace n where n.nspowner = r.oid) as owns_schemas
     from pg_roles r where rolname = $1`,
    [username],
  )
  t.same(Object.values(role ?? { missing: true }).filter(Boolean), [])
})

t.test('without switching its role the service’s login can read and write nothing', server, async (t) => {
  const client = new pg.Client({ connectionString: db.url })
  await client.connect()
  t.teardown(() => client.end())
  const tries = tables.flatMap(({ name }) => [
    `select from tenantry.${name}`,
    `delete from tenantry.${name}`,
    `truncate tenantry.${name}`,
  ])
  for (const text of [
    ...tries,
    'create table tenantry.mine ()',
    'alter table tenantry.events disable row level security',
  ]) {
    await t.rejects(client.query(text), { code: '42501' }, text)
  }
  await t.rejects(client.query('set role postgres'), { code: '42501' })
  for (const text of [
    `select tenantry.claim_slug('x', gen_random_uuid(), now())`,
    `select tenantry.release_slug('x', gen_random_uuid(), now())`,
  ]) {
    await t.rejects(client.query(text), { code: '42501' }, text)
  }
  t.same((await client.query('select tenantry.read_facts(gen_random_uuid(), $1, null) as facts', ['x'])).rows, [
    { facts: null },
  ])
})
