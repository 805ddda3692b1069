// The decision: may this subject do this in this tenant, at this instant, and why? Pure; the check endpoint calls it
// with facts from the database, the offline verifier with facts from a token.

import { type Asked, type Grant, grantingPattern, parseAsked } from './permissions.ts'

export type TenantStatus = 'active' | 'suspended' | 'archived' | 'deletion_scheduled' | 'erased'

/** One thing of the tenant's, as AuthZEN names it. */
export type ResourceRef = { readonly type: string; readonly id: string }

/**
 * A role's grant, or one that no role names: an API key's, or a narrowed token's. It may be for one resource only, and
 * for a time; what is left out is as if it were null.
 */
export type RoleGrant = Grant & {
  readonly role: string | null
  /** Null: in the whole tenant. */
  readonly resource?: ResourceRef | null
  /** RFC 3339 in UTC. It grants from the first instant on, and from the second on nothing any more. */
  readonly not_before?: string | null
  readonly expires_at?: string | null
  /** Where it comes from, for the reason: null for a role that the membership itself has. */
  readonly grant_id?: string | null
  readonly group_id?: string | null
}

type SubjectFacts = {
  readonly id: string
  /** RFC 3339 in UTC. From that very instant the subject is granted nothing. */
  readonly expires_at: string | null
  readonly grants: readonly RoleGrant[]
}

/** What a decision rests on. API keys have no suspended state: they are deleted, or they expire. */
export type Facts = {
  readonly tenant: { readonly id: string; readonly status: TenantStatus } | null
  readonly subject:
    | (SubjectFacts & { readonly kind: 'membership'; readonly status: 'active' | 'suspended' })
    | (SubjectFacts & { readonly kind: 'api_key'; readonly status: 'active' })
    | null
}

/**
 * `resource_tenant_id` is the tenant that the resource says it belongs to, where the caller knows; `resource_id` is which
 * one of the permission's resource is meant. Without it grants on single resources count for nothing.
 */
export type Question = {
  readonly tenant_id: string
  readonly permission: string
  readonly resource_id?: string | undefined
  readonly resource_tenant_id?: string | undefined
}

/** Why a decision came out as it did. `code` is stable; the other members name what decided. */
export type Reason =
  | RoleGrants
  | { readonly code: 'key_grants'; readonly pattern: string }
  | { readonly code: 'no_role_grants'; readonly permission: string }
  | { readonly code: 'membership_expired'; readonly expires_at: string }
  | { readonly code: PlainCode }

/** Besides the role and its pattern: the grant and the group by which it is held, where it is by one. */
type RoleGrants = {
  readonly code: 'role_grants'
  readonly role: string | null
  readonly pattern: string
  readonly grant_id?: string
  readonly group_id?: string
  readonly resource?: ResourceRef
}

type PlainCode =
  | 'permission_malformed'
  | 'tenant_mismatch'
  | 'tenant_not_found'
  | 'tenant_suspended'
  | 'tenant_archived'
  | 'tenant_deletion_scheduled'
  | 'not_a_member'
  | 'membership_suspended'
  | 'api_key_expired'

export type Decision = { readonly decision: boolean; readonly reason: Reason }

/**
 * Decides, in this order: is the question well formed, is it about one tenant, is that tenant active, is the subject,
 * and does any grant of the subject's hold the permission? The first "no" is the reason.
 *
 * @example
 * decide(facts, { tenant_id: facts.tenant.id, permission: 'invoice:read' }, new Date())
 * // { decision: true, reason: { code: 'role_grants', role: 'viewer', pattern: '*:read' } }
 */
export function decide(facts: Facts, question: Question, now: Date): Decision {
  const asked = parseAsked(question.permission)
  if (asked === undefined) return deny('permission_malformed')
  if (isMismatch(facts, question)) return deny('tenant_mismatch')
  return denialByTenant(facts) ?? denialBySubject(facts, now) ?? decideByGrants(facts, asked, question, now)
}

function isMismatch({ tenant }: Facts, { tenant_id, resource_tenant_id }: Question): boolean {
  if (tenant !== null && tenant.id !== tenant_id) return true
  return resource_tenant_id !== undefined && resource_tenant_id !== tenant_id
}

function denialByTenant({ tenant }: Facts): Decision | undefined {
  switch (tenant?.status) {
    case 'active':
      return undefined
    case 'suspended':
      return deny('tenant_suspended')
    case 'archived':
      return deny('tenant_archived')
    case 'deletion_scheduled':
      return deny('tenant_deletion_scheduled')
    default:
      return deny('tenant_not_found')
  }
}

function denialBySubject({ subject }: Facts, now: Date): Decision | undefined {
  if (subject === null) return deny('not_a_member')
  if (subject.status !== 'active') return deny('membership_suspended')
  if (subject.expires_at === null || isBefore(now, subject.expires_at)) return undefined
  if (subject.kind === 'api_key') return deny('api_key_expired')
  return { decision: false, reason: { code: 'membership_expired', expires_at: subject.expires_at } }
}

/** An end that cannot be read compares false, and so counts as passed. */
function isBefore(now: Date, end: string): boolean {
  return now.getTime() < Date.parse(end)
}

function decideByGrants({ subject }: Facts, asked: Asked, { resource_id }: Question, now: Date): Decision {
  for (const grant of subject?.grants ?? []) {
    if (!isAbout(grant, asked, resource_id) || !isOpen(grant, now)) continue
    const pattern = grantingPattern(grant, asked)
    if (pattern === undefined) continue
    if (subject?.kind === 'api_key') return { decision: true, reason: { code: 'key_grants', pattern } }
    return { decision: true, reason: reasonOf(grant, pattern) }
  }
  return { decision: false, reason: { code: 'no_role_grants', permission: asked.permission } }
}

/** Ids are compared as they are: what an id means is the product's business. */
function isAbout({ resource }: RoleGrant, asked: Asked, resource_id: string | undefined): boolean {
  return resource == null || (resource.type === asked.resource && resource.id === resource_id)
}

/**
 * Has it begun, and not ended? A time that cannot be read is neither.
 *
 * @example
 * isOpen({ not_before: null, expires_at: '2026-03-01T00:00:00Z' }, new Date())
 */
export function isOpen({ not_before, expires_at }: Pick<RoleGrant, 'not_before' | 'expires_at'>, now: Date): boolean {
  if (not_before != null && !(now.getTime() >= Date.parse(not_before))) return false
  return expires_at == null || isBefore(now, expires_at)
}

function reasonOf({ role, grant_id, group_id, resource }: RoleGrant, pattern: string): RoleGrants {
  return {
    ...{ code: 'role_grants', role, pattern },
    ...(grant_id != null && { grant_id }),
    ...(group_id != null && { group_id }),
    ...(resource != null && { resource: { type: resource.type, id: resource.id } }),
  }
}

function deny(code: PlainCode): Decision {
  return { decision: false, reason: { code } }
}
