CREATE TABLE "tenantry"."issuers" (
	"history_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"tenant_id" uuid GENERATED ALWAYS AS (nullif(history_id, '00000000-0000-0000-0000-000000000000'::uuid)) STORED,
	"issuer" text NOT NULL,
	"audiences" text[] NOT NULL,
	"jwks_uri" text,
	"algorithms" text[] NOT NULL,
	"user_id_claim" text NOT NULL,
	"user_id_prefix" text NOT NULL,
	"client_auth_required" boolean NOT NULL,
	"revision" bigint NOT NULL,
	"created_at" timestamp(3) with time zone NOT NULL,
	"updated_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "issuers_pkey" PRIMARY KEY("history_id","id")
);
--> statement-breakpoint
ALTER TABLE "tenantry"."issuers" ADD CONSTRAINT "issuers_history" FOREIGN KEY ("history_id") REFERENCES "tenantry"."histories"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "issuers_directory" ON "tenantry"."issuers" USING btree ("id");--> statement-breakpoint
CREATE UNIQUE INDEX "issuers_issuer" ON "tenantry"."issuers" USING btree ("history_id","issuer");
--> statement-breakpoint
alter table tenantry.issuers enable row level security;
--> statement-breakpoint
alter table tenantry.issuers force row level security;
--> statement-breakpoint
create policy platform on tenantry.issuers to tenantry_platform using (true) with check (true);
--> statement-breakpoint
create policy scope on tenantry.issuers to tenantry_tenant
  using (history_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
--> statement-breakpoint
grant select, insert, update, delete on tenantry.issuers to tenantry_tenant, tenantry_platform;
--> statement-breakpoint
-- As before, and: issuers.
create or replace function tenantry.locate(p_kind text, p_id uuid) returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  case p_kind
    when 'membership' then return (select m.tenant_id from tenantry.memberships m where m.id = p_id);
    when 'role' then return (select r.history_id from tenantry.roles r where r.id = p_id);
    when 'api_key' then return (select k.history_id from tenantry.api_keys k where k.id = p_id);
    when 'issuer' then return (select i.history_id from tenantry.issuers i where i.id = p_id);
    when 'tenant' then return (select t.id from tenantry.tenants t where t.id = p_id);
  end case;
end
$$;
--> statement-breakpoint
-- Who may speak for users in this tenant under this name: the tenant's own issuer, and the shared one.
create function tenantry.find_issuers(p_issuer text, p_tenant_id uuid) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select coalesce(json_agg(json_build_object('id', i.id, 'tenant_id', i.tenant_id, 'issuer', i.issuer,
      'audiences', i.audiences, 'jwks_uri', i.jwks_uri, 'algorithms', i.algorithms, 'user_id_claim', i.user_id_claim,
      'user_id_prefix', i.user_id_prefix, 'client_auth_required', i.client_auth_required, 'revision', i.revision)
      order by i.tenant_id nulls last), '[]')
    from tenantry.issuers i
    where i.issuer = p_issuer and i.history_id in (p_tenant_id, '00000000-0000-0000-0000-000000000000'));
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_platform;
--> statement-breakpoint
alter function tenantry.find_issuers(text, uuid) owner to tenantry_platform;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_platform;
--> statement-breakpoint
revoke execute on function tenantry.find_issuers(text, uuid) from public;
