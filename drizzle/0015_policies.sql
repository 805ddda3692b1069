CREATE TABLE "tenantry"."policies" (
	"history_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"tenant_id" uuid GENERATED ALWAYS AS (nullif(history_id, '00000000-0000-0000-0000-000000000000'::uuid)) STORED,
	"key" text NOT NULL,
	"description" text NOT NULL,
	"text" text NOT NULL,
	"effect" text NOT NULL,
	"actions" text[] NOT NULL,
	"reads_resource" boolean NOT NULL,
	"enabled" boolean NOT NULL,
	"revision" bigint NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	"updated_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "policies_pkey" PRIMARY KEY("history_id","id"),
	CONSTRAINT "policies_key" UNIQUE("history_id","key"),
	CONSTRAINT "policies_effect" CHECK (effect in ('permit', 'forbid'))
);
--> statement-breakpoint
ALTER TABLE "tenantry"."tenants" ADD COLUMN "trust_caller_properties" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "tenantry"."policies" ADD CONSTRAINT "policies_history" FOREIGN KEY ("history_id") REFERENCES "tenantry"."histories"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "policies_directory" ON "tenantry"."policies" USING btree ("id");
--> statement-breakpoint
alter table tenantry.policies enable row level security;
--> statement-breakpoint
alter table tenantry.policies force row level security;
--> statement-breakpoint
create policy platform on tenantry.policies to tenantry_platform using (true) with check (true);
--> statement-breakpoint
-- A tenant reads the shared ones besides its own, and writes its own. Whose a policy is and its key never change.
create policy scope on tenantry.policies for select to tenantry_tenant
  using (history_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid)
    or (history_id = '00000000-0000-0000-0000-000000000000' and (select nullif(current_setting('app.tenant_id', true), '')::uuid) is not null));
--> statement-breakpoint
create policy own on tenantry.policies to tenantry_tenant using (history_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
--> statement-breakpoint
grant select, insert, update, delete on tenantry.policies to tenantry_platform;
--> statement-breakpoint
grant select, insert, delete,
  update (description, text, effect, actions, reads_resource, enabled, revision, updated_at) on tenantry.policies
  to tenantry_tenant;
--> statement-breakpoint
-- As before, and policies.
create or replace function tenantry.locate(p_kind text, p_id uuid) returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  case p_kind
    when 'membership' then return (select m.tenant_id from tenantry.memberships m where m.id = p_id);
    when 'role' then return (select r.history_id from tenantry.roles r where r.id = p_id);
    when 'api_key' then return (select k.history_id from tenantry.api_keys k where k.id = p_id);
    when 'issuer' then return (select i.history_id from tenantry.issuers i where i.id = p_id);
    when 'group' then return (select g.tenant_id from tenantry.groups g where g.id = p_id);
    when 'grant' then return (select g.tenant_id from tenantry.grants g where g.id = p_id);
    when 'policy' then return (select p.history_id from tenantry.policies p where p.id = p_id);
    when 'tenant' then return (select t.id from tenantry.tenants t where t.id = p_id);
  end case;
end
$$;
--> statement-breakpoint
-- What is in force in a tenant, named by a digest of which policies there are and of which revision; the patterns that they
-- are about, so that nothing more is read for what none is about. Stable: it sees what the statement sees that asks it, and so
-- the policies are those of the same revisions as the rest of the facts.
create function tenantry.policies_in_force(p_tenant_id uuid) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select json_build_object(
      'digest', encode(sha256(convert_to(string_agg(p.id || ':' || p.revision, ',' order by p.id), 'UTF8')), 'hex'),
      'forbidden', (
        select coalesce(json_agg(distinct a.pattern order by a.pattern), '[]')
        from tenantry.policies f, unnest(f.actions) as a (pattern)
        where f.history_id in (p_tenant_id, '00000000-0000-0000-0000-000000000000') and f.enabled and f.effect = 'forbid'),
      'permitted', (
        select coalesce(json_agg(distinct a.pattern order by a.pattern), '[]')
        from tenantry.policies f, unnest(f.actions) as a (pattern)
        where f.history_id in (p_tenant_id, '00000000-0000-0000-0000-000000000000') and f.enabled and f.effect = 'permit'),
      'trusts_caller', (select t.trust_caller_properties from tenantry.tenants t where t.id = p_tenant_id))
    from tenantry.policies p
    where p.history_id in (p_tenant_id, '00000000-0000-0000-0000-000000000000') and p.enabled
    having count(*) > 0);
end
$$;
--> statement-breakpoint
-- The policies themselves, with the digest of those that they are; for what is asked once and kept under the digest.
create function tenantry.read_policies(p_tenant_id uuid) returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  scope text := coalesce(current_setting('app.tenant_id', true), '');
  found_policies json;
