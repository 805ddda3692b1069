// What callers learn of a policy decision point from its address (AuthZEN 1.0, Policy Decision Point Metadata). There is one
// for the whole service, and one for each tenant. `capabilities` is left out: no registered one is had here.
import type { components } from '@tenantry/client/contract'
import type { Handlers } from '../http/handlers.ts'

const FIVE_MINUTES = { 'Cache-Control': 'public, max-age=300' }

const metadataOf = (policy_decision_point: string): components['schemas']['PdpMetadata'] => {
  const access = `${policy_decision_point}/access/v1`
  return {
    policy_decision_point,
    access_evaluation_endpoint: `${access}/evaluation`,
    access_evaluations_endpoint: `${access}/evaluations`,
    search_subject_endpoint: `${access}/search/subject`,
    search_resource_endpoint: `${access}/search/resource`,
    search_action_endpoint: `${access}/search/action`,
  }
}

export const metadataHandlers = (issuer: string): Pick<Handlers, 'getPdpMetadata' | 'getPdpMetadataOfTenant'> => ({
  getPdpMetadata: async () => ({ status: 200, body: metadataOf(issuer), headers: FIVE_MINUTES }),
  getPdpMetadataOfTenant: async ({ path }) => ({
    status: 200,
    body: metadataOf(`${issuer}/t/${path.tenant_id}`),
    headers: FIVE_MINUTES,
  }),
})
