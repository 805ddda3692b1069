// The public face of @tenantry/client. Nothing here loads a web framework; adapters have entries of their own.

export {
  createTenantryClient,
  type DryRun,
  type TenantryClient,
  type TenantryClientOptions,
  TenantryProblem,
  unwrap,
  unwrapDryRun,
} from './api.ts'
export {
  type Actor,
  API_KEY_SUBJECT_PREFIX,
  assertClaims,
  factsOf,
  MAX_ACTORS,
  type SlimClaims,
  type TokenClaims,
} from './claims.ts'
export { contains, firstOutside, MAX_COMPARISONS, TOO_LARGE } from './containment.ts'
export {
  type Decision,
  decide,
  type Facts,
  isOpen,
  type Question,
  type Reason,
  type ResourceRef,
  type RoleGrant,
  type TenantStatus,
} from './decide.ts'
export { type InvalidTokenReason, TenantryError, type TenantryErrorCode } from './errors.ts'
export type { Algorithm, Jwk } from './keys.ts'
export { BY_NAME_ONLY, type Grant, holds, isPattern, isPermission, isReserved, matches } from './permissions.ts'
export { Principal } from './principal.ts'
export type { RevocationOptions } from './revocations/options.ts'
export { type Revocable, targetsOf as revocationTargetsOf } from './revocations/rule.ts'
export type { WhenStale } from './revocations/staleness.ts'
export type { Timer } from './revocations/timer.ts'
export type { Answer } from './rights.ts'
export { grantsDigest } from './role-catalogue.ts'
export { BUILT_IN_ROLES, type BuiltInRole, type BuiltInRoleKey, satisfiesRole } from './roles.ts'
export type { TokenSourceOptions } from './token-source/options.ts'
export { createTokenSource, type TokenRequest, type TokenSource } from './token-source/source.ts'
export { createVerifier, type Verifier, type VerifyOptions } from './verifier.ts'
export type { LocalGrants, LocalKeys, VerifierOptions } from './verifier-options.ts'
