// What a 401 says: how to authenticate (RFC 6750 §3), and where to learn how tokens are had (RFC 9728 §5.1).
import type { Problem } from '../errors.ts'
import type { LoginDemand } from '../permissions/step-up.ts'

const bearer = (issuer: string): string =>
  `Bearer realm="tenantry", resource_metadata="${issuer}/.well-known/oauth-protected-resource"`

/** RFC 6750 §3.1: no error for whoever sent no credential. */
export const challengeOf = ({ code }: Problem, issuer: string): string =>
  code === 'credential.missing' ? bearer(issuer) : `${bearer(issuer)}, error="invalid_token"`

/** RFC 9470 §3: the credential is good, and the login behind it does not do. The contract lets no quote into an `acr`. */
export const stepUpChallenge = ({ acr, max_age }: LoginDemand, issuer: string): string =>
  [
    `${bearer(issuer)}, error="insufficient_user_authentication"`,
    'error_description="Another login is needed"',
    ...(acr === null ? [] : [`acr_values="${acr}"`]),
    ...(max_age === null ? [] : [`max_age=${max_age}`]),
  ].join(', ')
