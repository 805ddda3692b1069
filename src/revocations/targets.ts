// What a revocation entry names (spine of the offline revocation): which tokens of the entry's history it concerns.
import { endsEarlier } from '../expiry.ts'

/** Every token of the tenant. */
export const TENANT = 'tenant'
export const membershipTarget = (id: string): string => `membership:${id}`
export const keyTarget = (kid: string): string => `key:${kid}`
export const tokenTarget = (jti: string): string => `token:${jti}`
export const issuerTarget = (id: string): string => `issuer:${id}`
export const apiKeyTarget = (id: string): string => `api_key:${id}`
export const roleTarget = (key: string): string => `role:${key}`

interface Access {
  expires_at: string | null
  roles: readonly { key: string }[]
}

/**
 * Whether tokens that were issued before a membership changed may say too much. A role that was taken away counts, whatever
 * came in its place: what happens to a role is told to the tokens that name it, so no token may rest on another.
 */
export const narrows = (before: Access, after: Access): boolean =>
  !before.roles.every(({ key }) => after.roles.some((role) => role.key === key)) || endsEarlier(before, after)
