-- The facts of many questions in one statement: of each what read_facts answers, but what is the same for all is read and told
-- once (the platform's revision, the catalogue, shared roles), and what few have (roles of their tenant's own, groups, grants,
-- policies) is looked for only where one look at the member found that there is some. To begin a statement's plan costs
-- PostgreSQL more than to look into an index, so that one look is all that most members take.
-- Stable: every statement in here sees what the caller's sees, so all of it is of one snapshot with its revisions. The scope is one
-- tenant's at a time, so row-level security holds each question to its own tenant. In `roles` a role of the tenant's own is null.
create function tenantry.read_facts_of_users(p_tenant_ids uuid[], p_user_ids text[],
  p_resource_types text[], p_resource_ids text[]) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  platform constant uuid := '00000000-0000-0000-0000-000000000000';
  scope text := coalesce(current_setting('app.tenant_id', true), '');
  asked_tenant uuid;
  asked_user text;
  shared record;
  member record;
  role_ids uuid[] := '{}';
  found_facts json[] := '{}';
  answer json;
begin
  for place in 1 .. cardinality(p_tenant_ids) loop
    asked_tenant := p_tenant_ids[place];
    asked_user := p_user_ids[place];
    if scope not in ('', asked_tenant::text) then
      raise exception 'read_facts_of_users(%) inside the scope of another tenant', asked_tenant using errcode = '42501';
    end if;
    perform set_config('app.tenant_id', asked_tenant::text, true);
    if place = 1 then
      select h.revision, coalesce(c.by_name, '{}') as by_name, coalesce(c.step_up, '[]') as step_up,
        exists (select from tenantry.policies p where p.history_id = platform and p.enabled) as has_policies
      into shared
      from tenantry.histories h left join tenantry.catalogues c on true where h.id = platform;
    end if;
    -- The first entry of an index, in its order: exists() may be looked for from one end of the table to the other.
    select t.id as tenant_id, t.slug, t.status as tenant_status, h.revision,
      m.id, m.user_id, m.status, m.expires_at, m.signed_out_at,
      array(
        select case when mr.role_history_id = platform then mr.role_id end from tenantry.membership_roles mr
        where mr.tenant_id = asked_tenant and mr.membership_id = m.id) as roles,
      exists (select from tenantry.policies p where p.history_id = asked_tenant and p.enabled) as has_policies,
      (select gm.group_id from tenantry.group_members gm
        where gm.tenant_id = asked_tenant and gm.membership_id = m.id order by gm.group_id limit 1) is not null
      or (select d.id from tenantry.grants d
        where d.tenant_id = asked_tenant and d.membership_id = m.id order by d.resource_type limit 1) is not null as has_grants,
      null::json as own_roles, null::json as held, null::json as looked_at
    into member
    from tenantry.tenants t
    join tenantry.histories h on h.id = asked_tenant
    left join tenantry.memberships m on m.tenant_id = asked_tenant and m.user_id = asked_user
    where t.id = asked_tenant;
    if array_position(member.roles, null) is not null then
      member.own_roles := (
        select json_agg(json_build_object('key', r.key, 'permissions', r.permissions, 'excludes', r.excludes))
        from tenantry.membership_roles mr
        join tenantry.roles r on r.history_id = asked_tenant and r.id = mr.role_id
        where mr.tenant_id = asked_tenant and mr.membership_id = member.id and mr.role_history_id = asked_tenant);
    end if;
    if member.has_grants then
      member.held := (
        select json_build_object(
          'grants', (
          select coalesce(json_agg(json_build_object('key', r.key, 'permissions', r.permissions, 'excludes', r.excludes,
            'grant_id', g.id, 'group_id', g.group_id,
            'resource', case when g.on_resource then
              json_build_object('type', p_resource_types[place], 'id', p_resource_ids[place]) end,
            'not_before', g.not_before, 'expires_at', g.expires_at)
            order by g.on_resource, g.id nulls first, g.group_id, r.key), '[]')
          from (
            select null::uuid as id, gr.group_id, gr.role_history_id, gr.role_id, false as on_resource,
              null::timestamptz as not_before, null::timestamptz as expires_at
            from tenantry.group_members gm
            join tenantry.group_roles gr on gr.tenant_id = gm.tenant_id and gr.group_id = gm.group_id
            where gm.tenant_id = asked_tenant and gm.membership_id = member.id
            union all
            select d.id, d.group_id, d.role_history_id, d.role_id, false, d.not_before, d.expires_at
            from tenantry.grants d
            where d.tenant_id = asked_tenant and d.membership_id = member.id and d.resource_type is null
            union all
            select d.id, d.group_id, d.role_history_id, d.role_id, true, d.not_before, d.expires_at
            from tenantry.grants d
            where d.tenant_id = asked_tenant and d.membership_id = member.id
              and d.resource_type = p_resource_types[place] and d.resource_id = p_resource_ids[place]
            union all
            select d.id, d.group_id, d.role_history_id, d.role_id, false, d.not_before, d.expires_at
            from tenantry.group_members gm
            join tenantry.grants d on d.tenant_id = gm.tenant_id and d.group_id = gm.group_id
            where gm.tenant_id = asked_tenant and gm.membership_id = member.id and d.resource_type is null
            union all
            select d.id, d.group_id, d.role_history_id, d.role_id, true, d.not_before, d.expires_at
            from tenantry.group_members gm
            join tenantry.grants d on d.tenant_id = gm.tenant_id and d.group_id = gm.group_id
            where gm.tenant_id = asked_tenant and gm.membership_id = member.id
              and d.resource_type = p_resource_types[place] and d.resource_id = p_resource_ids[place]) g
          join tenantry.roles r on r.history_id = g.role_history_id and r.id = g.role_id),
          'has_resource_grants', (
            select min(d.resource_type) is not null from tenantry.grants d
            where d.tenant_id = asked_tenant and d.membership_id = member.id)
          or exists (
            select from tenantry.group_members gm
            where gm.tenant_id = asked_tenant and gm.membership_id = member.id and (
              select min(d.resource_type) is not null from tenantry.grants d
              where d.tenant_id = asked_tenant and d.group_id = gm.group_id))));
    end if;
    if member.tenant_id is not null and (shared.has_policies or member.has_policies) then
      member.looked_at := (
        select json_build_object(
          'policies', tenantry.policies_in_force(asked_tenant),
          'resource_properties', (
            select r.properties from tenantry.resources r
            where r.tenant_id = asked_tenant and r.type = p_resource_types[place] and r.id = p_resource_ids[place]),
          'properties', (
            select m.properties from tenantry.memberships m where m.tenant_id = asked_tenant and m.id = member.id),
          'groups', (
            select coalesce(json_agg(gm.group_id order by gm.group_id), '[]') from tenantry.group_members gm
            where gm.tenant_id = asked_tenant and gm.membership_id = member.id)));
    end if;
    role_ids := role_ids || member.roles;
    found_facts := found_facts || row_to_json(member);
  end loop;
  answer := json_build_object(
    'platform_revision', shared.revision, 'by_name', shared.by_name, 'step_up', shared.step_up,
    'roles', (
      select coalesce(json_agg(json_build_object('id', r.id, 'key', r.key, 'permissions', r.permissions, 'excludes', r.excludes)), '[]')
      from tenantry.roles r where r.history_id = platform and r.id = any (role_ids)),
    'found', found_facts);
  perform set_config('app.tenant_id', scope, true);
  return answer;
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_tenant;
--> statement-breakpoint
alter function tenantry.read_facts_of_users(uuid[], text[], text[], text[]) owner to tenantry_tenant;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_tenant;
--> statement-breakpoint
revoke execute on function tenantry.read_facts_of_users(uuid[], text[], text[], text[]) from public;
--> statement-breakpoint
grant execute on function tenantry.read_facts_of_users(uuid[], text[], text[], text[]) to tenantry_tenant, tenantry_platform;
