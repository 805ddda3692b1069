-- A page of a tenant's members in the order of their ids, each with the facts that read_facts tells of one. The revisions are
-- read before any member, so whatever was written at them shows in every one of the facts.
create function tenantry.read_member_facts(p_tenant_id uuid, p_after uuid, p_limit integer) returns json
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
      'members', coalesce(
        json_agg(json_build_object('id', m.id, 'facts', tenantry.read_facts(p_tenant_id, null, m.id)) order by m.id), '[]'))
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
-- As before, and the revisions that the facts are true at.
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
-- Where histories stand, for a caller who has shown that it may know: how far reads are behind a write of theirs.
create function tenantry.read_revisions(p_history_ids uuid[]) returns json
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select coalesce(json_object_agg(h.id, h.revision), '{}')
    from tenantry.histories h where h.id = any (p_history_ids));
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_tenant, tenantry_platform;
--> statement-breakpoint
alter function tenantry.read_member_facts(uuid, uuid, integer) owner to tenantry_tenant;
--> statement-breakpoint
alter function tenantry.read_revisions(uuid[]) owner to tenantry_platform;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_tenant, tenantry_platform;
--> statement-breakpoint
revoke execute on function tenantry.read_member_facts(uuid, uuid, integer), tenantry.read_revisions(uuid[]) from public;
