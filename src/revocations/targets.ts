// What a revocation entry names (spine of the offline revocation): which tokens of the entry's history it concerns.
import { contains, type Grant } from '@tenantry/client'

/** Every token of the tenant. */
export const TENANT = 'tenant'
export const membershipTarget = (id: string): string => `membership:${id}`
export const keyTarget = (kid: string): string => `key:${kid}`
export const tokenTarget = (jti: string): string => `token:${jti}`
export const issuerTarget = (id: string): string => `issuer:${id}`
export const apiKeyTarget = (id: string): string => `api_key:${id}`

interface Access {
  expires_at: string | null
  roles: readonly Grant[]
}

/** Whether a change takes something away: tokens that were issued before it then say too much. */
export const narrows = (before: Access, after: Access): boolean =>
  !contains(after.roles, before.roles) || endOf(after) < endOf(before)

const endOf = ({ expires_at }: Access): number =>
  expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(expires_at)
