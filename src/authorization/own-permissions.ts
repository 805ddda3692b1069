// Tenantry's own permissions. A name that is none of these is a typo, and would grant nothing for ever.
import { BUILT_IN_ROLES, BY_NAME_ONLY, isPattern, isReserved } from '@tenantry/client'

/** What the contract's operations ask for (`x-permission`), what goes by name only, and what built-in roles exclude. */
export const OWN_PERMISSIONS: ReadonlySet<string> = new Set([
  ...['tenantry.tenant:create', 'tenantry.tenant:read', 'tenantry.tenant:manage', 'tenantry.tenant:delete'],
  ...['tenantry.tenant:suspend', 'tenantry.tenant:restore'],
  ...['tenantry.membership:read', 'tenantry.membership:manage', 'tenantry.role:read', 'tenantry.role:manage'],
  ...['tenantry.permission:read', 'tenantry.permission:manage'],
  ...['tenantry.api_key:read', 'tenantry.api_key:manage', 'tenantry.access:check', 'tenantry.event:read'],
  ...['tenantry.revocation:read', 'tenantry.signing_key:read', 'tenantry.signing_key:manage'],
  'tenantry.metrics:read',
  ...['tenantry.resource:read', 'tenantry.resource:manage'],
  ...['tenantry.policy:read', 'tenantry.policy:manage'],
  ...['tenantry.issuer:read', 'tenantry.issuer:manage'],
  ...BY_NAME_ONLY,
  ...BUILT_IN_ROLES.flatMap(({ excludes }) => excludes.filter((pattern) => pattern.startsWith('tenantry.'))),
])

/** Whether it may stand in a list of permissions: a pattern, and a known one where it is Tenantry's own. */
export const isGrantable = (pattern: string): boolean => {
  if (!isPattern(pattern)) return false
  const [resource = ''] = pattern.split(':')
  return pattern === 'tenantry.*' || !isReserved(resource) || OWN_PERMISSIONS.has(pattern)
}
