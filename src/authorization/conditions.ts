// The second step of every decision: what is asked of somebody besides that it is granted, and what policies say. Pure but for
// the policies' engine. `decide` of the client package goes first and knows nothing of this; whatever the service decides about
// a product's permissions goes through `decideUnder`, and what only this step can tell is left out of what tokens carry
// (tokens/touched.ts).
import { decide, type Facts, type Question, type Reason } from '@tenantry/client'
import { LRUCache } from 'lru-cache'
import { type Authentication, isMet, type LoginDemand, NOTHING_TOLD, type StepUp } from '../permissions/step-up.ts'
import { type Judged, judge, type Premises as PolicyPremises, type ToldByCaller } from '../policies/judging.ts'
import type { PoliciesInForce } from '../policies/set.ts'
import { coarser } from '../tokens/asking.ts'

/** What holds for everybody in a tenant at the revisions of the facts. Shared by all facts that were read with the same. */
export interface Conditions {
  readonly step_up: StepUp
  /** Null where there are none. */
  readonly policies: PoliciesInForce | null
}

export const NO_CONDITIONS: Conditions = { step_up: new Map(), policies: null }

/** What is told of the moment of the question, and by whom it may be told (circumstances.ts). */
export interface Circumstances extends ToldByCaller {
  readonly authentication: Authentication
}

export const NO_CIRCUMSTANCES: Circumstances = { authentication: NOTHING_TOLD }

export type StepUpRequired = { readonly code: 'step_up_required'; readonly permission: string } & LoginDemand

/** Why, where a condition decided. */
export type ConditionReason = StepUpRequired | Judged['reason']

export interface Outcome {
  readonly decision: boolean
  readonly reason: Reason | ConditionReason
}

interface Premises extends PolicyPremises {
  readonly facts: Facts
  readonly conditions: Conditions
}

/**
 * Decides: denials by the tenant or the subject stand. Then roles or a policy must allow it, no policy may forbid it, and the
 * login must be what is demanded.
 */
export const decideUnder = (
  premises: Premises,
  question: Question,
  circumstances: Circumstances,
  now: Date,
): Outcome => {
  const granted = decide(premises.facts, question, now)
  if (premises.conditions === NO_CONDITIONS) return granted
  if (!granted.decision && granted.reason.code !== 'no_role_grants') return granted
  const judged = judge(premises, granted, question, circumstances, now)
  return judged.decision ? (denialByStepUp(premises, question, circumstances, now) ?? judged) : judged
}

/** A machine does not log in, so nothing that is told of it meets a demand. */
const denialByStepUp = (
  { facts, conditions }: Premises,
  { permission }: Question,
  { authentication }: Circumstances,
  now: Date,
): Outcome | undefined => {
  const demand = conditions.step_up.get(permission)
  if (demand === undefined) return undefined
  if (facts.subject?.kind === 'membership' && isMet(demand, authentication, now)) return undefined
  return { decision: false, reason: { code: 'step_up_required', permission, acr: demand.acr, max_age: demand.max_age } }
}

/** The permissions, as patterns, of which no token may say that they are held: a condition may turn them down. */
export const touchedBy = ({ step_up, policies }: Conditions): readonly string[] =>
  policies === null ? [...step_up.keys()] : [...new Set([...step_up.keys(), ...briefly(policies.forbidden)])]

/** Those of which no token may say that they are not held: a policy may permit them. */
export const permittedBy = ({ policies }: Conditions): readonly string[] => briefly(policies?.permitted ?? [])

/** What a token asks about too much does no harm, and it has to be short. */
const MOST_PATTERNS = 20

const briefly = (patterns: readonly string[]): readonly string[] => {
  if (patterns.length <= MOST_PATTERNS) return patterns
  const by_resource = coarser(patterns)
  return by_resource.length <= MOST_PATTERNS ? by_resource : ['*']
}

/** What the database tells of conditions, with the facts. */
export interface ToldConditions {
  readonly step_up: readonly (LoginDemand & { readonly key: string })[]
  readonly policies: PoliciesInForce | null
}

const known = new LRUCache<string, Conditions>({ max: 1_000 })

/** One for all that are told the same: there may be a hundred thousand facts in memory, and they mostly are. */
export const conditionsOf = ({ step_up, policies }: ToldConditions): Conditions => {
  if (step_up.length === 0 && policies === null) return NO_CONDITIONS
  const text = JSON.stringify([step_up, policies])
  const conditions = known.get(text) ?? { step_up: new Map(step_up.map(demandOf)), policies }
  known.set(text, conditions)
  return conditions
}

const demandOf = ({ key, acr, max_age }: ToldConditions['step_up'][number]) => [key, { acr, max_age }] as const
