CREATE INDEX "slugs_of_tenant" ON "tenantry"."slugs" USING btree ("tenant_id");
--> statement-breakpoint
-- What makes a credential stale that looks good: whether the key is still there, and whether a token was revoked. The first
-- is volatile so that it looks at the moment it is asked, and not at the beginning of its statement: asked after the
-- revisions that a token will carry were read, it finds every revocation that those revisions include.
create function tenantry.holds_api_key(p_history_id uuid, p_id uuid, p_now timestamptz) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  return exists (select from tenantry.api_keys k
    where k.history_id = p_history_id and k.id = p_id and (k.expires_at is null or k.expires_at > p_now));
end
$$;
--> statement-breakpoint
-- The targets, of those that mean one token, which were revoked after the revisions that it was minted at.
create function tenantry.find_revoked(p_tenant_id uuid, p_revision bigint, p_platform_revision bigint, p_targets text[],
  p_now timestamptz) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(current_setting('app.tenant_id', true), '') not in ('', p_tenant_id::text) then
    raise exception 'find_revoked(%) inside the scope of another tenant', p_tenant_id using errcode = '42501';
  end if;
  return array(select r.target from tenantry.revocations r
    where ((r.history_id = p_tenant_id and r.revision > p_revision)
        or (r.history_id = '00000000-0000-0000-0000-000000000000' and r.revision > p_platform_revision))
      and r.target = any (p_targets) and r.expires_at > p_now);
end
$$;
--> statement-breakpoint
-- As before, and: of several entries for one target the one that covers most; and where a dump was restored into another
-- cluster, transactions lie in the future. A snapshot from such a future is no place to continue from, and a row from
-- there is old.
create or replace function tenantry.read_revocations(p_since text, p_tenant_id uuid, p_now timestamptz) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  present pg_snapshot := pg_current_snapshot();
  since pg_snapshot := case
    when pg_snapshot_xmax(p_since::pg_snapshot) <= pg_snapshot_xmax(present) then p_since::pg_snapshot end;
begin
  return (
    select json_build_object(
      'snapshot', present::text,
      'platform_revision', (select h.revision from tenantry.histories h where h.id = '00000000-0000-0000-0000-000000000000'),
      'entries', coalesce(json_agg(json_build_object(
        'history', coalesce(e.tenant_id::text, 'platform'), 'target', e.target, 'rev', e.revision,
        'expires_at', to_char(e.expires_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
        order by e.history_id, e.revision, e.target), '[]'))
    from (
      select r.history_id, r.tenant_id, r.target, max(r.revision) as revision, max(r.expires_at) as expires_at
      from tenantry.revocations r
      where r.expires_at > p_now
        and (since is null
          or (r.xid >= pg_snapshot_xmin(since) and not pg_visible_in_snapshot(r.xid, since)
            and r.xid < pg_snapshot_xmax(present)))
        and (p_tenant_id is null or r.history_id in (p_tenant_id, '00000000-0000-0000-0000-000000000000'))
      group by r.history_id, r.tenant_id, r.target) e);
end
$$;
--> statement-breakpoint
-- As before, and: a tenant keeps the last five slugs that it gave up from others, and no more. Without a bound, one that
-- renames itself all day would hold as many names as it likes.
create or replace function tenantry.release_slug(p_slug text, p_tenant_id uuid, p_now timestamptz) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(current_setting('app.tenant_id', true), '') not in ('', p_tenant_id::text) then
    raise exception 'release_slug for % inside the scope of another tenant', p_tenant_id using errcode = '42501';
  end if;
  update tenantry.slugs set released_at = p_now where slug = p_slug and tenant_id = p_tenant_id;
  delete from tenantry.slugs where slug in (
    select s.slug from tenantry.slugs s where s.tenant_id = p_tenant_id and s.released_at is not null
    order by s.released_at desc, s.slug offset 5);
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_platform;
--> statement-breakpoint
alter function tenantry.holds_api_key(uuid, uuid, timestamptz) owner to tenantry_platform;
--> statement-breakpoint
alter function tenantry.find_revoked(uuid, bigint, bigint, text[], timestamptz) owner to tenantry_platform;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_platform;
--> statement-breakpoint
revoke execute on function tenantry.holds_api_key(uuid, uuid, timestamptz),
  tenantry.find_revoked(uuid, bigint, bigint, text[], timestamptz) from public;
--> statement-breakpoint
grant execute on function tenantry.holds_api_key(uuid, uuid, timestamptz),
  tenantry.find_revoked(uuid, bigint, bigint, text[], timestamptz) to tenantry_tenant;
