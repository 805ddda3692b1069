CREATE TABLE "tenantry"."catalogues" (
	"history_id" uuid NOT NULL,
	"permissions" jsonb NOT NULL,
	"keys" text[] NOT NULL,
	"by_name" text[] NOT NULL,
	"strict" boolean NOT NULL,
	"revision" bigint NOT NULL,
	"updated_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "catalogues_pkey" PRIMARY KEY("history_id"),
	CONSTRAINT "catalogues_platform" CHECK (history_id = '00000000-0000-0000-0000-000000000000'::uuid)
);
--> statement-breakpoint
DROP INDEX "tenantry"."membership_roles_by_role";--> statement-breakpoint
ALTER TABLE "tenantry"."catalogues" ADD CONSTRAINT "catalogues_history" FOREIGN KEY ("history_id") REFERENCES "tenantry"."histories"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "membership_roles_of_role" ON "tenantry"."membership_roles" USING btree ("role_id","tenant_id","membership_id");
--> statement-breakpoint
alter table tenantry.catalogues enable row level security;
--> statement-breakpoint
alter table tenantry.catalogues force row level security;
--> statement-breakpoint
create policy platform on tenantry.catalogues to tenantry_platform using (true) with check (true);
--> statement-breakpoint
-- The catalogue is readable from every tenant, and nothing more than readable.
create policy shared on tenantry.catalogues for select to tenantry_tenant
  using ((select nullif(current_setting('app.tenant_id', true), '')::uuid) is not null);
--> statement-breakpoint
grant select on tenantry.catalogues to tenantry_tenant;
--> statement-breakpoint
grant select, insert, update on tenantry.catalogues to tenantry_platform;
--> statement-breakpoint
-- Roles of its own a tenant writes; the policy `scope` lets it read the shared ones besides. Whose a role is, its key and
-- whether it is built in never change.
create policy own on tenantry.roles to tenantry_tenant
  using (history_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
  with check (history_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid) and not built_in);
--> statement-breakpoint
grant insert, delete, update (name, description, permissions, excludes, revision, updated_at) on tenantry.roles
  to tenantry_tenant;
--> statement-breakpoint
-- As before, and: which of the catalogue's permissions are granted by name only.
create or replace function tenantry.read_facts(p_tenant_id uuid, p_user_id text, p_membership_id uuid) returns json
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
create or replace function tenantry.read_api_key_facts(p_tenant_id uuid, p_api_key_id uuid) returns json
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
    'by_name', (select coalesce((select c.by_name from tenantry.catalogues c), '{}')),
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
create or replace function tenantry.find_api_key(p_hash bytea) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select json_build_object('id', k.id, 'tenant_id', k.tenant_id, 'permissions', k.permissions, 'excludes', k.excludes,
      'expires_at', k.expires_at, 'tenant_status', t.status,
      'by_name', (select coalesce((select c.by_name from tenantry.catalogues c), '{}')))
    from tenantry.api_keys k left join tenantry.tenants t on t.id = k.tenant_id
    where k.hash = p_hash);
end
$$;
--> statement-breakpoint
-- The permissions of the product, for the tokens that spell out which of them are held. Volatile, so that it looks when it
-- is asked: after the facts of the same statement, whose revisions the token carries. What was taken since makes it stale.
create function tenantry.read_catalogue_keys() returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (select coalesce((select to_json(c.keys) from tenantry.catalogues c), '[]'));
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_platform;
--> statement-breakpoint
alter function tenantry.read_catalogue_keys() owner to tenantry_platform;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_platform;
--> statement-breakpoint
revoke execute on function tenantry.read_catalogue_keys() from public;
