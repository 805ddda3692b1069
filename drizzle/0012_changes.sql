-- What was appended to any history since a snapshot that was read before, so far as it names what it is about: for those who
-- keep facts in memory. An event whose transaction commits late is in a later answer, never in none. Null: too much to tell,
-- or the snapshot is from another cluster; anything may have changed. Like `read_revocations` it sees what its statement
-- sees: asked in one statement, the two are of one moment.
create function tenantry.read_changes(p_since text) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  most constant integer := 1000;
  present pg_snapshot := pg_current_snapshot();
  since pg_snapshot := p_since::pg_snapshot;
begin
  if since is null or pg_snapshot_xmax(since) > pg_snapshot_xmax(present) then
    return null;
  end if;
  return (
    select case when count(*) <= most then coalesce(json_agg(json_build_object(
      'history_id', e.history_id, 'type', e.type, 'data', jsonb_strip_nulls(jsonb_build_object(
        'membership_id', e.data -> 'membership_id', 'api_key_id', e.data -> 'api_key_id', 'jti', e.data -> 'jti',
        'issuer_id', e.data -> 'issuer_id', 'key', e.data -> 'key')))), '[]') end
    from (
      select v.history_id, v.type, v.data from tenantry.events v
      where v.xid >= pg_snapshot_xmin(since) and v.xid < pg_snapshot_xmax(present)
        and not pg_visible_in_snapshot(v.xid, since)
      limit most + 1) e);
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_platform;
--> statement-breakpoint
alter function tenantry.read_changes(text) owner to tenantry_platform;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_platform;
--> statement-breakpoint
revoke execute on function tenantry.read_changes(text) from public;
