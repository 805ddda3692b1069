// For gateways: may the request that they have received go through, and whose is it? The answer is all in the headers.
import { satisfiesRole } from '@tenantry/client'
import { decideUnder, type StepUpRequired } from '../authorization/conditions.ts'
import { Problem } from '../errors.ts'
import { stepUpChallenge } from '../http/challenge.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { type Identity, type IdentityServices, identify } from './identities.ts'

type Asked = Call<'authorizeRequest'>['query']

export const forwardAuthHandlers = (services: IdentityServices): Pick<Handlers, 'authorizeRequest'> => ({
  authorizeRequest: async ({ authorization, address, query }) => {
    const identity = await identify(services, { authorization, address }, query)
    requireTenant(identity, query)
    requireActive(identity)
    const step_up = requirePermission(identity, query, services.clock())
    requireRole(identity, query)
    if (step_up !== undefined) throw stepUp(step_up, services.issuer)
    return { status: 200, body: undefined, headers: { ...headersOf(identity), 'Cache-Control': 'no-store' } }
  },
})

/** Compared with the credential's own and never looked up: whether another tenant exists makes no difference. */
const requireTenant = ({ tenant }: Identity, { tenant_id = tenant.id, tenant_slug = tenant.slug }: Asked): void => {
  if (tenant_id !== tenant.id || tenant_slug !== tenant.slug) throw new Problem('tenant.mismatch')
}

const requireActive = ({ tenant }: Identity): void => {
  if (tenant.status !== 'active') throw new Problem('tenant.suspended')
}

/**
 * Held now, and within what the credential says. Where the token says "ask", this is where it is asked.
 * @returns what a user's login lacks, if that is all; a machine cannot log in again
 */
const requirePermission = (
  { tenant, known, circumstances, answerTo }: Identity,
  { permission }: Asked,
  now: Date,
): StepUpRequired | undefined => {
  if (permission === undefined) return undefined
  if (answerTo(permission) !== 'no') {
    const { decision, reason } = decideUnder(known, { tenant_id: tenant.id, permission }, circumstances, now)
    if (decision) return undefined
    if (reason.code === 'step_up_required' && known.facts.subject?.kind === 'membership') return reason
  }
  throw new Problem('permission.missing', { detail: `This needs the permission ${permission}.` })
}

/** RFC 9470 §3. */
const stepUp = (required: StepUpRequired, issuer: string): Problem =>
  new Problem('login.insufficient', {
    detail: `The permission ${required.permission} needs another login.`,
    headers: { 'WWW-Authenticate': stepUpChallenge(required, issuer) },
  })

const requireRole = ({ roles }: Identity, { role }: Asked): void => {
  if (role === undefined || satisfiesRole(roles, role)) return
  throw new Problem('role.missing', { detail: `This needs the role ${role}.` })
}

/** Each is always there, so that it replaces a header of that name from the client; encoded, because a user id may hold anything. */
const headersOf = ({ tenant, user_id, membership_id, roles, client_id, actor }: Identity): Record<string, string> => ({
  'Tenantry-Tenant-Id': tenant.id,
  'Tenantry-Tenant-Slug': tenant.slug,
  'Tenantry-User-Id': encodeURIComponent(user_id ?? ''),
  'Tenantry-Membership-Id': membership_id ?? '',
  'Tenantry-Roles': roles.map(encodeURIComponent).join(','),
  'Tenantry-Client-Id': encodeURIComponent(client_id),
  'Tenantry-Actor': encodeURIComponent(actor ?? ''),
})
