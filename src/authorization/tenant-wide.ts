// What a member holds in the whole tenant at one instant, whichever way: what tokens carry, and what one may give others.
import { type Grant, isOpen } from '@tenantry/client'
import { later } from '../expiry.ts'
import type { Member } from './facts.ts'

/** A role, and when the last way by which it is held ends: null for never. */
export interface TenantWideRole extends Grant {
  key: string
  expires_at: string | null
}

/** Each role once, by key: of the membership itself, through groups, and by grants that have begun and not ended. */
export const tenantWide = ({ roles, grants }: Pick<Member, 'roles' | 'grants'>, now: Date): TenantWideRole[] => {
  if (grants.length === 0) return roles.map((role) => ({ ...role, expires_at: null }))
  const held = new Map<string, TenantWideRole>()
  const open = grants.filter((grant) => grant.resource === null && isOpen(grant, now))
  for (const { key, permissions, excludes, expires_at } of [...roles.map(lasting), ...open]) {
    const known = held.get(key)
    const end = known ? later(known.expires_at, expires_at) : expires_at
    held.set(key, { key, permissions, excludes, expires_at: end })
  }
  return [...held.values()].sort((one, other) => (one.key < other.key ? -1 : 1))
}

const lasting = (role: Grant & { key: string }): TenantWideRole => ({ ...role, expires_at: null })
