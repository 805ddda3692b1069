// Reads the facts of a decision, with the revisions they are true at, in one statement (drizzle/0001_isolation.sql).
import type { Facts, Grant, TenantStatus } from '@tenantry/client'
import type { Database } from '../database/scope.ts'

interface Tenant {
  id: string
  slug: string
  status: TenantStatus
}

export interface Member {
  id: string
  user_id: string
  status: 'active' | 'suspended'
  expires_at: string | null
  roles: (Grant & { key: string })[]
}

/** What `read_facts` answers. */
export interface MemberFacts {
  tenant: Tenant
  revision: number
  platform_revision: number
  membership: Member | null
}

interface ApiKeyFacts {
  tenant: Tenant
  api_key: (Grant & { id: string; expires_at: string | null }) | null
}

const READ_FACTS = { name: 'read_facts', text: 'select tenantry.read_facts($1, $2, $3) as value' }
const READ_API_KEY_FACTS = { name: 'read_api_key_facts', text: 'select tenantry.read_api_key_facts($1, $2) as value' }

/** Null: there is no such tenant. */
export const readFactsOfUser = (database: Database, tenant_id: string, user_id: string): Promise<MemberFacts | null> =>
  database.call(READ_FACTS, tenant_id, user_id, null) as Promise<MemberFacts | null>

export const readFactsOfMembership = (
  database: Database,
  tenant_id: string,
  membership_id: string,
): Promise<MemberFacts | null> =>
  database.call(READ_FACTS, tenant_id, null, membership_id) as Promise<MemberFacts | null>

export const readFactsOfApiKey = (
  database: Database,
  tenant_id: string,
  api_key_id: string,
): Promise<ApiKeyFacts | null> =>
  database.call(READ_API_KEY_FACTS, tenant_id, api_key_id) as Promise<ApiKeyFacts | null>

export const factsOfMember = (facts: MemberFacts | null): Facts => ({
  tenant: facts?.tenant ?? null,
  subject: facts?.membership
    ? {
        kind: 'membership',
        id: facts.membership.id,
        status: facts.membership.status,
        expires_at: facts.membership.expires_at,
        grants: facts.membership.roles.map(({ key, permissions, excludes }) => ({ role: key, permissions, excludes })),
      }
    : null,
})

export const factsOfApiKey = (facts: ApiKeyFacts | null): Facts => ({
  tenant: facts?.tenant ?? null,
  subject: facts?.api_key
    ? {
        kind: 'api_key',
        id: facts.api_key.id,
        status: 'active',
        expires_at: facts.api_key.expires_at,
        grants: [{ role: null, permissions: facts.api_key.permissions, excludes: facts.api_key.excludes }],
      }
    : null,
})