begin
  if scope not in ('', p_tenant_id::text) then
    raise exception 'read_policies(%) inside the scope of another tenant', p_tenant_id using errcode = '42501';
  end if;
  perform set_config('app.tenant_id', p_tenant_id::text, true);
  select json_build_object(
    'digest', tenantry.policies_in_force(p_tenant_id) ->> 'digest',
    'policies', json_agg(json_build_object('id', p.id, 'key', p.key, 'effect', p.effect, 'actions', p.actions,
      'reads_resource', p.reads_resource, 'text', p.text, 'revision', p.revision)
      order by p.history_id <> '00000000-0000-0000-0000-000000000000', p.key))
  into found_policies
  from tenantry.policies p
  where p.history_id in (p_tenant_id, '00000000-0000-0000-0000-000000000000') and p.enabled
  having count(*) > 0;
  perform set_config('app.tenant_id', scope, true);
  return found_policies;
end
$$;
--> statement-breakpoint
-- As before, and which policies are in force. With any, also what they look at: properties and groups of the member, and the
-- properties of the one resource that is asked about, if it is registered.
create or replace function tenantry.read_facts(p_tenant_id uuid, p_user_id text, p_membership_id uuid,
  p_resource_type text, p_resource_id text) returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  scope text := coalesce(current_setting('app.tenant_id', true), '');
  facts json;
begin
  if scope not in ('', p_tenant_id::text) then
    raise exception 'read_facts(%) inside the scope of another tenant', p_tenant_id using errcode = '42501';
  end if;
  perform set_config('app.tenant_id', p_tenant_id::text, true);
  with force as materialized (
    select case when exists (
      select from tenantry.policies p
      where p.history_id in (p_tenant_id, '00000000-0000-0000-0000-000000000000') and p.enabled)
    then tenantry.policies_in_force(p_tenant_id) end as policies)
  select json_build_object(
    'tenant', json_build_object('id', t.id, 'slug', t.slug, 'status', t.status),
    'revision', (select h.revision from tenantry.histories h where h.id = t.id),
    'platform_revision', (select h.revision from tenantry.histories h where h.id = '00000000-0000-0000-0000-000000000000'),
    'by_name', (select coalesce((select c.by_name from tenantry.catalogues c), '{}')),
    'step_up', (select coalesce((select c.step_up from tenantry.catalogues c), '[]')),
    'policies', f.policies,
    'resource_properties', case when f.policies is not null then (
      select r.properties from tenantry.resources r
      where r.tenant_id = p_tenant_id and r.type = p_resource_type and r.id = p_resource_id) end,
    'membership', (
      select json_build_object('id', m.id, 'user_id', m.user_id, 'status', m.status, 'expires_at', m.expires_at,
        'signed_out_at', m.signed_out_at,
        'properties', case when f.policies is not null then m.properties end,
        'groups', case when f.policies is not null then (
          select coalesce(json_agg(gm.group_id order by gm.group_id), '[]') from tenantry.group_members gm
          where gm.tenant_id = p_tenant_id and gm.membership_id = m.id) end,
        'roles', (
        select coalesce(json_agg(json_build_object('key', r.key, 'permissions', r.permissions, 'excludes', r.excludes)
          order by r.key), '[]')
        from tenantry.membership_roles mr
        join tenantry.roles r on r.history_id = mr.role_history_id and r.id = mr.role_id
        where mr.tenant_id = p_tenant_id and mr.membership_id = m.id),
        'grants', (
        select coalesce(json_agg(json_build_object('key', r.key, 'permissions', r.permissions, 'excludes', r.excludes,
          'grant_id', g.id, 'group_id', g.group_id,
          'resource', case when g.on_resource then json_build_object('type', p_resource_type, 'id', p_resource_id) end,
          'not_before', g.not_before, 'expires_at', g.expires_at)
          order by g.on_resource, g.id nulls first, g.group_id, r.key), '[]')
        from (
          select null::uuid as id, gr.group_id, gr.role_history_id, gr.role_id, false as on_resource,
            null::timestamptz as not_before, null::timestamptz as expires_at
          from tenantry.group_members gm
          join tenantry.group_roles gr on gr.tenant_id = gm.tenant_id and gr.group_id = gm.group_id
          where gm.tenant_id = p_tenant_id and gm.membership_id = m.id
          union all
          select d.id, d.group_id, d.role_history_id, d.role_id, false, d.not_before, d.expires_at
          from tenantry.grants d
          where d.tenant_id = p_tenant_id and d.membership_id = m.id and d.resource_type is null
          union all
          select d.id, d.group_id, d.role_history_id, d.role_id, true, d.not_before, d.expires_at
          from tenantry.grants d
          where d.tenant_id = p_tenant_id and d.membership_id = m.id
            and d.resource_type = p_resource_type and d.resource_id = p_resource_id
          union all
          select d.id, d.group_id, d.role_history_id, d.role_id, false, d.not_before, d.expires_at
          from tenantry.group_members gm
          join tenantry.grants d on d.tenant_id = gm.tenant_id and d.group_id = gm.group_id
          where gm.tenant_id = p_tenant_id and gm.membership_id = m.id and d.resource_type is null
          union all
          select d.id, d.group_id, d.role_history_id, d.role_id, true, d.not_before, d.expires_at
          from tenantry.group_members gm
          join tenantry.grants d on d.tenant_id = gm.tenant_id and d.group_id = gm.group_id
          where gm.tenant_id = p_tenant_id and gm.membership_id = m.id
            and d.resource_type = p_resource_type and d.resource_id = p_resource_id) g
        join tenantry.roles r on r.history_id = g.role_history_id and r.id = g.role_id),
        -- min(), because it is the first entry of an index; exists() may be looked for from one end of the table to the other.
        'has_resource_grants', (
          select min(d.resource_type) is not null from tenantry.grants d
          where d.tenant_id = p_tenant_id and d.membership_id = m.id)
        or exists (
          select from tenantry.group_members gm
          where gm.tenant_id = p_tenant_id and gm.membership_id = m.id and (
            select min(d.resource_type) is not null from tenantry.grants d
            where d.tenant_id = p_tenant_id and d.group_id = gm.group_id)))
      from tenantry.memberships m
      where m.tenant_id = p_tenant_id and (m.user_id = p_user_id or m.id = p_membership_id)))
  into facts
  from tenantry.tenants t, force f where t.id = p_tenant_id;
  perform set_config('app.tenant_id', scope, true);
  return facts;
