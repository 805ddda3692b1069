-- Whether the login that a token goes back to still counts: its issuer is trusted, as it was when the login was verified, and also
-- for whoever shows no client. Volatile, so that it looks at the moment it is asked: after the revisions that the token will carry.
create function tenantry.holds_login(p_issuer_id uuid, p_revision bigint, p_anonymous boolean) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  return exists (select from tenantry.issuers i
    where i.id = p_issuer_id and (p_revision is null or i.revision = p_revision)
      and not (p_anonymous and i.client_auth_required));
end
$$;
--> statement-breakpoint
-- For the same reason: asked after the facts, it must not see less than they do.
alter function tenantry.find_revoked(uuid, bigint, bigint, text[], timestamptz) volatile;
--> statement-breakpoint
-- As before, and: what the user ids of a shared issuer must not begin with, because another shared issuer's do.
create or replace function tenantry.find_issuers(p_issuer text, p_tenant_id uuid) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select coalesce(json_agg(to_jsonb(i) - '{history_id, created_at, updated_at}'::text[]
        || jsonb_build_object('reserved_prefixes', (
          select coalesce(jsonb_agg(o.user_id_prefix), '[]') from tenantry.issuers o
          where i.tenant_id is null and o.tenant_id is null and o.user_id_prefix <> i.user_id_prefix
            and starts_with(o.user_id_prefix, i.user_id_prefix)))
      order by i.tenant_id nulls last), '[]')
    from tenantry.issuers i
    where i.issuer = p_issuer and i.history_id in (p_tenant_id, '00000000-0000-0000-0000-000000000000'));
end
$$;
--> statement-breakpoint
create or replace function tenantry.find_issuers_of(p_issuer text, p_audiences text[], p_limit integer) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select coalesce(json_agg(to_jsonb(trusted) - '{history_id, created_at, updated_at}'::text[]
        || jsonb_build_object('reserved_prefixes', (
          select coalesce(jsonb_agg(o.user_id_prefix), '[]') from tenantry.issuers o
          where trusted.tenant_id is null and o.tenant_id is null and o.user_id_prefix <> trusted.user_id_prefix
            and starts_with(o.user_id_prefix, trusted.user_id_prefix)))
      order by trusted.tenant_id nulls first, trusted.id), '[]')
    from (select i.* from tenantry.issuers i where i.issuer = p_issuer and i.audiences && p_audiences
      order by i.tenant_id nulls first, i.id limit p_limit) trusted);
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_platform;
--> statement-breakpoint
alter function tenantry.holds_login(uuid, bigint, boolean) owner to tenantry_platform;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_platform;
--> statement-breakpoint
revoke execute on function tenantry.holds_login(uuid, bigint, boolean) from public;
