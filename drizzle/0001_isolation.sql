-- Isolation: the roles a transaction switches to, forced row-level security, grants, and the functions that read in one
-- round trip. Written by hand: drizzle emits none of it.

-- Roles belong to the whole cluster, so they may exist already. The login role of the service is granted both with
-- `tenantry migrate --grant-to`; it inherits nothing and must switch.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['tenantry_tenant', 'tenantry_platform'] loop
    begin
      if not exists (select from pg_roles where rolname = wanted) then
        execute format('create role %I nologin', wanted);
      end if;
    exception when duplicate_object or unique_violation then
      null; -- another database of this cluster is being migrated at the same moment
    end;
    if not pg_has_role(current_user, wanted, 'usage') then
      execute format('grant %I to current_user', wanted); -- the functions below are given to these roles
    end if;
  end loop;
end
$$;
--> statement-breakpoint
grant usage on schema tenantry to tenantry_tenant, tenantry_platform;
--> statement-breakpoint
do $$
declare
  each_table text;
begin
  for each_table in select tablename from pg_tables where schemaname = 'tenantry' loop
    execute format('alter table tenantry.%I enable row level security', each_table);
    execute format('alter table tenantry.%I force row level security', each_table);
    execute format('create policy platform on tenantry.%I to tenantry_platform using (true) with check (true)', each_table);
  end loop;
