// AuthZEN Authorization API 1.0, access evaluation: an HTTP request in, a decision of the pure rule out.
import { type Decision, decide, type Question } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../clock.ts'
import type { Scope } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { FactsSource } from '../freshness/facts-source.ts'
import type { Handlers } from '../http/handlers.ts'
import { tenantOf } from '../http/scope.ts'
import { countDecision } from '../metrics/instruments.ts'
import { type Demand, demandsIn, IN_CONTEXT, IN_HEADER, readAtLeast } from './consistency.ts'
import { type About, type Known, NOTHING_KNOWN, readKnown } from './subjects.ts'

type Schemas = components['schemas']
type EvaluationRequest = Schemas['EvaluationRequest']
type EvaluationResponse = Schemas['EvaluationResponse']

/** A check that can be decided as soon as the facts are there. */
export interface Check {
  about: About
  question: Question
  demands: Demand[]
  explain: boolean
}

const MISMATCH: Decision = { decision: false, reason: { code: 'tenant_mismatch' } }

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
  const { tenant_id } = properties ?? {}
  return tenant_id === undefined || typeof tenant_id === 'string' ? tenant_id : ''
}

/**
 * What is asked, and of whom; undefined where the request names two tenants.
 * @throws Problem `tenant.required`, or `request.invalid` for a revision
 */
export const checkOf = (scope: Scope, { subject, action, resource, context }: EvaluationRequest): Check | undefined => {
  const tenant_id = tenantAsked(scope, context)
  if (context?.tenant_id !== undefined && context.tenant_id !== tenant_id) return undefined
  return {
    about: {
      ...{ tenant_id, type: subject.type, id: subject.id },
      resource: { type: resource.type, id: resource.id },
    },
    question: {
      ...{ tenant_id, permission: `${resource.type}:${action.name}` },
      ...{ resource_id: resource.id, resource_tenant_id: ownerOf(resource) },
    },
    demands: demandsIn(context?.min_revision, IN_CONTEXT, (history) => history === tenant_id),
    explain: context?.explain === true,
  }
}

/** With the revisions that the header demands, too. @throws Problem `request.invalid` */
export const demandsOf = (check: Check, min_revision: string | undefined): Demand[] => [
  ...demandsIn(min_revision, IN_HEADER, (history) => history === check.about.tenant_id),
  ...check.demands,
]

const answerOf = (decided: Decision, { revisions }: Known, explain: boolean): EvaluationResponse => {
  countDecision(decided)
  const { decision, reason } = decided
  return explain ? { decision, context: { reason, revisions } } : { decision }
}

export const answerTo = ({ question, explain }: Check, known: Known, now: Date): EvaluationResponse =>
  answerOf(decide(known.facts, question, now), known, explain)

export const mismatch = ({ context }: EvaluationRequest): EvaluationResponse =>
  answerOf(MISMATCH, NOTHING_KNOWN, context?.explain === true)

interface Asked {
  scope: Scope
  body: EvaluationRequest
  min_revision: string | undefined
}

export type Evaluate = (asked: Asked) => Promise<EvaluationResponse>

export const evaluateWith =
  (facts: FactsSource, clock: Clock): Evaluate =>
  async ({ scope, body, min_revision }) => {
    const check = checkOf(scope, body)
    if (check === undefined) return mismatch(body)
    const known = await readAtLeast(
      demandsOf(check, min_revision),
      async (fresh) => readKnown(facts, check.about, fresh),
      ({ revisions }) => revisions,
    )
    return answerTo(check, known, clock())
  }

export const evaluationHandlers = (evaluate: Evaluate): Pick<Handlers, 'evaluateAccess' | 'evaluateAccessInTenant'> => {
  const evaluateAccess = async (asked: Asked) => ({ status: 200 as const, body: await evaluate(asked) })
  return { evaluateAccess, evaluateAccessInTenant: evaluateAccess }
}
