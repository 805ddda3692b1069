-- What was appended to any history since a snapshot that was read before, so far as it names what it is about: for those who
-- keep facts in memory. An event whose transaction commits late is in a later answer, never in none. Of a history with more
-- than 200 events only that is told: `many`, about anything in it. Null: of too many histories, or the snapshot is from
-- another cluster; anything may have changed. Like `read_revocations` it sees what its statement sees: asked in one
-- statement, the two are of one moment.
create function tenantry.read_changes(p_since text) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  most constant integer := 200;
  present pg_snapshot := pg_current_snapshot();
  since pg_snapshot := p_since::pg_snapshot;
begin
  if since is null or pg_snapshot_xmax(since) > pg_snapshot_xmax(present) then
    return null;
  end if;
  return (
    with appended as materialized (
      select v.history_id, v.type, v.data, row_number() over (partition by v.history_id) as nth from tenantry.events v
      where v.xid >= pg_snapshot_xmin(since) and v.xid < pg_snapshot_xmax(present)
        and not pg_visible_in_snapshot(v.xid, since)),
    told as (
      select e.history_id, case when m.events > most then 'many' else e.type end as type,
        case when m.events > most then '{}'::jsonb else e.data end as data
      from appended e join (select history_id, count(*) as events from appended group by history_id) m using (history_id)
      where m.events <= most or e.nth = 1)
    select case when (select count(*) from told) <= most * 10
      then (select coalesce(json_agg(json_build_object(
        'history_id', t.history_id, 'type', t.type, 'data', jsonb_strip_nulls(jsonb_build_object(
          'membership_id', t.data -> 'membership_id', 'api_key_id', t.data -> 'api_key_id', 'jti', t.data -> 'jti',
          'issuer_id', t.data -> 'issuer_id', 'key', t.data -> 'key')))), '[]') from told t) end);
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
