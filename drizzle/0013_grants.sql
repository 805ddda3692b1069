CREATE TABLE "tenantry"."grants" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"membership_id" uuid,
	"group_id" uuid,
	"role_id" uuid NOT NULL,
	"role_history_id" uuid NOT NULL,
	"resource_type" text,
	"resource_id" text,
	"not_before" timestamp(3) with time zone,
	"expires_at" timestamp(3) with time zone,
	"revision" bigint NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	"updated_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "grants_pkey" PRIMARY KEY("tenant_id","id"),
	CONSTRAINT "grants_once" UNIQUE NULLS NOT DISTINCT("tenant_id","membership_id","resource_type","resource_id","role_id","group_id"),
	CONSTRAINT "grants_one_holder" CHECK (num_nonnulls(membership_id, group_id) = 1),
	CONSTRAINT "grants_whole_resource" CHECK (num_nonnulls(resource_type, resource_id) in (0, 2)),
	CONSTRAINT "grants_own_or_shared" CHECK (role_history_id in (tenant_id, '00000000-0000-0000-0000-000000000000'::uuid))
);
--> statement-breakpoint
CREATE TABLE "tenantry"."group_members" (
	"tenant_id" uuid NOT NULL,
	"group_id" uuid NOT NULL,
	"membership_id" uuid NOT NULL,
	CONSTRAINT "group_members_pkey" PRIMARY KEY("tenant_id","group_id","membership_id")
);
--> statement-breakpoint
CREATE TABLE "tenantry"."group_roles" (
	"tenant_id" uuid NOT NULL,
	"group_id" uuid NOT NULL,
	"role_id" uuid NOT NULL,
	"role_history_id" uuid NOT NULL,
	CONSTRAINT "group_roles_pkey" PRIMARY KEY("tenant_id","group_id","role_id"),
	CONSTRAINT "group_roles_own_or_shared" CHECK (role_history_id in (tenant_id, '00000000-0000-0000-0000-000000000000'::uuid))
);
--> statement-breakpoint
CREATE TABLE "tenantry"."groups" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"name" text NOT NULL,
	"description" text NOT NULL,
	"revision" bigint NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	"updated_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "groups_pkey" PRIMARY KEY("tenant_id","id"),
	CONSTRAINT "groups_name" UNIQUE("tenant_id","name")
);
--> statement-breakpoint
CREATE TABLE "tenantry"."resources" (
	"tenant_id" uuid NOT NULL,
	"type" text NOT NULL,
	"id" text NOT NULL,
	"properties" jsonb NOT NULL,
	"revision" bigint NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	"updated_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "resources_pkey" PRIMARY KEY("tenant_id","type","id")
);
--> statement-breakpoint
ALTER TABLE "tenantry"."grants" ADD CONSTRAINT "grants_membership" FOREIGN KEY ("tenant_id","membership_id") REFERENCES "tenantry"."memberships"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."grants" ADD CONSTRAINT "grants_group" FOREIGN KEY ("tenant_id","group_id") REFERENCES "tenantry"."groups"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."grants" ADD CONSTRAINT "grants_role" FOREIGN KEY ("role_history_id","role_id") REFERENCES "tenantry"."roles"("history_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."group_members" ADD CONSTRAINT "group_members_group" FOREIGN KEY ("tenant_id","group_id") REFERENCES "tenantry"."groups"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."group_members" ADD CONSTRAINT "group_members_membership" FOREIGN KEY ("tenant_id","membership_id") REFERENCES "tenantry"."memberships"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."group_roles" ADD CONSTRAINT "group_roles_group" FOREIGN KEY ("tenant_id","group_id") REFERENCES "tenantry"."groups"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."group_roles" ADD CONSTRAINT "group_roles_role" FOREIGN KEY ("role_history_id","role_id") REFERENCES "tenantry"."roles"("history_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."groups" ADD CONSTRAINT "groups_tenant" FOREIGN KEY ("tenant_id") REFERENCES "tenantry"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."resources" ADD CONSTRAINT "resources_tenant" FOREIGN KEY ("tenant_id") REFERENCES "tenantry"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "grants_directory" ON "tenantry"."grants" USING btree ("id");--> statement-breakpoint
CREATE INDEX "grants_of_group" ON "tenantry"."grants" USING btree ("tenant_id","group_id","resource_type","resource_id");--> statement-breakpoint
CREATE INDEX "grants_on_resource" ON "tenantry"."grants" USING btree ("tenant_id","resource_type","resource_id","id") WHERE num_nonnulls(resource_id) = 1;--> statement-breakpoint
CREATE INDEX "grants_of_role" ON "tenantry"."grants" USING btree ("role_id","tenant_id","id");--> statement-breakpoint
CREATE INDEX "group_members_of_membership" ON "tenantry"."group_members" USING btree ("tenant_id","membership_id","group_id");--> statement-breakpoint
CREATE INDEX "group_roles_of_role" ON "tenantry"."group_roles" USING btree ("role_id","tenant_id","group_id");--> statement-breakpoint
CREATE UNIQUE INDEX "groups_directory" ON "tenantry"."groups" USING btree ("id");
--> statement-breakpoint
do $$
declare
  each_table text;
begin
  foreach each_table in array array['groups', 'group_roles', 'group_members', 'grants', 'resources'] loop
    execute format('alter table tenantry.%I enable row level security', each_table);
    execute format('alter table tenantry.%I force row level security', each_table);
    execute format('create policy platform on tenantry.%I to tenantry_platform using (true) with check (true)', each_table);
    execute format('create policy scope on tenantry.%I to tenantry_tenant using (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', each_table);
    execute format('grant select, insert, update, delete on tenantry.%I to tenantry_tenant, tenantry_platform', each_table);
  end loop;
end
$$;
--> statement-breakpoint
-- As before, and: groups and grants.
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
    when 'tenant' then return (select t.id from tenantry.tenants t where t.id = p_id);
  end case;
end
$$;
--> statement-breakpoint
-- As before, and: what the member holds besides the roles of the membership. Through groups, for a time, and on the one
-- resource that is asked about, if one is: each branch is one look into an index, however many grants there are on others.
-- `has_resource_grants`: whether another resource could have another answer.
create function tenantry.read_facts(p_tenant_id uuid, p_user_id text, p_membership_id uuid,
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
  select json_build_object(
    'tenant', json_build_object('id', t.id, 'slug', t.slug, 'status', t.status),
    'revision', (select h.revision from tenantry.histories h where h.id = t.id),
    'platform_revision', (select h.revision from tenantry.histories h where h.id = '00000000-0000-0000-0000-000000000000'),
    'by_name', (select coalesce((select c.by_name from tenantry.catalogues c), '{}')),
    'membership', (
      select json_build_object('id', m.id, 'user_id', m.user_id, 'status', m.status, 'expires_at', m.expires_at,
        'signed_out_at', m.signed_out_at, 'roles', (
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
  from tenantry.tenants t where t.id = p_tenant_id;
  perform set_config('app.tenant_id', scope, true);
  return facts;
end
$$;
--> statement-breakpoint
-- Without a resource; also what the version before this one calls.
create or replace function tenantry.read_facts(p_tenant_id uuid, p_user_id text, p_membership_id uuid) returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  return tenantry.read_facts(p_tenant_id, p_user_id, p_membership_id, null, null);
end
$$;
--> statement-breakpoint
-- As before, and with what is held on the one resource that is asked about, if one is.
create function tenantry.read_member_facts(p_tenant_id uuid, p_after uuid, p_limit integer,
  p_resource_type text, p_resource_id text) returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  scope text := coalesce(current_setting('app.tenant_id', true), '');
  page json;
begin
  if scope not in ('', p_tenant_id::text) then
    raise exception 'read_member_facts(%) inside the scope of another tenant', p_tenant_id using errcode = '42501';
  end if;
  perform set_config('app.tenant_id', p_tenant_id::text, true);
  select json_build_object(
    'revision', h.revision,
    'platform_revision', (select p.revision from tenantry.histories p where p.id = '00000000-0000-0000-0000-000000000000'))
  into page
  from tenantry.histories h where h.id = p_tenant_id;
  if page is not null then
    select json_build_object(
      'revision', page -> 'revision',
      'platform_revision', page -> 'platform_revision',
      'members', coalesce(json_agg(json_build_object('id', m.id,
        'facts', tenantry.read_facts(p_tenant_id, null, m.id, p_resource_type, p_resource_id)) order by m.id), '[]'))
    into page
    from (
      select id from tenantry.memberships
      where tenant_id = p_tenant_id and id > p_after order by id limit p_limit) m;
  end if;
  perform set_config('app.tenant_id', scope, true);
  return page;
end
$$;
--> statement-breakpoint
create or replace function tenantry.read_member_facts(p_tenant_id uuid, p_after uuid, p_limit integer) returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  return tenantry.read_member_facts(p_tenant_id, p_after, p_limit, null, null);
end
$$;
--> statement-breakpoint
-- What a member may hold on single resources: the roles, by type of resource, and when the first of such grants begins and
-- the last ends. For tokens, which say no ids. Volatile, like the catalogue's keys: it looks after the facts of the same
-- statement.
create function tenantry.read_resource_roles(p_tenant_id uuid, p_user_id text) returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  scope text := coalesce(current_setting('app.tenant_id', true), '');
  found_roles json;
begin
  if scope not in ('', p_tenant_id::text) then
    raise exception 'read_resource_roles(%) inside the scope of another tenant', p_tenant_id using errcode = '42501';
  end if;
  perform set_config('app.tenant_id', p_tenant_id::text, true);
  select coalesce(json_agg(json_build_object('permissions', r.permissions, 'excludes', r.excludes,
    'resource_type', g.resource_type, 'not_before', g.not_before, 'expires_at', g.expires_at)
    order by g.resource_type, r.key), '[]')
  into found_roles
  from (
    select d.role_history_id, d.role_id, d.resource_type,
      case when bool_and(d.not_before is not null) then min(d.not_before) end as not_before,
      case when bool_and(d.expires_at is not null) then max(d.expires_at) end as expires_at
    from (
      select d.role_history_id, d.role_id, d.resource_type, d.not_before, d.expires_at
      from tenantry.memberships m
      join tenantry.grants d on d.tenant_id = m.tenant_id and d.membership_id = m.id
      where m.tenant_id = p_tenant_id and m.user_id = p_user_id and d.resource_type is not null
      union all
      select d.role_history_id, d.role_id, d.resource_type, d.not_before, d.expires_at
      from tenantry.memberships m
      join tenantry.group_members gm on gm.tenant_id = m.tenant_id and gm.membership_id = m.id
      join tenantry.grants d on d.tenant_id = gm.tenant_id and d.group_id = gm.group_id
      where m.tenant_id = p_tenant_id and m.user_id = p_user_id and d.resource_type is not null) d
    group by d.role_history_id, d.role_id, d.resource_type) g
  join tenantry.roles r on r.history_id = g.role_history_id and r.id = g.role_id;
  perform set_config('app.tenant_id', scope, true);
  return found_roles;
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_tenant;
--> statement-breakpoint
alter function tenantry.read_facts(uuid, text, uuid, text, text) owner to tenantry_tenant;
--> statement-breakpoint
alter function tenantry.read_member_facts(uuid, uuid, integer, text, text) owner to tenantry_tenant;
--> statement-breakpoint
alter function tenantry.read_resource_roles(uuid, text) owner to tenantry_tenant;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_tenant;
--> statement-breakpoint
revoke execute on function tenantry.read_facts(uuid, text, uuid, text, text),
  tenantry.read_member_facts(uuid, uuid, integer, text, text), tenantry.read_resource_roles(uuid, text) from public;
--> statement-breakpoint
grant execute on function tenantry.read_facts(uuid, text, uuid, text, text) to tenantry_tenant, tenantry_platform;
