// What happens to a tenant, inside one scope.
import type { components } from '@tenantry/client/contract'
import { requireUnchanged } from '../authorization/recheck.ts'
import { brokenReference } from '../database/faults.ts'
import { History } from '../database/history.ts'
import type { JsonObject } from '../database/schema.ts'
import { announceRevocations, type PlatformTx, type Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { requireMatch } from '../http/preconditions.ts'
import type { By } from '../http/write.ts'
import { newId } from '../ids.ts'
import { addMembership } from '../memberships/operations.ts'
import { TENANT } from '../revocations/targets.ts'
import { differencesIn, isSame } from '../same.ts'
import { lockTenant, lockWritableTenant } from './locking.ts'
import { claimSlug, insertTenant, listTenants, releaseSlug, type TenantRow, updateTenant } from './queries.ts'
import { isReserved, slugCandidates } from './slugs.ts'
import type { TenantStatus } from './status.ts'

type TenantCreate = components['schemas']['TenantCreate']
type TenantUpdate = components['schemas']['TenantUpdate']

/** A tenant after a change (or after none, where there was nothing to do), and its history. */
export interface Changed {
  tenant: TenantRow
  history: History
}

const GRACE_DAYS = 30
const DAY_MS = 86_400_000

export const createTenant = async (tx: PlatformTx, by: By, input: TenantCreate): Promise<Changed> => {
  await requireUnchanged(tx, by)
  const id = newId()
  const history = await History.create(tx, id)
  const slug = await obtainSlug(tx, id, by.now, input)
  const at = by.now.toISOString()
  const { name, settings = {}, metadata = {}, role_set = null, trust_caller_properties = false } = input
  const tenant = await insertTenant(tx, {
    ...{ id, slug, name, status: 'active', settings, metadata, role_set },
    trust_caller_properties,
    ...{ revision: history.next, created_at: at, updated_at: at },
  }).catch(roleSetIsUnknown)
  const data = { ...(role_set !== null && { role_set }), ...(trust_caller_properties && { trust_caller_properties }) }
  await history.append(tx, { type: 'tenant.created', actor: by.actor, at: by.now, data, personal: { name, slug } })
  if (input.owner) await addMembership(tx, by, history, { ...input.owner, roles: ['owner'] })
  return { tenant, history }
}

const roleSetIsUnknown = (error: unknown): never => {
  if (brokenReference(error) !== 'tenants_role_set') throw error
  const detail = 'There is no set of roles with this key.'
  throw new Problem('role_set.unknown', { errors: [{ pointer: '/role_set', detail }] })
}

const obtainSlug = async (tx: PlatformTx, id: string, now: Date, { slug, name }: TenantCreate): Promise<string> => {
  if (slug !== undefined) {
    await takeSlug(tx, slug, id, now)
    return slug
  }
  for (const candidate of slugCandidates(name)) {
    if (await claimSlug(tx, candidate, id, now)) return candidate
  }
  throw new Error('slug candidates never end')
}

const takeSlug = async (tx: Tx, slug: string, id: string, now: Date): Promise<void> => {
  if (isReserved(slug))
    throw new Problem('tenant.slug_reserved', { errors: [{ pointer: '/slug', detail: `"${slug}" is reserved.` }] })
  if (!(await claimSlug(tx, slug, id, now))) throw new Problem('tenant.slug_taken')
}

export const changeTenant = async (
  tx: Tx,
  by: By,
  id: string,
  input: TenantUpdate,
  ifMatch: string | undefined,
): Promise<Changed> => {
  // Which roles a tenant may give, and whom its policies believe, is not for its own people to say.
  const isForPlatform = input.role_set !== undefined || input.trust_caller_properties !== undefined
  if (isForPlatform && by.principal.tenant_id !== null) throw new Problem('scope.platform_only')
  const { history, tenant } = await lockWritableTenant(tx, id, by)
  requireMatch(ifMatch, tenant.revision)
  if (isSame(tenant, input)) return { tenant, history }
  if (input.slug !== undefined && input.slug !== tenant.slug) {
    await takeSlug(tx, input.slug, id, by.now)
    await releaseSlug(tx, tenant.slug, id, by.now)
  }
  const at = by.now.toISOString()
  const changed = await updateTenant(tx, id, { ...input, revision: history.next, updated_at: at }).catch(
    roleSetIsUnknown,
  )
  const { name, slug } = input
  const sets = differencesIn(['role_set', 'trust_caller_properties'], tenant, changed)
  await history.append(tx, {
    ...{ type: 'tenant.updated', actor: by.actor, at: by.now, data: { changed: Object.keys(input), ...sets } },
    ...(name === undefined && slug === undefined ? {} : { personal: { ...(name && { name }), ...(slug && { slug }) } }),
  })
  return { tenant: changed, history }
}

interface Transition {
  type: string
  to: TenantStatus
  /** The states it starts from; in the state it leads to, it is repeated and does nothing. */
  from: TenantStatus[]
  otherwise: 'tenant.not_writable' | 'tenant.not_restorable'
}

const TRANSITIONS = {
  suspend: { type: 'tenant.suspended', to: 'suspended', from: ['active'], otherwise: 'tenant.not_writable' },
  reactivate: { type: 'tenant.reactivated', to: 'active', from: ['suspended'], otherwise: 'tenant.not_writable' },
  delete: {
    type: 'tenant.deletion_scheduled',
    to: 'deletion_scheduled',
    from: ['active', 'suspended'],
    otherwise: 'tenant.not_writable',
  },
  restore: { type: 'tenant.restored', to: 'active', from: ['deletion_scheduled'], otherwise: 'tenant.not_restorable' },
} satisfies Record<string, Transition>

/** Moves a tenant to another state (`status.ts`). Repeatable: a second time changes nothing and takes no revision. */
export const moveTenant = async (
  tx: Tx,
  by: By,
  id: string,
  transition: keyof typeof TRANSITIONS,
  { reason, ifMatch }: { reason?: string | undefined; ifMatch: string | undefined },
): Promise<Changed> => {
  const { type, to, from, otherwise }: Transition = TRANSITIONS[transition]
  const { history, tenant } = await lockTenant(tx, id, by)
  requireMatch(ifMatch, tenant.revision)
  if (tenant.status === to) {
    if (to !== 'active') announceRevocations(tx)
    return { tenant, history }
  }
  if (!from.includes(tenant.status)) throw new Problem(otherwise)
  const deletes_at = to === 'deletion_scheduled' ? new Date(by.now.getTime() + GRACE_DAYS * DAY_MS).toISOString() : null
  if (transition === 'restore') requireInGrace(tenant, by.now)
  const at = by.now.toISOString()
  const changed = await updateTenant(tx, id, { status: to, deletes_at, revision: history.next, updated_at: at })
  const data: JsonObject = { from: tenant.status, ...(deletes_at && { deletes_at }) }
  await history.append(tx, {
    ...{ type, actor: by.actor, at: by.now, data, revokes: to === 'active' ? [] : [TENANT] },
    ...(reason && { personal: { reason } }),
  })
  return { tenant: changed, history }
}

const requireInGrace = ({ deletes_at }: TenantRow, now: Date): void => {
  if (deletes_at !== null && Date.parse(deletes_at) <= now.getTime()) throw new Problem('tenant.not_restorable')
}

/** The tenant that has this slug now, in whatever state it is. */
export const findTenantBySlug = async (tx: PlatformTx, slug: string): Promise<TenantRow | undefined> => {
  const [tenant] = await listTenants(tx, { slug, status: undefined, q: undefined, after: undefined, limit: 1 })
  return tenant
}
