// What an issuer says of a token's bearer, and what strangers are told when it says nothing: of a tenant's own issuer nothing at
// all, or they would learn whom a tenant trusts.
import { TenantryError } from '@tenantry/client'
import { Problem } from '../errors.ts'
import type { IssuerKeys } from './keys.ts'
import type { TrustedIssuer } from './queries.ts'
import { type Subject, SubjectTokenError, verifySubjectToken } from './subject-tokens.ts'

export const NOT_TRUSTED = 'The issuer of the token is not trusted here for this token.'

/**
 * Whom the issuer takes the bearer for.
 * @throws SubjectTokenError with what may be told, its cause for the log; Problem `issuer.unavailable`
 */
export const askIssuer = async (
  issuer: TrustedIssuer,
  token: string,
  keys: IssuerKeys,
  as: { type: string | undefined; now: Date },
): Promise<Subject> => {
  try {
    return await verifySubjectToken(token, issuer, keys, as)
  } catch (error) {
    const isRefusal = error instanceof SubjectTokenError
    if (!isRefusal && !(error instanceof TenantryError)) throw error
    if (issuer.tenant_id !== null) throw new SubjectTokenError(NOT_TRUSTED, { cause: error })
    throw isRefusal ? error : new Problem('issuer.unavailable', { cause: error })
  }
}
