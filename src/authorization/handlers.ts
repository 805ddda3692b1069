// AuthZEN Authorization API 1.0, access evaluation: an HTTP request in, a decision of the pure rule out.
import { type Decision, decide, type Facts } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../clock.ts'
import { Problem } from '../errors.ts'
import type { FactsSource } from '../freshness/facts-source.ts'
import type { Handlers } from '../http/handlers.ts'
import type { Principal } from '../http/principal.ts'
import { isId } from '../ids.ts'
import { factsOfApiKey, factsOfMember } from './facts.ts'

type EvaluationRequest = components['schemas']['EvaluationRequest']
type EvaluationResponse = components['schemas']['EvaluationResponse']

const NOBODY: Facts = { tenant: null, subject: null }
const MISMATCH: Decision = { decision: false, reason: { code: 'tenant_mismatch' } }

/** The tenant of the question: the credential's own, or the one named. @throws Problem `tenant.required` */
const tenantOf = (principal: Principal, { context }: EvaluationRequest): string => {
  const tenant_id = principal.tenant_id ?? context?.tenant_id
  if (tenant_id !== undefined) return tenant_id
  throw new Problem('tenant.required', {
    errors: [{ pointer: '/context/tenant_id', detail: 'This field is required.' }],
  })
}

const findFacts = async (
  facts: FactsSource,
  tenant_id: string,
  { type, id }: EvaluationRequest['subject'],
): Promise<Facts> => {
  if (!isId(tenant_id)) return NOBODY
  if (type === 'user') return factsOfMember(await facts.ofUser(tenant_id, id))
  if (type === 'api_key' && isId(id)) return factsOfApiKey(await facts.ofApiKey(tenant_id, id))
  return { ...factsOfMember(await facts.ofUser(tenant_id, '')), subject: null } // any other subject: nobody here
}

/** What is no text is no tenant of ours: it must not become one by being written out. */
const ownerOf = ({ properties }: EvaluationRequest['resource']): string | undefined => {
  const { tenant_id } = properties ?? {}
  return tenant_id === undefined || typeof tenant_id === 'string' ? tenant_id : ''
}

export const authorizationHandlers = ({
  facts,
  clock,
}: {
  facts: FactsSource
  clock: Clock
}): Pick<Handlers, 'evaluateAccess'> => {
  const evaluate = async (principal: Principal, request: EvaluationRequest): Promise<Decision> => {
    const { subject, action, resource, context } = request
    const tenant_id = tenantOf(principal, request)
    if (context?.tenant_id !== undefined && context.tenant_id !== tenant_id) return MISMATCH
    const known = await findFacts(facts, tenant_id, subject)
    const permission = `${resource.type}:${action.name}`
    return decide(known, { tenant_id, permission, resource_tenant_id: ownerOf(resource) }, clock())
  }

  return {
    evaluateAccess: async ({ principal, body }) => {
      const { decision, reason } = await evaluate(principal, body)
      const answer: EvaluationResponse = body.context?.explain ? { decision, context: { reason } } : { decision }
      return { status: 200, body: answer }
    },
  }
}
