ALTER TABLE "tenantry"."memberships" ADD COLUMN "signed_out_at" timestamp(3) with time zone;
--> statement-breakpoint
-- As before, and: when the member was last signed out.
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
create function tenantry.locate_slug(p_slug text) returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (select s.tenant_id from tenantry.slugs s where s.slug = p_slug and s.released_at is null);
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_platform;
--> statement-breakpoint
alter function tenantry.locate_slug(text) owner to tenantry_platform;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_platform;
--> statement-breakpoint
revoke execute on function tenantry.locate_slug(text) from public;
