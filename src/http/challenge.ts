// What a 401 says: how to authenticate (RFC 6750 §3), and where to learn how tokens are had (RFC 9728 §5.1).
import type { Problem } from '../errors.ts'

/** RFC 6750 §3.1: no error for whoever sent no credential. */
export const challengeOf = ({ code }: Problem, issuer: string): string => {
  const metadata = `Bearer realm="tenantry", resource_metadata="${issuer}/.well-known/oauth-protected-resource"`
  return code === 'credential.missing' ? metadata : `${metadata}, error="invalid_token"`
}
