// What a token says, and whether it may be believed: read first, then verified with the code that every service uses.
import { createVerifier, TenantryError } from '@tenantry/client'

export interface Inspection {
  valid: boolean
  /** Why not, as the verifier names it; null when it is valid. */
  reason: string | null
  detail: string
  issuer: string
  /** What it was verified against; null when the token names none. */
  audience: string | null
  /** Whether somebody gave that audience; if not, it is the token's own word. */
  audience_given: boolean
  /** What the parts say, whoever wrote them; null when they are no JSON objects. */
  header: Claims | null
  claims: Claims | null
}

export type Claims = Record<string, unknown>

export interface Expectation {
  issuer: string
  jwks_uri?: string | undefined
  audience?: string | undefined
}

/** @throws TenantryError `jwks_unavailable`: then nothing can be said */
export const inspectToken = async (token: string, { issuer, jwks_uri, audience }: Expectation): Promise<Inspection> => {
  const [header = null, claims = null] = token.split('.', 2).map(read)
  const expected = audience ?? audienceOf(claims)
  const verdict = await verify(token, { issuer, jwks_uri, audience: expected ?? issuer })
  return { ...verdict, issuer, audience: expected, audience_given: audience !== undefined, header, claims }
}

const read = (part: string): Claims | null => {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && !Array.isArray(value) ? (value as Claims | null) : null
  } catch {
    return null
  }
}

const audienceOf = (claims: Claims | null): string | null => {
  const audience: unknown = Array.isArray(claims?.aud) ? claims.aud[0] : claims?.aud
  return typeof audience === 'string' && audience !== '' ? audience : null
}

type Verdict = Pick<Inspection, 'valid' | 'reason' | 'detail'>

const verify = async (token: string, expectation: Expectation & { audience: string }): Promise<Verdict> => {
  try {
    await createVerifier(expectation).verify(token)
    return { valid: true, reason: null, detail: 'Signature, issuer, audience and time are right.' }
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
    if (error.code === 'stale_token') return { valid: false, reason: 'stale', detail: error.message }
    if (error.code !== 'invalid_token') throw error
    return { valid: false, reason: error.reason, detail: error.message }
  }
}
