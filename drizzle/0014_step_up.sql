-- What the catalogue demands of a login, beside what it grants by name only: for the facts of every decision.
ALTER TABLE "tenantry"."catalogues" ADD COLUMN "step_up" jsonb GENERATED ALWAYS AS (jsonb_path_query_array(permissions, '$[*] ? (@.acr != null || @.max_age != null)')) STORED NOT NULL;
--> statement-breakpoint
-- As before, and what the catalogue demands of a login.
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
  select json_build_object(
    'tenant', json_build_object('id', t.id, 'slug', t.slug, 'status', t.status),
    'revision', (select h.revision from tenantry.histories h where h.id = t.id),
    'platform_revision', (select h.revision from tenantry.histories h where h.id = '00000000-0000-0000-0000-000000000000'),
    'by_name', (select coalesce((select c.by_name from tenantry.catalogues c), '{}')),
    'step_up', (select coalesce((select c.step_up from tenantry.catalogues c), '[]')),
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
-- As before, and what the catalogue demands of a login.
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
    'revision', (select h.revision from tenantry.histories h where h.id = t.id),
    'platform_revision', (select h.revision from tenantry.histories h where h.id = '00000000-0000-0000-0000-000000000000'),
    'by_name', (select coalesce((select c.by_name from tenantry.catalogues c), '{}')),
    'step_up', (select coalesce((select c.step_up from tenantry.catalogues c), '[]')),
    'api_key', (
      select json_build_object('id', k.id, 'expires_at', k.expires_at, 'permissions', k.permissions, 'excludes', k.excludes)
      from tenantry.api_keys k where k.history_id = p_tenant_id and k.id = p_api_key_id))
  into facts
  from tenantry.tenants t where t.id = p_tenant_id;
  perform set_config('app.tenant_id', scope, true);
  return facts;
end
$$;
