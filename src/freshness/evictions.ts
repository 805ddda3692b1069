// Which facts in memory an event puts an end to. Pure. What is kept rests on names (`cache.ts`), spelt like the targets of
// revocations; an event is about some.

import { PLATFORM } from '../database/schema.ts'
import type { Change } from '../database/scope.ts'
import { apiKeyTarget, issuerTarget, membershipTarget, roleTarget, tokenTarget } from '../revocations/targets.ts'

/** What everything rests on. */
export const EVERYTHING = 'everything'

export const tenantName = (id: string): string => `tenant:${id}`

type Names = (change: Change) => string[]

const nothing: Names = () => []
const everything: Names = () => [EVERYTHING]
const about =
  (field: string, nameOf: (id: string) => string): Names =>
  ({ data }) => {
    const id = data[field]
    return typeof id === 'string' ? [nameOf(id)] : [EVERYTHING]
  }

const membership = about('membership_id', membershipTarget)
const api_key = about('api_key_id', apiKeyTarget)
const issuer = about('issuer_id', issuerTarget)
const tenant: Names = ({ history_id }) => [tenantName(history_id)]
/** What happens to one member is told by name; who is in a group, and so holds what it holds, by none. */
const holder: Names = (change) => (typeof change.data.membership_id === 'string' ? membership(change) : tenant(change))
/** Who holds a tenant's own role is not told: all its members' facts go. */
const role: Names = (change) => (change.history_id === PLATFORM ? about('key', roleTarget)(change) : tenant(change))

/** Of the whole tenant, and from the platform of anybody. */
const anybody: Names = (change) => (change.history_id === PLATFORM ? [EVERYTHING] : tenant(change))

/** What is new, nothing that is kept rests on: of whom nothing is known, nothing is kept. */
const TABLE: { readonly [type: string]: Names } = {
  'membership.created': nothing,
  'membership.updated': membership,
  'membership.suspended': membership,
  'membership.reactivated': membership,
  'membership.signed_out': membership,
  'membership.deleted': membership,
  'api_key.created': nothing,
  'api_key.replaced': api_key,
  'api_key.deleted': api_key,
  'issuer.created': nothing,
  'issuer.updated': issuer,
  'issuer.deleted': issuer,
  'token.revoked': about('jti', tokenTarget),
  'token.delegated': nothing,
  'role.created': nothing,
  'role.updated': role,
  'role.deleted': role,
  'group.created': nothing,
  'group.updated': tenant,
  'group.deleted': tenant,
  'group.member_added': holder,
  'group.member_removed': holder,
  'grant.created': holder,
  'grant.updated': holder,
  'grant.deleted': holder,
  // What is stored of resources is never kept.
  'resource.created': nothing,
  'resource.updated': nothing,
  'resource.deleted': tenant,
  'policy.created': anybody,
  'policy.updated': anybody,
  'policy.deleted': anybody,
  'role_set.created': nothing,
  'role_set.updated': everything,
  'role_set.deleted': everything,
  'catalogue.replaced': everything,
  'tenant.restored': tenant,
  'platform.restored': everything,
  'tenant.created': nothing,
  'platform.created': nothing,
  'signing_key.created': nothing,
  'signing_key.activated': nothing,
  'signing_key.removed': everything,
  'signing_key.revoked': everything,
}

/** Also of what no line says anything about. */
export const namesIn = (change: Change): string[] => (TABLE[change.type] ?? anybody)(change)
