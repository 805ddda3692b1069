// AuthZEN Authorization API 1.0, access evaluation: an HTTP request in, a decision of the pure rule out.
import type { Question } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../clock.ts'
import type { Scope } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { FactsSource } from '../freshness/facts-source.ts'
import type { Handlers } from '../http/handlers.ts'
import type { Principal } from '../http/principal.ts'
import { tenantOf } from '../http/scope.ts'
import { countDecision } from '../metrics/instruments.ts'
import { after, type Soon } from '../soon.ts'
import { circumstancesOf } from './circumstances.ts'
import { type Circumstances, decideUnder, type Outcome } from './conditions.ts'
import { type Demand, demandsIn, IN_CONTEXT, IN_HEADER, type Revisions, readAtLeast } from './consistency.ts'
import { type About, type Known, NOTHING_KNOWN, readKnown } from './subjects.ts'

type Schemas = components['schemas']
type EvaluationRequest = Schemas['EvaluationRequest']
type EvaluationResponse = Schemas['EvaluationResponse']

/** A check that can be decided as soon as the facts are there. */
export interface Check {
  about: About
  question: Question
  circumstances: Circumstances
  demands: Demand[]
  explain: boolean
}

const MISMATCH: Outcome = { decision: false, reason: { code: 'tenant_mismatch' } }

/** The tenant of the question: the credential's own, or that of the path, or the one named. @throws Problem `tenant.required` */
const tenantAsked = (scope: Scope, context: EvaluationRequest['context']): string => {
  const tenant_id = tenantOf(scope) ?? context?.tenant_id
  if (tenant_id !== undefined) return tenant_id
  throw new Problem('tenant.required', {
    errors: [{ pointer: '/context/tenant_id', detail: 'This field is required.' }],
  })
}

/** What is no text is no tenant of ours: it must not become one by being written out. */
const ownerOf = ({ properties }: EvaluationRequest['resource']): string | undefined => {
  const tenant_id = properties?.tenant_id
  return tenant_id === undefined || typeof tenant_id === 'string' ? tenant_id : ''
}

/** Who asks, and where. */
export interface Asking {
  scope: Scope
  principal: Principal
}

/**
 * What is asked, and of whom; undefined where the request names two tenants.
 * @throws Problem `tenant.required`, or `request.invalid` for a revision
 */
export const checkOf = (
  { scope, principal }: Asking,
  { subject, action, resource, context }: EvaluationRequest,
): Check | undefined => {
  const tenant_id = tenantAsked(scope, context)
  if (context?.tenant_id !== undefined && context.tenant_id !== tenant_id) return undefined
  return {
    about: { tenant_id, type: subject.type, id: subject.id, resource: { type: resource.type, id: resource.id } },
    question: {
      tenant_id,
      permission: `${resource.type}:${action.name}`,
      resource_id: resource.id,
      resource_tenant_id: ownerOf(resource),
    },
    circumstances: circumstancesOf(principal, { subject, action, resource, context }),
    demands: demandsIn(context?.min_revision, IN_CONTEXT, (history) => history === tenant_id),
    explain: context?.explain === true,
  }
}

/** With the revisions that the header demands, too. @throws Problem `request.invalid` */
export const demandsOf = (check: Check, min_revision: string | undefined): Demand[] =>
  min_revision === undefined
    ? check.demands
    : [...demandsIn(min_revision, IN_HEADER, (history) => history === check.about.tenant_id), ...check.demands]

/** What a login lacks is told unasked (AuthZEN 1.0 §5.5.2): whoever enforces the decision sends the user to log in again. */
const answerOf = (outcome: Outcome, { revisions }: Known, explain: boolean): EvaluationResponse => {
  countDecision(outcome)
  const { decision, reason } = outcome
  if (explain) return { decision, context: { reason, revisions } }
  return reason.code === 'step_up_required' ? { decision, context: { reason } } : { decision }
}

export const answerTo = ({ question, circumstances, explain }: Check, known: Known, now: Date): EvaluationResponse =>
  answerOf(decideUnder(known, question, circumstances, now), known, explain)

export const mismatch = ({ context }: EvaluationRequest): EvaluationResponse =>
  answerOf(MISMATCH, NOTHING_KNOWN, context?.explain === true)

const revisionsOf = ({ revisions }: Known): Revisions => revisions

interface Asked extends Asking {
  body: EvaluationRequest
  min_revision: string | undefined
}

export type Evaluate = (asked: Asked) => Soon<EvaluationResponse>

export const evaluateWith =
  (facts: FactsSource, clock: Clock): Evaluate =>
  (asked) => {
    const { body, min_revision } = asked
    const check = checkOf(asked, body)
    if (check === undefined) return mismatch(body)
    const read = (fresh: boolean) => readKnown(facts, check.about, fresh, check.question.permission)
    const known = readAtLeast(demandsOf(check, min_revision), read, revisionsOf)
    return after(known, (found) => answerTo(check, found, clock()))
  }

export const evaluationHandlers = (evaluate: Evaluate): Pick<Handlers, 'evaluateAccess' | 'evaluateAccessInTenant'> => {
  const evaluateAccess = (asked: Asked) => after(evaluate(asked), (body) => ({ status: 200 as const, body }))
  return { evaluateAccess, evaluateAccessInTenant: evaluateAccess }
}
