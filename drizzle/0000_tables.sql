CREATE SCHEMA "tenantry";
--> statement-breakpoint
CREATE TABLE "tenantry"."api_keys" (
	"history_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"tenant_id" uuid GENERATED ALWAYS AS (nullif(history_id, '00000000-0000-0000-0000-000000000000'::uuid)) STORED,
	"name" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"hint" text NOT NULL,
	"permissions" text[] NOT NULL,
	"excludes" text[] NOT NULL,
	"root" boolean NOT NULL,
	"expires_at" timestamp(3) with time zone,
	"last_used_at" timestamp(3) with time zone,
	"revision" bigint NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "api_keys_pkey" PRIMARY KEY("history_id","id")
);
--> statement-breakpoint
CREATE TABLE "tenantry"."event_personal_data" (
	"history_id" uuid NOT NULL,
	"revision" bigint NOT NULL,
	"salt" "bytea" NOT NULL,
	"data" jsonb NOT NULL,
	CONSTRAINT "event_personal_data_pkey" PRIMARY KEY("history_id","revision")
);
--> statement-breakpoint
CREATE TABLE "tenantry"."events" (
	"history_id" uuid NOT NULL,
	"revision" bigint NOT NULL,
	"tenant_id" uuid GENERATED ALWAYS AS (nullif(history_id, '00000000-0000-0000-0000-000000000000'::uuid)) STORED,
	"type" text NOT NULL,
	"actor_type" text NOT NULL,
	"actor_id" uuid,
	"data" jsonb NOT NULL,
	"personal_commitment" "bytea",
	"hash" "bytea" NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	"position" bigint GENERATED ALWAYS AS IDENTITY (sequence name "tenantry"."events_position_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	CONSTRAINT "events_pkey" PRIMARY KEY("history_id","revision")
);
--> statement-breakpoint
CREATE TABLE "tenantry"."histories" (
	"id" uuid PRIMARY KEY NOT NULL,
	"revision" bigint NOT NULL,
	"head_hash" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tenantry"."idempotency_keys" (
	"history_id" uuid NOT NULL,
	"credential_id" text NOT NULL,
	"operation_id" text NOT NULL,
	"key" text NOT NULL,
	"request_hash" "bytea" NOT NULL,
	"sealed_response" "bytea" NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY("history_id","credential_id","operation_id","key")
);
--> statement-breakpoint
CREATE TABLE "tenantry"."membership_roles" (
	"tenant_id" uuid NOT NULL,
	"membership_id" uuid NOT NULL,
	"role_id" uuid NOT NULL,
	"role_history_id" uuid NOT NULL,
	CONSTRAINT "membership_roles_pkey" PRIMARY KEY("tenant_id","membership_id","role_id"),
	CONSTRAINT "membership_roles_own_or_shared" CHECK (role_history_id in (tenant_id, '00000000-0000-0000-0000-000000000000'::uuid))
);
--> statement-breakpoint
CREATE TABLE "tenantry"."memberships" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"status" text NOT NULL,
	"email" text,
	"display_name" text,
	"properties" jsonb NOT NULL,
	"expires_at" timestamp(3) with time zone,
	"revision" bigint NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	"updated_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "memberships_pkey" PRIMARY KEY("tenant_id","id"),
	CONSTRAINT "memberships_user" UNIQUE("tenant_id","user_id"),
	CONSTRAINT "memberships_status" CHECK (status in ('active', 'suspended'))
);
--> statement-breakpoint
CREATE TABLE "tenantry"."roles" (
	"history_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"tenant_id" uuid GENERATED ALWAYS AS (nullif(history_id, '00000000-0000-0000-0000-000000000000'::uuid)) STORED,
	"key" text NOT NULL,
	"name" text NOT NULL,
	"description" text NOT NULL,
	"permissions" text[] NOT NULL,
	"excludes" text[] NOT NULL,
	"built_in" boolean NOT NULL,
	"revision" bigint NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	"updated_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "roles_pkey" PRIMARY KEY("history_id","id"),
	CONSTRAINT "roles_key" UNIQUE("history_id","key")
);
--> statement-breakpoint
CREATE TABLE "tenantry"."signing_keys" (
	"kid" text PRIMARY KEY NOT NULL,
	"algorithm" text NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"sealed_private_key" "bytea" NOT NULL,
	"status" text NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "signing_keys_status" CHECK (status in ('next', 'active', 'retired'))
);
--> statement-breakpoint
CREATE TABLE "tenantry"."slugs" (
	"slug" text PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"released_at" timestamp(3) with time zone
);
--> statement-breakpoint
CREATE TABLE "tenantry"."tenants" (
	"id" uuid PRIMARY KEY NOT NULL,
	"slug" text NOT NULL,
	"name" text NOT NULL,
	"status" text NOT NULL,
	"settings" jsonb NOT NULL,
	"metadata" jsonb NOT NULL,
	"deletes_at" timestamp(3) with time zone,
	"revision" bigint NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	"updated_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "tenants_not_platform" CHECK (id <> '00000000-0000-0000-0000-000000000000'::uuid),
	CONSTRAINT "tenants_status" CHECK (status in ('active', 'suspended', 'archived', 'deletion_scheduled', 'erased'))
);
--> statement-breakpoint
ALTER TABLE "tenantry"."api_keys" ADD CONSTRAINT "api_keys_history" FOREIGN KEY ("history_id") REFERENCES "tenantry"."histories"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."event_personal_data" ADD CONSTRAINT "event_personal_data_event" FOREIGN KEY ("history_id","revision") REFERENCES "tenantry"."events"("history_id","revision") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."events" ADD CONSTRAINT "events_history" FOREIGN KEY ("history_id") REFERENCES "tenantry"."histories"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."membership_roles" ADD CONSTRAINT "membership_roles_membership" FOREIGN KEY ("tenant_id","membership_id") REFERENCES "tenantry"."memberships"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."membership_roles" ADD CONSTRAINT "membership_roles_role" FOREIGN KEY ("role_history_id","role_id") REFERENCES "tenantry"."roles"("history_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."memberships" ADD CONSTRAINT "memberships_tenant" FOREIGN KEY ("tenant_id") REFERENCES "tenantry"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."roles" ADD CONSTRAINT "roles_history" FOREIGN KEY ("history_id") REFERENCES "tenantry"."histories"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."slugs" ADD CONSTRAINT "slugs_history" FOREIGN KEY ("tenant_id") REFERENCES "tenantry"."histories"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenantry"."tenants" ADD CONSTRAINT "tenants_history" FOREIGN KEY ("id") REFERENCES "tenantry"."histories"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_directory" ON "tenantry"."api_keys" USING btree ("id");--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_hash" ON "tenantry"."api_keys" USING btree ("hash");--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_one_root" ON "tenantry"."api_keys" USING btree ("history_id") WHERE root;--> statement-breakpoint
CREATE INDEX "events_position" ON "tenantry"."events" USING btree ("position");--> statement-breakpoint
CREATE INDEX "events_xid" ON "tenantry"."events" USING btree ("xid","position");--> statement-breakpoint
CREATE INDEX "idempotency_keys_created_at" ON "tenantry"."idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "membership_roles_by_role" ON "tenantry"."membership_roles" USING btree ("tenant_id","role_id","membership_id");--> statement-breakpoint
CREATE UNIQUE INDEX "memberships_directory" ON "tenantry"."memberships" USING btree ("id");--> statement-breakpoint
CREATE INDEX "memberships_of_user" ON "tenantry"."memberships" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "memberships_email" ON "tenantry"."memberships" USING btree ("tenant_id",lower(email));--> statement-breakpoint
CREATE UNIQUE INDEX "roles_directory" ON "tenantry"."roles" USING btree ("id");--> statement-breakpoint
CREATE UNIQUE INDEX "signing_keys_one_active" ON "tenantry"."signing_keys" USING btree ((true)) WHERE status = 'active';--> statement-breakpoint
CREATE INDEX "tenants_slug" ON "tenantry"."tenants" USING btree ("slug");--> statement-breakpoint
CREATE INDEX "tenants_deletes_at" ON "tenantry"."tenants" USING btree ("deletes_at") WHERE deletes_at is not null;