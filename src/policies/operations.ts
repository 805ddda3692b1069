// What happens to a policy, inside one scope: a shared one is in the platform's history, a tenant's own in the tenant's.
import type { components } from '@tenantry/client/contract'
import { requireEndWithinOwn, requireWithinOwn } from '../authorization/escalation.ts'
import { violatedConstraint } from '../database/faults.ts'
import type { History } from '../database/history.ts'
import { announceRevocations, type Scope, type Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { requireMatch } from '../http/preconditions.ts'
import type { Principal } from '../http/principal.ts'
import type { By } from '../http/write.ts'
import { newId } from '../ids.ts'
import { findCatalogue } from '../permissions/operations.ts'
import { requireKnown } from '../permissions/strictness.ts'
import { TENANT } from '../revocations/targets.ts'
import { differencesIn, isSame } from '../same.ts'
import { lockHistory } from '../tenants/locking.ts'
import type { Meaning } from './language.ts'
import { deletePolicy, findPolicy, insertPolicy, measurePolicies, type PolicyRow, updatePolicy } from './queries.ts'

type Schemas = components['schemas']

/** So many of a tenant's own, and so many shared ones; and so much that a check with all of them is not long. */
const MOST_POLICIES = 100
const MOST_CHARACTERS = 131_072

/** Which policy, and the caller's `If-Match`. */
export interface Which {
  id: string
  ifMatch: string | undefined
}

/** A policy after a change, and the history it is in. */
export interface Changed {
  policy: PolicyRow
  history: History
}

/** @param meaning what the text means, found out before anything was locked */
export const createPolicy = async (
  tx: Tx,
  by: By,
  scope: Scope,
  { key, description = '', text, enabled = true }: Omit<Schemas['PolicyCreate'], 'tenant_id'>,
  meaning: Meaning,
): Promise<Changed> => {
  const history = await lockHistory(tx, by, scope)
  await requireCatalogued(tx, meaning)
  requireMayDecideOn(by.principal, [meaning])
  await requireRoom(tx, history.id, text)
  const at = by.now.toISOString()
  const policy = await insertPolicy(tx, {
    ...{ history_id: history.id, id: newId(), key, description, text, enabled, ...meaning },
    ...{ revision: history.next, created_at: at, updated_at: at },
  }).catch((error: unknown) => {
    throw violatedConstraint(error) === 'policies_key' ? new Problem('policy.key_taken') : error
  })
  await history.append(tx, {
    ...{ type: 'policy.created', actor: by.actor, at: by.now, personal: { description } },
    data: { policy_id: policy.id, key, effect: policy.effect, enabled, text },
    revokes: takesAway(undefined, policy) ? [TENANT] : [],
  })
  return { policy, history }
}

/** @throws Problem `policy.not_found`, `scope.platform_only` for a shared policy in a tenant's scope */
const lockPolicy = async (tx: Tx, by: By, scope: Scope, { id, ifMatch }: Which): Promise<Changed> => {
  const history = await lockHistory(tx, by, scope)
  const policy = await findPolicy(tx, id)
  if (!policy) throw new Problem('policy.not_found')
  if (policy.history_id !== history.id) throw new Problem('scope.platform_only')
  requireMatch(ifMatch, policy.revision)
  return { policy, history }
}

/** @param meaning of the new text; undefined where it stays */
export const changePolicy = async (
  tx: Tx,
  by: By,
  scope: Scope,
  which: Which,
  input: Schemas['PolicyUpdate'],
  meaning: Meaning | undefined,
): Promise<Changed> => {
  const { policy: before, history } = await lockPolicy(tx, by, scope, which)
  if (meaning) await requireCatalogued(tx, meaning, before.actions)
  requireMayDecideOn(by.principal, [before, ...(meaning ? [meaning] : [])])
  if (isSame(before, input)) return { policy: before, history }
  if (input.text !== undefined) await requireRoom(tx, history.id, input.text, before.id)
  const at = { revision: history.next, updated_at: by.now.toISOString() }
  const policy = await updatePolicy(tx, before, { ...input, ...meaning, ...at })
  if (before.enabled || policy.enabled) announceRevocations(tx) // no token rests on it, but checks at other replicas do
  await history.append(tx, {
    ...{ type: 'policy.updated', actor: by.actor, at: by.now, personal: { description: policy.description } },
    data: {
      ...{ policy_id: policy.id, key: policy.key, changed: Object.keys(input) },
      ...differencesIn(['effect', 'enabled', 'text'], before, policy),
    },
    revokes: takesAway(before, policy) ? [TENANT] : [],
  })
  return { policy, history }
}

export const removePolicy = async (tx: Tx, by: By, scope: Scope, which: Which): Promise<History> => {
  const { policy, history } = await lockPolicy(tx, by, scope, which)
  requireMayDecideOn(by.principal, [policy])
  await deletePolicy(tx, policy)
  if (policy.enabled) announceRevocations(tx)
  const { id: policy_id, key, effect, enabled, text } = policy
  await history.append(tx, {
    ...{ type: 'policy.deleted', actor: by.actor, at: by.now },
    data: { policy_id, key, effect, enabled, text },
  })
  return history
}

/** @throws Problem `policy.too_many` */
const requireRoom = async (tx: Tx, history_id: string, text: string, in_place_of?: string): Promise<void> => {
  const { number, characters } = await measurePolicies(tx, history_id, in_place_of)
  if (number >= MOST_POLICIES || characters + text.length > MOST_CHARACTERS) throw new Problem('policy.too_many')
}

const requireCatalogued = async (tx: Tx, { actions }: Meaning, before: readonly string[] = []): Promise<void> => {
  try {
    requireKnown(await findCatalogue(tx), { actions }, before)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    throw new Problem(error.code, { errors: error.errors.map(({ detail }) => ({ pointer: '/text', detail })) })
  }
}

/**
 * Whoever says under which conditions others may do something can give them that, and take it from them. What he holds counts
 * as roles grant it: else nobody could lift a `forbid` that concerns himself.
 * @throws Problem `role.exceeds_own`
 */
const requireMayDecideOn = (actor: Principal, policies: readonly Pick<Meaning, 'actions'>[]): void => {
  const concerned = policies.map(({ actions }) => ({ permissions: actions, excludes: [] }))
  requireWithinOwn(actor, concerned)
  requireEndWithinOwn(actor, null, concerned)
}

/**
 * Whether tokens may say too much that were issued before. They never carry what a `forbid` is about; so it is one that comes,
 * or that is about more than it was. Why it forbids makes no difference to them, nor does what a `permit` says: that they ask.
 */
const takesAway = (before: PolicyRow | undefined, after: PolicyRow): boolean => {
  if (!after.enabled || after.effect !== 'forbid') return false
  if (!before?.enabled || before.effect !== 'forbid') return true
  return !after.actions.every((action) => before.actions.includes(action))
}
