// The second step of every decision: what is asked of somebody besides that it is granted. Pure. `decide` of the client
// package goes first and knows nothing of this; whatever the service decides about a product's permissions goes through
// `decideUnder`, and what only this step can tell is left out of what tokens carry (tokens/touched.ts).
import { decide, type Facts, type Question, type Reason } from '@tenantry/client'
import { type Authentication, isMet, type LoginDemand, NOTHING_TOLD, type StepUp } from '../permissions/step-up.ts'

/** What holds for everybody in a tenant at the revisions of the facts. Shared by all facts that were read with the same. */
export interface Conditions {
  readonly step_up: StepUp
}

export const NO_CONDITIONS: Conditions = { step_up: new Map() }

/** What is told of the moment of the question, and by whom it may be told (circumstances.ts). */
export interface Circumstances {
  readonly authentication: Authentication
}

export const NO_CIRCUMSTANCES: Circumstances = { authentication: NOTHING_TOLD }

export type StepUpRequired = { readonly code: 'step_up_required'; readonly permission: string } & LoginDemand

/** Why, where a condition decided. */
export type ConditionReason = StepUpRequired

export interface Outcome {
  readonly decision: boolean
  readonly reason: Reason | ConditionReason
}

interface Premises {
  readonly facts: Facts
  readonly conditions: Conditions
}

/**
 * Decides: denials by the tenant or the subject stand, and so does that nothing grants it; what is granted may be turned
 * down by what is demanded of the login.
 */
export const decideUnder = (
  { facts, conditions }: Premises,
  question: Question,
  circumstances: Circumstances,
  now: Date,
): Outcome => {
  const granted = decide(facts, question, now)
  if (conditions === NO_CONDITIONS || !granted.decision) return granted
  return denialByStepUp({ facts, conditions }, question, circumstances, now) ?? granted
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
export const touchedBy = ({ step_up }: Conditions): string[] => [...step_up.keys()]

/** What the database tells of conditions, with the facts. */
export interface ToldConditions {
  readonly step_up: readonly (LoginDemand & { readonly key: string })[]
}

let latest = { text: '', conditions: NO_CONDITIONS }

/** One for all that are told the same: there may be a hundred thousand facts in memory, and they mostly are. */
export const conditionsOf = ({ step_up }: ToldConditions): Conditions => {
  if (step_up.length === 0) return NO_CONDITIONS
  const text = JSON.stringify(step_up)
  if (text !== latest.text) latest = { text, conditions: { step_up: new Map(step_up.map(demandOf)) } }
  return latest.conditions
}

const demandOf = ({ key, acr, max_age }: ToldConditions['step_up'][number]) => [key, { acr, max_age }] as const
