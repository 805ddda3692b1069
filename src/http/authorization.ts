// May this principal call this operation, and what may the transaction touch? Runs in preHandler, on validated input.
// The tenant comes from the verified principal; a platform credential may name one, or an item of one.
import type { FastifyRequest } from 'fastify'
import { awaitRevisions, demandsIn, IN_HEADER } from '../authorization/consistency.ts'
import { itemsOf } from '../authorization/items.ts'
import { PLATFORM } from '../database/schema.ts'
import type { Database, Scope } from '../database/scope.ts'
import { type Code, Problem } from '../errors.ts'
import { after, type Soon } from '../soon.ts'
import { isNarrowed } from '../tokens/claims.ts'
import { declaredHeader, MIN_REVISION, type Operation } from './contract.ts'
import { type MemberPrincipal, mayDo, type Principal } from './principal.ts'

type Fields = Record<string, unknown>

/** What of a request says who asks, for what, and where. */
export type Authorizable = Pick<FastifyRequest, 'principal' | 'params' | 'query' | 'body' | 'headers' | 'scope'>

interface Item {
  kind: string
  missing: Code
}

/** A path parameter that names an item whose tenant must be looked up. */
const ITEMS: Record<string, Item> = {
  group_id: { kind: 'group', missing: 'group.not_found' },
  membership_id: { kind: 'membership', missing: 'membership.not_found' },
  grant_id: { kind: 'grant', missing: 'grant.not_found' },
  role_id: { kind: 'role', missing: 'role.not_found' },
  api_key_id: { kind: 'api_key', missing: 'api_key.not_found' },
  policy_id: { kind: 'policy', missing: 'policy.not_found' },
  issuer_id: { kind: 'issuer', missing: 'issuer.not_found' },
}
const LOCATE = { name: 'locate', text: 'select tenantry.locate($1, $2) as value' }

export const authorizeWith =
  (database: Database) =>
  (request: Authorizable, operation: Operation): Soon<void> => {
    const { principal } = request
    if (operation.scope === 'platform' && principal.tenant_id !== null) throw new Problem('scope.platform_only')
    const named = namedTenant(request, operation)
    requireOwnTenant(principal, named)
    requireActiveTenant(principal, operation)
    requirePermission(principal, request, operation)
    if (operation.method !== 'GET') return enter(database, request, named)
    return awaitDemanded(database, request, operation, named).then(() => enter(database, request, named))
  }

const enter = (database: Database, request: Authorizable, named: string | undefined): Soon<void> =>
  after(scopeOf(database, request, named), (scope) => {
    request.scope = scope
  })

/**
 * Before anything is looked up: what was just written may be what is asked for. A check looks by itself whether its facts are
 * as new as demanded, because it may have kept some.
 */
const awaitDemanded = (
  database: Database,
  request: Authorizable,
  operation: Operation,
  named: string | undefined,
): Promise<void> => {
  const only = request.principal.tenant_id ?? named
  const isAsked = (tenant_id: string): boolean => only === undefined || only === tenant_id
  const demanded = declaredHeader(MIN_REVISION, request, operation) as string | undefined // validated as a header
  return awaitRevisions(database, demandsIn(demanded, IN_HEADER, isAsked))
}

/** Only where the contract declares it: a `tenant_id` that a standard's open body happens to carry names nothing. */
const namedTenant = (request: Authorizable, { tenant_named_in }: Operation): string | undefined => {
  for (const part of tenant_named_in) {
    const { tenant_id } = (request[part] ?? {}) as Fields
    if (typeof tenant_id === 'string') return tenant_id
  }
  return undefined
}

/** Another tenant's existence is never hinted at: it is simply not there. */
const requireOwnTenant = (principal: Principal, named: string | undefined): void => {
  if (principal.tenant_id !== null && named !== undefined && named !== principal.tenant_id) {
    throw new Problem('tenant.not_found')
  }
}

const requireActiveTenant = ({ tenant_status }: Principal, { suspended_allowed }: Operation): void => {
  if (tenant_status !== null && tenant_status !== 'active' && !suspended_allowed) throw new Problem('tenant.suspended')
}

const requirePermission = (principal: Principal, request: Authorizable, { permission, self }: Operation): void => {
  if (permission === undefined || mayDo(principal, permission)) return
  if (principal.kind === 'membership' && isSelf(principal, request, self)) return
  throw new Problem('permission.missing', { detail: `This needs the permission ${permission}.` })
}

/** A narrowed token was made for what it names, and not to speak for its user as a whole. */
const isSelf = ({ id, user_id, token }: MemberPrincipal, request: Authorizable, self: Operation['self']): boolean => {
  if (self === 'tenant') return true
  if (isNarrowed(token)) return false
  if (self === 'membership') return isOwnMembership(id, request)
  if (self === 'subject') return isAbout(user_id, request.body)
  return self === 'each_subject' && itemsOf(request.body as Fields).every((item) => isAbout(user_id, item))
}

const isOwnMembership = (membership_id: string, request: Authorizable): boolean =>
  (request.params as Fields).membership_id === membership_id

const isAbout = (user_id: string, check: unknown): boolean => {
  const { subject } = (check ?? {}) as { subject?: { type?: unknown; id?: unknown } | null }
  return subject?.type === 'user' && subject.id === user_id
}

/** A tenant's credential always works in its tenant; a platform's where it points, else everywhere. */
const scopeOf = (database: Database, request: Authorizable, tenant_id: string | undefined): Soon<Scope> => {
  if (request.principal.tenant_id !== null) return { tenant_id: request.principal.tenant_id }
  if (tenant_id === undefined) return scopeOfItem(database, request.params as Fields)
  // A list in a tenant that does not exist would look like an empty one; everything else finds out by itself.
  return 'tenant_id' in (request.query as Fields) ? scopeOfTenant(database, tenant_id) : { tenant_id }
}

const scopeOfTenant = async (database: Database, tenant_id: string): Promise<Scope> => {
  if ((await database.call(LOCATE, 'tenant', tenant_id)) === null) throw new Problem('tenant.not_found')
  return { tenant_id }
}

const scopeOfItem = (database: Database, path: Fields): Soon<Scope> => {
  for (const parameter in path) {
    const [item, id] = [ITEMS[parameter], path[parameter]]
    if (item && typeof id === 'string') return locate(database, item, id)
  }
  return 'platform'
}

const locate = async (database: Database, { kind, missing }: Item, id: string): Promise<Scope> => {
  const history_id = await database.call(LOCATE, kind, id)
  if (typeof history_id !== 'string') throw new Problem(missing)
  return history_id === PLATFORM ? 'platform' : { tenant_id: history_id }
}
