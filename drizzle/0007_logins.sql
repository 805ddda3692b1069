ALTER TABLE "tenantry"."issuers" ADD COLUMN "email_claim" text NOT NULL DEFAULT 'email';--> statement-breakpoint
ALTER TABLE "tenantry"."issuers" ALTER COLUMN "email_claim" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "tenantry"."issuers" ADD COLUMN "email_verified_claim" text NOT NULL DEFAULT 'email_verified';--> statement-breakpoint
ALTER TABLE "tenantry"."issuers" ALTER COLUMN "email_verified_claim" DROP DEFAULT;
--> statement-breakpoint
-- As before, and: whatever columns an issuer has.
create or replace function tenantry.find_issuers(p_issuer text, p_tenant_id uuid) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select coalesce(json_agg(to_jsonb(i) - '{history_id, created_at, updated_at}'::text[] order by i.tenant_id nulls last), '[]')
    from tenantry.issuers i
    where i.issuer = p_issuer and i.history_id in (p_tenant_id, '00000000-0000-0000-0000-000000000000'));
end
$$;
--> statement-breakpoint
-- Who speaks under this name, in whichever tenant, for a token that names none: the shared issuer first.
create index issuers_by_name on tenantry.issuers (issuer, id);
--> statement-breakpoint
create function tenantry.find_issuers_of(p_issuer text, p_audiences text[], p_limit integer) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select coalesce(json_agg(to_jsonb(trusted) - '{history_id, created_at, updated_at}'::text[]
      order by trusted.tenant_id nulls first, trusted.id), '[]')
    from (select i.* from tenantry.issuers i where i.issuer = p_issuer and i.audiences && p_audiences
      order by i.tenant_id nulls first, i.id limit p_limit) trusted);
end
$$;
--> statement-breakpoint
grant create on schema tenantry to tenantry_platform;
--> statement-breakpoint
alter function tenantry.find_issuers_of(text, text[], integer) owner to tenantry_platform;
--> statement-breakpoint
revoke create on schema tenantry from tenantry_platform;
--> statement-breakpoint
revoke execute on function tenantry.find_issuers_of(text, text[], integer) from public;
