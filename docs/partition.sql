-- Turns the tables that grow with memberships into sets of 16 partitions, by the hash of the tenant. For a database owner, with
-- the service stopped: psql --single-transaction --set ON_ERROR_STOP=1 --file docs/partition.sql. When that is worth it: docs/scaling.md.
-- Constraints, indexes, policies and grants are copied from what is there, so this goes with every version of the schema.
-- Partitions lie in 16 schemas of their own, where nobody is granted anything: rows are reached through the tables only.
do $$
begin
  for part in 0..15 loop
    execute format('create schema tenantry_partition_%s', part);
  end loop;
end
$$;

create temporary table parted (name text primary key, key text not null) on commit drop;
insert into parted values ('memberships', 'tenant_id'), ('membership_roles', 'tenant_id'), ('group_members', 'tenant_id'),
  ('grants', 'tenant_id'), ('events', 'history_id'), ('event_personal_data', 'history_id');

-- Every foreign key of these tables and to them goes, and comes back when all are in place.
create temporary table kept on commit drop as
  select conrelid::regclass::text as of_table, conname as name, pg_get_constraintdef(oid) as definition from pg_constraint
  where contype = 'f' and (conrelid in (select ('tenantry.' || name)::regclass from parted)
    or confrelid in (select ('tenantry.' || name)::regclass from parted));

do $$
declare
  foreign_key record;
begin
  for foreign_key in select * from kept loop
    execute format('alter table %s drop constraint %I', foreign_key.of_table, foreign_key.name);
  end loop;
end
$$;

do $$
declare
  one record;
  each record;
  whole regclass;
  fresh text;
  written text;
  statements text[];
begin
  for one in select * from parted loop
    whole := ('tenantry.' || one.name)::regclass;
    fresh := format('tenantry.%I', one.name);

    -- What the table has, as statements on its name. A unique index without the tenant cannot span partitions: such an
    -- index stays as a way to find a row. Its ids are UUIDs of the service's own making.
    select array_agg(statement order by place) into statements from (
      select 1 as place, format('alter table %s add constraint %I %s', fresh, conname, pg_get_constraintdef(oid)) as statement
        from pg_constraint where conrelid = whole and contype in ('p', 'u')
      union all
      select 2, case when i.indkey[0] = a.attnum then pg_get_indexdef(i.indexrelid)
          else replace(pg_get_indexdef(i.indexrelid), 'CREATE UNIQUE INDEX', 'CREATE INDEX') end
        from pg_index i join pg_attribute a on a.attrelid = whole and a.attname = one.key
        where i.indrelid = whole and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
      union all
      select 3, format('alter table %s enable row level security, force row level security', fresh)
      union all
      select 4, format('create policy %I on %s as %s for %s to %s %s %s', policyname, fresh, permissive, cmd,
          array_to_string(roles, ', '), 'using (' || qual || ')', 'with check (' || with_check || ')')
        from pg_policies where schemaname = 'tenantry' and tablename = one.name
      union all
      select 5, format('grant %s on %s to %s', a.privilege_type, fresh, a.grantee::regrole)
        from pg_class c, aclexplode(c.relacl) a where c.oid = whole and a.grantee <> c.relowner
      union all
      select 6, format('alter table %s owner to %s', fresh, relowner::regrole) from pg_class where oid = whole
    ) as all_of_it;
    select string_agg(quote_ident(attname), ', ' order by attnum) into written from pg_attribute
      where attrelid = whole and attnum > 0 and not attisdropped and attgenerated = '';

    execute format('alter table %s rename to %I', fresh, one.name || '_whole');
    execute format('create table %s (like tenantry.%I including defaults including constraints including generated including identity)
      partition by hash (%I)', fresh, one.name || '_whole', one.key);
    for part in 0..15 loop
      execute format('create table tenantry_partition_%s.%I partition of %s for values with (modulus 16, remainder %1$s)',
        part, one.name, fresh);
    end loop;
    execute format('insert into %s (%s) overriding system value select %2$s from tenantry.%I', fresh, written, one.name || '_whole');
    for each in select a.attname, pg_get_serial_sequence(format('tenantry.%I', one.name || '_whole'), a.attname) as before,
        pg_get_serial_sequence(fresh, a.attname) as now from pg_attribute a
        where a.attrelid = fresh::regclass and a.attidentity <> '' loop
      perform setval(each.now, nextval(each.before));
    end loop;
    execute format('drop table tenantry.%I', one.name || '_whole');
    foreach written in array statements loop
      execute written;
    end loop;
    -- The service knows what went wrong by the name of the constraint, and what PostgreSQL names is the partition's.
    for each in select p.inhrelid::regclass as part, c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
        join pg_inherits p on p.inhparent = i.indexrelid join pg_class child on child.oid = p.inhrelid
        where i.indrelid = fresh::regclass and child.relname <> c.relname loop
      execute format('alter index %s rename to %I', each.part, each.name);
    end loop;
  end loop;
end
$$;

do $$
declare
  foreign_key record;
begin
  for foreign_key in select * from kept loop
    execute format('alter table %s add constraint %I %s', foreign_key.of_table, foreign_key.name, foreign_key.definition);
  end loop;
end
$$;