end
$$;
--> statement-breakpoint
-- As before, and which policies are in force; with any, the properties of the resource that is asked about.
create function tenantry.read_api_key_facts(p_tenant_id uuid, p_api_key_id uuid,
  p_resource_type text, p_resource_id text) returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  scope text := coalesce(current_setting('app.tenant_id', true), '');
  facts json;
begin
  if scope not in ('', p_tenant_id::text) then
    raise exception 'read_api_key_facts(%) inside the scope of another tenant', p_tenant_id using errcode = '42501';
  end if;
  perform set_config('app.tenant_id', p_tenant_id::text, true);
  with force as materialized (
    select case when exists (
      select from tenantry.policies p
      where p.history_id in (p_tenant_id, '00000000-0000-0000-0000-000000000000') and p.enabled)
    then tenantry.policies_in_force(p_tenant_id) end as policies)
  select json_build_object(
    'tenant', json_build_object('id', t.id, 'slug', t.slug, 'status', t.status),
    'revision', (select h.revision from tenantry.histories h where h.id = t.id),
    'platform_revision', (select h.revision from tenantry.histories h where h.id = '00000000-0000-0000-0000-000000000000'),
    'by_name', (select coalesce((select c.by_name from tenantry.catalogues c), '{}')),
    'step_up', (select coalesce((select c.step_up from tenantry.catalogues c), '[]')),
    'policies', f.policies,
    'resource_properties', case when f.policies is not null then (
      select r.properties from tenantry.resources r
      where r.tenant_id = p_tenant_id and r.type = p_resource_type and r.id = p_resource_id) end,
    'api_key', (
      select json_build_object('id', k.id, 'expires_at', k.expires_at, 'permissions', k.permissions, 'excludes', k.excludes)
      from tenantry.api_keys k where k.history_id = p_tenant_id and k.id = p_api_key_id))
  into facts
  from tenantry.tenants t, force f where t.id = p_tenant_id;
  perform set_config('app.tenant_id', scope, true);
  return facts;
end
$$;
--> statement-breakpoint
-- Without a resource; also what the version before this one calls.
create or replace function tenantry.read_api_key_facts(p_tenant_id uuid, p_api_key_id uuid) returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  return tenantry.read_api_key_facts(p_tenant_id, p_api_key_id, null, null);
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_tenant;
--> statement-breakpoint
alter function tenantry.policies_in_force(uuid) owner to tenantry_tenant;
--> statement-breakpoint
alter function tenantry.read_policies(uuid) owner to tenantry_tenant;
--> statement-breakpoint
alter function tenantry.read_api_key_facts(uuid, uuid, text, text) owner to tenantry_tenant;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_tenant;
--> statement-breakpoint
revoke execute on function tenantry.policies_in_force(uuid), tenantry.read_policies(uuid),
  tenantry.read_api_key_facts(uuid, uuid, text, text) from public;
--> statement-breakpoint
grant execute on function tenantry.read_policies(uuid), tenantry.read_api_key_facts(uuid, uuid, text, text)
  to tenantry_tenant, tenantry_platform;
