CREATE TABLE "tenantry"."epochs" (
	"number" integer PRIMARY KEY NOT NULL,
	"system_identifier" text,
	"database_oid" bigint,
	"timeline" integer,
	"nothing_lost" boolean NOT NULL,
	"started_at" timestamp(3) with time zone NOT NULL
);
--> statement-breakpoint
alter table tenantry.epochs enable row level security;
--> statement-breakpoint
alter table tenantry.epochs force row level security;
--> statement-breakpoint
create policy platform on tenantry.epochs to tenantry_platform using (true) with check (true);
--> statement-breakpoint
grant select, insert on tenantry.epochs to tenantry_platform;
--> statement-breakpoint
-- The present epoch, and whether the database is still where it began. A copy that was restored elsewhere has another system
-- identifier, or is another database of its cluster; a standby that was promoted, or a recovery to a point in time, is on
-- another timeline. What PostgreSQL does not tell (a standby, some managed ones) is null, and null is compared with nothing.
-- `restored` is the newest epoch before which commits may have been lost. Asked in one statement with `read_revocations` it is
-- of the same moment.
create function tenantry.read_epoch() returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  cluster text;
  line integer;
  own bigint := (select d.oid from pg_database d where d.datname = current_database());
begin
  begin
    cluster := (select c.system_identifier::text from pg_control_system() c);
    line := ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer;
  exception when others then
    null;
  end;
  return (
    select json_build_object(
      'number', coalesce(e.number, 0),
      'restored', coalesce((select max(r.number) from tenantry.epochs r where not r.nothing_lost), 0),
      'moved', case when e.system_identifier <> cluster or e.database_oid <> own then 'cluster'
        when e.timeline <> line then 'timeline' end,
      'place', json_build_object('system_identifier', cluster, 'database_oid', own, 'timeline', line))
    from (values (1)) as one left join tenantry.epochs e on e.number = (select max(number) from tenantry.epochs));
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_platform;
--> statement-breakpoint
alter function tenantry.read_epoch() owner to tenantry_platform;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_platform;
--> statement-breakpoint
revoke execute on function tenantry.read_epoch() from public;
