// The errors of this package: a closed list, each with a stable code and the HTTP status it maps to. A message never
// contains any part of a token.

const STATUSES = {
  invalid_token: 401,
  stale_token: 401,
  tenant_mismatch: 403,
  permission_missing: 403,
  permission_undecided: 403,
  role_missing: 403,
  jwks_unavailable: 503,
  revocations_unavailable: 503,
  roles_unavailable: 503,
  token_refused: 502,
  token_unavailable: 503,
  no_context: 500,
  context_invalid: 500,
  context_expired: 403,
  configuration: 500,
} as const

export type TenantryErrorCode = keyof typeof STATUSES

/** What is wrong with a token, in the order in which it is judged. */
export type InvalidTokenReason =
  /** No credential was sent; only adapters say so. */
  | 'missing'
  /** Not three canonical base64url parts, or too long. */
  | 'malformed'
  /** Not one well-formed JSON object, or one with `crit` or without `kid`. */
  | 'header'
  /** Another `typ` than `at+jwt`, which says that it is an access token. */
  | 'type'
  /** Not allowed, or not that of the key. */
  | 'algorithm'
  /** The issuer publishes no such key. */
  | 'key'
  | 'signature'
  /** Not one well-formed JSON object. */
  | 'payload'
  /** One is missing, or of the wrong type. */
  | 'claims'
  | 'issuer'
  | 'audience'
  | 'expired'
  | 'not_yet_valid'

/**
 * Everything that this package throws on purpose. Switch on `code`; `status` is what to answer over HTTP; `reason`
 * says what was wrong with a token, and is null for the other codes.
 *
 * @example
 * try {
 *   await verifier.verify(token)
 * } catch (error) {
 *   if (error instanceof TenantryError && error.reason === 'expired') return askForAFreshToken()
 *   throw error
 * }
 */
export class TenantryError extends Error {
  readonly code: TenantryErrorCode
  readonly status: number
  readonly reason: InvalidTokenReason | null

  constructor(
    code: TenantryErrorCode,
    message: string,
    { reason = null, cause }: { reason?: InvalidTokenReason | null; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'TenantryError'
    this.code = code
    this.status = STATUSES[code]
    this.reason = reason
  }
}

export function invalidToken(reason: InvalidTokenReason, message: string): TenantryError {
  return new TenantryError('invalid_token', message, { reason })
}
