// Pure rules of memberships.
import type { components } from '@tenantry/client/contract'
import { Problem } from '../errors.ts'
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

/** @throws Problem `expires_at.past` */
export const requireFuture = (expires_at: string | null | undefined, now: Date): void => {
  if (typeof expires_at === 'string' && Date.parse(expires_at) <= now.getTime()) {
    throw new Problem('expires_at.past', { errors: [{ pointer: '/expires_at', detail: 'This is not in the future.' }] })
  }
}

/** E-mail addresses show to those who manage members, and to oneself. */
export const maySeeEmails = (principal: Principal): boolean => mayDo(principal, 'tenantry.membership:manage')

export const viewOf = (row: MembershipRow, principal: Principal, now: Date): Membership => ({
  ...row,
  roles: row.roles.map(({ key }) => key),
  status: statusOf(row, now),
  email: maySeeEmails(principal) || (principal.kind === 'membership' && principal.id === row.id) ? row.email : null,
})
