// Reads the facts of many members in one statement (drizzle/0017_facts_of_users.sql), which tells what they share once.
import type { Grant, ResourceRef, TenantStatus } from '@tenantry/client'
import type { Database } from '../database/scope.ts'
import { effective } from '../permissions/by-name.ts'
import type { ToldConditions } from './conditions.ts'
import { catalogued, type HeldGrant, type Member, type MemberFacts } from './facts.ts'

export interface UserAsked {
  tenant_id: string
  user_id: string
  /** The one that is asked about. */
  resource?: ResourceRef | undefined
}

type Role = Grant & { key: string }

/** What `read_facts_of_users` answers: with the shared roles that somebody holds, and somebody in the place of each question. */
interface ToldTogether extends Pick<ToldConditions, 'step_up'>, Pick<MemberFacts, 'platform_revision' | 'by_name'> {
  roles: (Role & { id: string })[]
  found: (Told | NoTenant)[]
}

interface NoTenant {
  tenant_id: null
}

/** A member, of whom everything is null where there is none; what few have is null where the member has none of it. */
interface Told extends Pick<Member, 'status' | 'expires_at' | 'signed_out_at'> {
  tenant_id: string
  slug: string
  tenant_status: TenantStatus
  revision: number
  id: string | null
  user_id: string
  /** Ids of shared roles; null for one of the tenant's own. */
  roles: (string | null)[]
  own_roles: Role[] | null
  held: { grants: HeldGrant[]; has_resource_grants: boolean } | null
  looked_at:
    | (Pick<ToldConditions, 'policies'> &
        Pick<Member, 'properties' | 'groups'> &
        Pick<MemberFacts, 'resource_properties'>)
    | null
}

const READ_FACTS_OF_USERS = {
  name: 'read_facts_of_users',
  text: 'select tenantry.read_facts_of_users($1, $2, $3, $4) as value',
}

/** In the order of those asked for. Null: there is no such tenant. */
export const readFactsOfUsers = async (
  database: Database,
  users: readonly UserAsked[],
): Promise<(MemberFacts | null)[]> => {
  const [tenants, ids] = [users.map(({ tenant_id }) => tenant_id), users.map(({ user_id }) => user_id)]
  const types = users.map(({ resource }) => resource?.type ?? null)
  const resources = users.map(({ resource }) => resource?.id ?? null)
  const together = (await database.call(READ_FACTS_OF_USERS, tenants, ids, types, resources)) as ToldTogether // the function's own shape
  const shared = new Map(together.roles.map(({ id, ...role }) => [id, effective(role, together.by_name)]))
  return together.found.map((told) => (told.tenant_id === null ? null : factsOf(told, together, shared)))
}

const NOTHING_LOOKED_AT = { policies: null, resource_properties: null, properties: null, groups: null }
const NOTHING_HELD = { grants: [], has_resource_grants: false }

const factsOf = (told: Told, together: ToldTogether, shared: ReadonlyMap<string, Role>): MemberFacts => {
  const { by_name, step_up, platform_revision } = together
  const { policies, resource_properties, properties, groups } = told.looked_at ?? NOTHING_LOOKED_AT
  const { id, user_id, status, expires_at, signed_out_at } = told
  const roles = rolesOf(told, shared)
  return catalogued({
    tenant: { id: told.tenant_id, slug: told.slug, status: told.tenant_status },
    ...{ revision: told.revision, platform_revision, by_name, step_up, policies, resource_properties },
    membership:
      id === null
        ? null
        : {
            ...{ id, user_id, status, expires_at, signed_out_at, properties, groups, roles },
            ...(told.held ?? NOTHING_HELD),
          },
  })
}

/** In the order of their keys, as everywhere. */
const rolesOf = ({ roles, own_roles }: Told, shared: ReadonlyMap<string, Role>): Role[] => {
  const held = roles.flatMap((id) => (id === null ? [] : (shared.get(id) ?? [])))
  return [...held, ...(own_roles ?? [])].sort((a, b) => (a.key < b.key ? -1 : 1))
}
