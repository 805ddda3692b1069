CREATE TABLE "tenantry"."revocations" (
	"history_id" uuid NOT NULL,
	"revision" bigint NOT NULL,
	"target" text NOT NULL,
	"tenant_id" uuid GENERATED ALWAYS AS (nullif(history_id, '00000000-0000-0000-0000-000000000000'::uuid)) STORED,
	"expires_at" timestamp(3) with time zone NOT NULL,
	"xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	CONSTRAINT "revocations_pkey" PRIMARY KEY("history_id","revision","target")
);
--> statement-breakpoint
ALTER TABLE "tenantry"."revocations" ADD CONSTRAINT "revocations_event" FOREIGN KEY ("history_id","revision") REFERENCES "tenantry"."events"("history_id","revision") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "revocations_xid" ON "tenantry"."revocations" USING btree ("xid");--> statement-breakpoint
CREATE INDEX "revocations_expires_at" ON "tenantry"."revocations" USING btree ("expires_at");;
--> statement-breakpoint
alter table tenantry.revocations enable row level security;
--> statement-breakpoint
alter table tenantry.revocations force row level security;
--> statement-breakpoint
create policy platform on tenantry.revocations to tenantry_platform using (true) with check (true);
--> statement-breakpoint
create policy scope on tenantry.revocations to tenantry_tenant
  using (history_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
--> statement-breakpoint
grant select, insert on tenantry.revocations to tenantry_tenant;
--> statement-breakpoint
grant select, insert, delete on tenantry.revocations to tenantry_platform;
--> statement-breakpoint
-- The live entries that were not visible in the snapshot that was read before, and the snapshot to continue from, in one
-- statement: an entry whose transaction commits late is in a later answer, never in none. Without a snapshot: all.
-- One tenant's entries come with the platform's; without a tenant, everybody's come.
create function tenantry.read_revocations(p_since text, p_tenant_id uuid, p_now timestamptz) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select json_build_object(
      'snapshot', pg_current_snapshot()::text,
      'platform_revision', (select h.revision from tenantry.histories h where h.id = '00000000-0000-0000-0000-000000000000'),
      'entries', coalesce(json_agg(json_build_object(
        'history', coalesce(r.tenant_id::text, 'platform'), 'target', r.target, 'rev', r.revision,
        'expires_at', to_char(r.expires_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
        order by r.history_id, r.revision, r.target), '[]'))
    from tenantry.revocations r
    where r.expires_at > p_now
      and (p_since is null
        or (r.xid >= pg_snapshot_xmin(p_since::pg_snapshot) and not pg_visible_in_snapshot(r.xid, p_since::pg_snapshot)))
      and (p_tenant_id is null or r.history_id in (p_tenant_id, '00000000-0000-0000-0000-000000000000')));
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_platform;
--> statement-breakpoint
alter function tenantry.read_revocations(text, uuid, timestamptz) owner to tenantry_platform;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_platform;
--> statement-breakpoint
revoke execute on function tenantry.read_revocations(text, uuid, timestamptz) from public;