end
$$;
--> statement-breakpoint
-- The scope stands in a scalar subselect so that it is evaluated once a query; nullif because the setting is '' (not
-- null) on a pooled connection after the transaction that set it.
create policy scope on tenantry.tenants to tenantry_tenant
  using (id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
--> statement-breakpoint
create policy scope on tenantry.memberships to tenantry_tenant
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
--> statement-breakpoint
create policy scope on tenantry.membership_roles to tenantry_tenant
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
--> statement-breakpoint
create policy scope on tenantry.api_keys to tenantry_tenant
  using (history_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
--> statement-breakpoint
create policy scope on tenantry.events to tenantry_tenant
  using (history_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
--> statement-breakpoint
create policy scope on tenantry.event_personal_data to tenantry_tenant
  using (history_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
--> statement-breakpoint
create policy scope on tenantry.idempotency_keys to tenantry_tenant
  using (history_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
--> statement-breakpoint
create policy scope on tenantry.histories to tenantry_tenant
  using (id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
--> statement-breakpoint
-- Shared roles and the platform's revision are readable from every tenant, and nothing more than readable.
create policy shared on tenantry.histories for select to tenantry_tenant
  using (id = '00000000-0000-0000-0000-000000000000'
    and (select nullif(current_setting('app.tenant_id', true), '')::uuid) is not null);
--> statement-breakpoint
create policy scope on tenantry.roles for select to tenantry_tenant
  using (history_id in ((select nullif(current_setting('app.tenant_id', true), '')::uuid),
                        '00000000-0000-0000-0000-000000000000')
    and (select nullif(current_setting('app.tenant_id', true), '')::uuid) is not null);
--> statement-breakpoint
grant select, update on tenantry.histories, tenantry.tenants to tenantry_tenant;
--> statement-breakpoint
grant select, insert, update, delete on tenantry.memberships, tenantry.membership_roles, tenantry.api_keys to tenantry_tenant;
--> statement-breakpoint
grant select on tenantry.roles to tenantry_tenant;
--> statement-breakpoint
grant select, insert on tenantry.events, tenantry.event_personal_data, tenantry.idempotency_keys to tenantry_tenant;
--> statement-breakpoint
grant delete on tenantry.idempotency_keys to tenantry_tenant;
--> statement-breakpoint
-- Nobody updates or deletes an event; the platform may erase what one says about a person.
grant select, insert on tenantry.events to tenantry_platform;
--> statement-breakpoint
grant select, insert, delete on tenantry.event_personal_data to tenantry_platform;
--> statement-breakpoint
grant select, insert, update, delete on tenantry.histories, tenantry.tenants, tenantry.slugs, tenantry.memberships,
  tenantry.membership_roles, tenantry.roles, tenantry.api_keys, tenantry.idempotency_keys, tenantry.signing_keys
  to tenantry_platform;
--> statement-breakpoint

-- The facts of a decision, and the revisions they are true at, in one statement and one round trip. Owned by the tenant
-- role, so row-level security applies; refuses to look at another tenant than the open scope's. The member is asked for
-- by one of the two, the other is null. (coalesce() over both would read the whole table: under row-level security only
-- what PostgreSQL calls leakproof may use an index.)
create function tenantry.read_facts(p_tenant_id uuid, p_user_id text, p_membership_id uuid) returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  scope text := coalesce(current_setting('app.tenant_id', true), '');
  facts json;
begin
  if scope not in ('', p_tenant_id::text) then
    raise exception 'read_facts(%) inside the scope of another tenant', p_tenant_id using errcode = '42501';
  end if;
  perform set_config('app.tenant_id', p_tenant_id::text, true);
  select json_build_object(
    'tenant', json_build_object('id', t.id, 'slug', t.slug, 'status', t.status),
    'revision', (select h.revision from tenantry.histories h where h.id = t.id),
    'platform_revision', (select h.revision from tenantry.histories h where h.id = '00000000-0000-0000-0000-000000000000'),
    'membership', (
      select json_build_object('id', m.id, 'user_id', m.user_id, 'status', m.status, 'expires_at', m.expires_at, 'roles', (
        select coalesce(json_agg(json_build_object('key', r.key, 'permissions', r.permissions, 'excludes', r.excludes)
          order by r.key), '[]')
        from tenantry.membership_roles mr
        join tenantry.roles r on r.history_id = mr.role_history_id and r.id = mr.role_id
        where mr.tenant_id = p_tenant_id and mr.membership_id = m.id))
      from tenantry.memberships m
      where m.tenant_id = p_tenant_id and (m.user_id = p_user_id or m.id = p_membership_id)))
  into facts
  from tenantry.tenants t where t.id = p_tenant_id;
  perform set_config('app.tenant_id', scope, true);
  return facts;
end
$$;
--> statement-breakpoint
-- The same for a tenant's own API key as the subject of a decision.
create function tenantry.read_api_key_facts(p_tenant_id uuid, p_api_key_id uuid) returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  scope text := coalesce(current_setting('app.tenant_id', true), '');
  facts json;
begin
  if scope not in ('', p_tenant_id::text) then
    raise exception 'read_api_key_facts(%) inside the scope of another tenant', p_tenant_id using errcode = '42501';
  end if;
  perform set_config('app.tenant_id', p_tenant_id::text, true);
  select json_build_object(
    'tenant', json_build_object('id', t.id, 'slug', t.slug, 'status', t.status),
    'api_key', (
      select json_build_object('id', k.id, 'expires_at', k.expires_at, 'permissions', k.permissions, 'excludes', k.excludes)
      from tenantry.api_keys k where k.history_id = p_tenant_id and k.id = p_api_key_id))
  into facts
  from tenantry.tenants t where t.id = p_tenant_id;
  perform set_config('app.tenant_id', scope, true);
  return facts;
end
$$;
--> statement-breakpoint
-- Directory look-ups: the only questions that are asked before a scope is known.
create function tenantry.find_api_key(p_hash bytea) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select json_build_object('id', k.id, 'tenant_id', k.tenant_id, 'permissions', k.permissions, 'excludes', k.excludes,
      'expires_at', k.expires_at, 'tenant_status', t.status)
    from tenantry.api_keys k left join tenantry.tenants t on t.id = k.tenant_id
    where k.hash = p_hash);
end
$$;
--> statement-breakpoint
create function tenantry.locate(p_kind text, p_id uuid) returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  case p_kind
    when 'membership' then return (select m.tenant_id from tenantry.memberships m where m.id = p_id);
    when 'role' then return (select r.history_id from tenantry.roles r where r.id = p_id);
    when 'api_key' then return (select k.history_id from tenantry.api_keys k where k.id = p_id);
    when 'tenant' then return (select t.id from tenantry.tenants t where t.id = p_id);
  end case;
end
$$;
--> statement-breakpoint
-- Slugs are unique across tenants, so a tenant's scope cannot see whom it competes with. A slug that was given up is
-- quarantined for 90 days; only its last holder may take it back sooner.
create function tenantry.claim_slug(p_slug text, p_tenant_id uuid, p_now timestamptz) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(current_setting('app.tenant_id', true), '') not in ('', p_tenant_id::text) then
    raise exception 'claim_slug for % inside the scope of another tenant', p_tenant_id using errcode = '42501';
  end if;
  insert into tenantry.slugs as s (slug, tenant_id) values (p_slug, p_tenant_id)
  on conflict (slug) do update set tenant_id = excluded.tenant_id, released_at = null
    where s.tenant_id = excluded.tenant_id or s.released_at < p_now - interval '90 days';
  return found;
end
$$;
--> statement-breakpoint
create function tenantry.release_slug(p_slug text, p_tenant_id uuid, p_now timestamptz) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(current_setting('app.tenant_id', true), '') not in ('', p_tenant_id::text) then
    raise exception 'release_slug for % inside the scope of another tenant', p_tenant_id using errcode = '42501';
  end if;
  update tenantry.slugs set released_at = p_now where slug = p_slug and tenant_id = p_tenant_id;
end
$$;
--> statement-breakpoint
-- A function is given away only by somebody who may create in the schema as the new owner.
grant create on schema tenantry to tenantry_tenant, tenantry_platform;
--> statement-breakpoint
alter function tenantry.read_facts(uuid, text, uuid) owner to tenantry_tenant;
--> statement-breakpoint
alter function tenantry.read_api_key_facts(uuid, uuid) owner to tenantry_tenant;
--> statement-breakpoint
alter function tenantry.find_api_key(bytea) owner to tenantry_platform;
--> statement-breakpoint
alter function tenantry.locate(text, uuid) owner to tenantry_platform;
--> statement-breakpoint
alter function tenantry.claim_slug(text, uuid, timestamptz) owner to tenantry_platform;
--> statement-breakpoint
alter function tenantry.release_slug(text, uuid, timestamptz) owner to tenantry_platform;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_tenant, tenantry_platform;
--> statement-breakpoint
revoke execute on all functions in schema tenantry from public;
--> statement-breakpoint
grant execute on function tenantry.read_facts(uuid, text, uuid), tenantry.read_api_key_facts(uuid, uuid),
  tenantry.claim_slug(text, uuid, timestamptz), tenantry.release_slug(text, uuid, timestamptz)
  to tenantry_tenant, tenantry_platform;
