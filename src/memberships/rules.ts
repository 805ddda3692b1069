// Pure rules of memberships.
import type { components } from '@tenantry/client/contract'
import { mayDo, type Principal } from '../http/principal.ts'
import type { MembershipRow } from './queries.ts'

type Membership = components['schemas']['Membership']

/** Whether the tenant can rely on this owner: active, and without an end. */
export const isLastingOwner = ({
  status,
  expires_at,
  roles,
}: Pick<MembershipRow, 'status' | 'expires_at' | 'roles'>): boolean =>
  status === 'active' && expires_at === null && roles.some(({ key }) => key === 'owner')

/** `expired` is what an active membership is from the instant of its end. */
export const statusOf = (
  { status, expires_at }: Pick<MembershipRow, 'status' | 'expires_at'>,
  now: Date,
): Membership['status'] =>
  status === 'active' && expires_at !== null && Date.parse(expires_at) <= now.getTime() ? 'expired' : status

/** E-mail addresses show to those who manage members, and to oneself. */
export const maySeeEmails = (principal: Principal): boolean => mayDo(principal, 'tenantry.membership:manage')

export const viewOf = (row: MembershipRow, principal: Principal, now: Date): Membership => ({
  ...row,
  roles: row.roles.map(({ key }) => key),
  status: statusOf(row, now),
  email: maySeeEmails(principal) || (principal.kind === 'membership' && principal.id === row.id) ? row.email : null,
})
