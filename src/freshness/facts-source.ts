// Where facts come from: read from the database for every question, or from memory for as long as they may be old. Both
// answer the same; what writes, issues or reports asks the database.

import type { ResourceRef } from '@tenantry/client'
import {
  type ApiKeyFacts,
  type AtRevisions,
  type MemberFacts,
  readFactsOfApiKey,
  readFactsOfUser,
} from '../authorization/facts.ts'
import { readFactsOfUsers, type UserAsked } from '../authorization/facts-of-users.ts'
import type { Database } from '../database/scope.ts'
import type { PolicySets } from '../policies/sets.ts'
import { apiKeyTarget, membershipTarget, roleTarget } from '../revocations/targets.ts'
import { after, type Soon } from '../soon.ts'
import type { Cache } from './cache.ts'
import { tenantName } from './evictions.ts'
import { Gathering } from './gathering.ts'

/** At least these revisions, of the tenant and of the platform, must be in what is answered from memory. */
export interface Demand {
  revision?: number | undefined
  platform_revision?: number | undefined
}

/** What is held on a single resource, and stored of it, is told only of the one that is asked about. */
interface OnResource extends Demand {
  resource?: ResourceRef | undefined
  /** The only one that will be decided on: policies may look at what is stored of the resource, or not. */
  permission?: string | undefined
}

export interface FactsSource {
  /** What the facts name only; never out of date. */
  policies: PolicySets
  /** Null: there is no such tenant. */
  ofUser(tenant_id: string, user_id: string, asked?: OnResource): Soon<MemberFacts | null>
  ofApiKey(tenant_id: string, api_key_id: string, asked?: OnResource): Soon<ApiKeyFacts | null>
}

export const factsFrom = (database: Database, policies: PolicySets): FactsSource => ({
  policies,
  ofUser: (tenant_id, user_id, { resource } = {}) => readFactsOfUser(database, tenant_id, user_id, resource),
  ofApiKey: (tenant_id, api_key_id, { resource } = {}) => readFactsOfApiKey(database, tenant_id, api_key_id, resource),
})

/** What a member's facts rest on. */
export const namesOfMember = ({ tenant, membership }: MemberFacts): string[] => [
  tenantName(tenant.id),
  ...(membership
    ? [
        membershipTarget(membership.id),
        ...[...membership.roles, ...membership.grants].map(({ key }) => roleTarget(key)),
      ]
    : []),
]

const reaches = (facts: AtRevisions, { revision = 0, platform_revision = 0 }: Demand): boolean =>
  facts.revision >= revision && facts.platform_revision >= platform_revision

export const factsThrough = (cache: Cache, database: Database, policies: PolicySets): FactsSource => {
  const users = new Gathering<UserAsked, MemberFacts | null>((asked) => readFactsOfUsers(database, asked))
  return {
    policies,
    ofUser: (tenant_id, user_id, asked = {}) => {
      const { resource, permission } = asked
      const anywhere = cache.get(`user:${tenant_id}:${user_id}`, {
        read: () => users.ask({ tenant_id, user_id }),
        // Who is a member is told by events that name nobody; and anybody could fill the memory with made-up names.
        isKept: ({ membership }) => membership !== null,
        namesOf: namesOfMember,
        suffices: (facts) => reaches(facts, asked),
      })
      // Who holds something on single resources is read for each: what is kept tells of whoever does not.
      return resource === undefined
        ? anywhere
        : onResource(
            anywhere,
            (facts) => facts.membership?.has_resource_grants || policies.lookAtResource(facts, permission),
            () => users.ask({ tenant_id, user_id, resource }),
          )
    },

    ofApiKey: (tenant_id, api_key_id, asked = {}) => {
      const { resource, permission } = asked
      const anywhere = cache.get(`api_key:${tenant_id}:${api_key_id}`, {
        read: () => readFactsOfApiKey(database, tenant_id, api_key_id),
        isKept: ({ api_key }) => api_key !== null,
        namesOf: () => [tenantName(tenant_id), apiKeyTarget(api_key_id)],
        suffices: (facts) => reaches(facts, asked),
      })
      return resource === undefined
        ? anywhere
        : onResource(
            anywhere,
            (facts) => policies.lookAtResource(facts, permission),
            () => readFactsOfApiKey(database, tenant_id, api_key_id, resource),
          )
    },
  }
}

/** What is kept, unless more has to be known for this resource: what is stored of one may change at any time. */
const onResource = <F>(
  kept: Soon<F | null>,
  isOfResource: (facts: F) => Soon<boolean>,
  read: () => Promise<F | null>,
): Soon<F | null> =>
  after(kept, (facts) => (facts === null ? null : after(isOfResource(facts), (is) => (is ? read() : facts))))
