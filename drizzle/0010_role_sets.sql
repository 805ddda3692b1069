CREATE TABLE "tenantry"."role_sets" (
	"history_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"key" text NOT NULL,
	"name" text NOT NULL,
	"roles" text[] NOT NULL,
	"default" boolean NOT NULL,
	"revision" bigint NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	"updated_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "role_sets_pkey" PRIMARY KEY("history_id","id"),
	CONSTRAINT "role_sets_key" UNIQUE("key"),
	CONSTRAINT "role_sets_platform" CHECK (history_id = '00000000-0000-0000-0000-000000000000'::uuid)
);
--> statement-breakpoint
ALTER TABLE "tenantry"."tenants" ADD COLUMN "role_set" text;--> statement-breakpoint
ALTER TABLE "tenantry"."role_sets" ADD CONSTRAINT "role_sets_history" FOREIGN KEY ("history_id") REFERENCES "tenantry"."histories"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "role_sets_one_default" ON "tenantry"."role_sets" USING btree ("history_id") WHERE "default";--> statement-breakpoint
ALTER TABLE "tenantry"."tenants" ADD CONSTRAINT "tenants_role_set" FOREIGN KEY ("role_set") REFERENCES "tenantry"."role_sets"("key") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "tenants_of_role_set" ON "tenantry"."tenants" USING btree ("role_set") WHERE role_set is not null;
--> statement-breakpoint
alter table tenantry.role_sets enable row level security;
--> statement-breakpoint
alter table tenantry.role_sets force row level security;
--> statement-breakpoint
create policy platform on tenantry.role_sets to tenantry_platform using (true) with check (true);
--> statement-breakpoint
-- A tenant sees the set it is on, and the default: not which others there are.
create policy shared on tenantry.role_sets for select to tenantry_tenant
  using ((select nullif(current_setting('app.tenant_id', true), '')::uuid) is not null and ("default" or key = (
    select t.role_set from tenantry.tenants t where t.id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))));
--> statement-breakpoint
grant select on tenantry.role_sets to tenantry_tenant;
--> statement-breakpoint
grant select, insert, update, delete on tenantry.role_sets to tenantry_platform;
