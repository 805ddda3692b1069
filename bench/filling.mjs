// Fills a database with as many memberships as a large installation has, straight into its tables: through the API ten million
// would take hours. Ids are in the order of time, as the service makes them; a fifth of all are in one tenant.

const TENANTS = 10_000
const EACH = 250_000 // a statement: PostgreSQL writes as it goes, and whoever waits sees that something happens

/** `n` becomes a UUIDv7: milliseconds first, then what tells ids of one millisecond apart. */
const idOf = (n) =>
  `(lpad(to_hex(1700000000000 + 3 * ${n}), 12, '0') || '7' || substr(md5(${n}::text), 1, 3) || '8' || substr(md5(${n}::text), 4, 15))::uuid`

export const addTenants = async (sql) => {
  await sql(
    `create table public.bench_tenants as select ${idOf('(-n)')} as id, n from generate_series(1, ${TENANTS}::bigint) n`,
  )
  await sql('create unique index on public.bench_tenants (n)')
  await sql(`insert into tenantry.histories (id, revision, head_hash) select id, 1, '' from public.bench_tenants`)
  await sql(`insert into tenantry.tenants (id, slug, name, status, settings, metadata, revision, created_at, updated_at)
    select id, 'bench-' || n, 'Tenant ' || n, 'active', '{}', '{}', 1, now(), now() from public.bench_tenants`)
}

/** References are right by construction, so nothing looks them up. Most users are in eight tenants. */
const addSome = (sql, from, to) =>
  sql(`set session_replication_role = replica;
    create temporary table added as
      select t.id as tenant_id, ${idOf('g.n')} as id, 'bench_' || case when g.n % 5 = 0 then 'large_' || g.n else (g.n / 10)::text end as user_id, g.n
      from generate_series(${from + 1}::bigint, ${to}) as g (n)
      join public.bench_tenants t on t.n = case when g.n % 5 = 0 then 1 else 2 + (g.n * 7919) % ${TENANTS - 1} end;
    insert into tenantry.memberships
      (tenant_id, id, user_id, status, email, display_name, properties, revision, created_at, updated_at)
      select tenant_id, id, user_id, 'active', 'user' || n || '@customer' || n % 1000 || '.example', 'User ' || n, '{}', 1,
        now(), now() from added;
    insert into tenantry.membership_roles (tenant_id, membership_id, role_id, role_history_id)
      select a.tenant_id, a.id, r.id, r.history_id from added a, tenantry.roles r where r.key = 'member' and r.built_in`)

export const addMembers = async (sql, from, to) => {
  for (let at = from; at < to; at += EACH) await addSome(sql, at, Math.min(at + EACH, to))
}
