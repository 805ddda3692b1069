-- Keys that exist already have been active since before; a default fills them in without reading a row, which row-level
-- security would hide from the owner.
ALTER TABLE "tenantry"."signing_keys" ADD COLUMN "activates_at" timestamp(3) with time zone NOT NULL DEFAULT now();--> statement-breakpoint
ALTER TABLE "tenantry"."signing_keys" ALTER COLUMN "activates_at" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "tenantry"."signing_keys" ADD COLUMN "retired_at" timestamp(3) with time zone;
