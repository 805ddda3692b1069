// For gateways: may the request that they have received go through, and whose is it? The answer is all in the headers.
import { satisfiesRole } from '@tenantry/client'
import { Problem } from '../errors.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { mayDo } from '../http/principal.ts'
import { type Identity, type IdentityServices, identify } from './identities.ts'

type Asked = Call<'authorizeRequest'>['query']

export const forwardAuthHandlers = (services: IdentityServices): Pick<Handlers, 'authorizeRequest'> => ({
  authorizeRequest: async ({ authorization, query }) => {
    const identity = await identify(services, authorization, query)
    requireTenant(identity, query)
    requireActive(identity)
    requirePermission(identity, query)
    requireRole(identity, query)
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

const requirePermission = (identity: Identity, { permission }: Asked): void => {
  if (permission === undefined || mayDo(identity, permission)) return
  throw new Problem('permission.missing', { detail: `This needs the permission ${permission}.` })
}

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
