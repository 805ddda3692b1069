// What policies make of a decision: they may permit what no role grants, and forbid what is granted.
import type { Decision, Facts, Question } from '@tenantry/client'
import type { Authentication } from '../permissions/step-up.ts'
import { requestOf } from './request.ts'
import type { PolicyError, PolicyRef, PolicySet, Verdict } from './set.ts'

type Properties = { readonly [name: string]: unknown }

/** What policies look at besides the facts of the decision; only where there are policies. */
export interface Attributes {
  readonly type: 'user' | 'api_key'
  /** As the question names the subject. */
  readonly id: string
  readonly by_name: readonly string[]
  readonly properties: Properties
  /** Ids. */
  readonly groups: readonly string[]
  readonly resource_properties: Properties
  readonly trusts_caller: boolean
}

export interface Judging {
  readonly set: PolicySet
  readonly attributes: Attributes
}

export interface Premises {
  readonly facts: Facts
  readonly judging: Judging | null
}

/** What a caller says of the moment and, where it is believed, of subject and resource. */
export interface ToldByCaller {
  readonly authentication: Authentication
  readonly context?: Properties | undefined
  readonly action_properties?: Properties | undefined
  readonly subject_properties?: Properties | undefined
  readonly resource_properties?: Properties | undefined
}

export type Judged = {
  readonly decision: boolean
  readonly reason:
    | Decision['reason']
    | ({ readonly code: 'permitted_by_policy' } & PolicyRef)
    | ({ readonly code: 'forbidden_by_policy'; readonly detail?: string } & PolicyRef)
    | { readonly code: 'no_role_grants'; readonly permission: string; readonly policy_errors: readonly PolicyError[] }
}

/** @param granted what roles say: that it is granted, or that nothing grants it */
export const judge = (
  premises: Premises,
  granted: Decision,
  question: Question,
  told: ToldByCaller,
  now: Date,
): Judged => {
  if (premises.judging === null) return granted
  const { forbidden, permitted, errors } = verdictOn(premises.judging, premises.facts, question, told, now)
  // Where something surely forbids, the engine does not say what would have permitted.
  const isForbidden = forbidden !== undefined && forbidden.detail === undefined
  if (!granted.decision && permitted === undefined && !isForbidden) return withErrors(granted, question, errors)
  if (forbidden !== undefined) return { decision: false, reason: { code: 'forbidden_by_policy', ...forbidden } }
  if (granted.decision || permitted === undefined) return granted
  return { decision: true, reason: { code: 'permitted_by_policy', ...permitted } }
}

/** A permit that could not be decided is why somebody is looking for. */
const withErrors = (granted: Decision, { permission }: Question, policy_errors: readonly PolicyError[]): Judged =>
  policy_errors.length === 0
    ? granted
    : { decision: false, reason: { code: 'no_role_grants', permission, policy_errors } }

const verdictOn = (
  { set, attributes }: Judging,
  { subject }: Facts,
  { permission, resource_id = '' }: Question,
  { authentication, context = {}, action_properties = {}, ...told }: ToldByCaller,
  now: Date,
): Verdict => {
  const { type, id, groups, trusts_caller } = attributes
  /** What is stored counts always, and before what is only said. */
  const believed = (stored: Properties, said: Properties | undefined): Properties =>
    trusts_caller ? { ...said, ...stored } : stored
  return set.judge(permission, attributes.by_name, () =>
    requestOf(
      {
        ...{ type, id, groups, grants: subject?.grants ?? [] },
        membership_id: subject?.kind === 'membership' ? subject.id : null,
        properties: believed(attributes.properties, told.subject_properties),
      },
      permission,
      {
        ...{ type: permission.slice(0, permission.indexOf(':')), id: resource_id },
        properties: believed(attributes.resource_properties, told.resource_properties),
      },
      { context, action_properties, ...authentication, now },
    ),
  )
}
