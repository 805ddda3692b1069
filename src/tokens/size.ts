// How long a token may be. It goes into a header with every request, and many servers let all headers together have 8 KiB.
import { grantsDigest, type SlimClaims, type TokenClaims } from '@tenantry/client'
import type { Sign } from '../signing-keys/signer.ts'

const BUDGET = 4_096
/** For what cannot say less: a machine's token, and one that was narrowed. */
const LONGEST = 8_192

/** Which grants were meant; what they are is in the signed role catalogue. */
const slim = ({ grants, ...claims }: TokenClaims): SlimClaims => ({ ...claims, grants_digest: grantsDigest(grants) })

/** Before anything is signed: base64url makes four characters of three bytes. */
const isPlainlyBeyond = (claims: object, budget: number): boolean => (JSON.stringify(claims).length * 4) / 3 > budget

/**
 * Past the budget the spelt-out permissions go first, then the grants of roles. Undefined where even that is too long: the
 * holder has to ask for less.
 */
export const signWithin = (sign: Sign<TokenClaims | SlimClaims>, claims: TokenClaims): string | undefined => {
  const unspelt = { ...claims, permissions: [] }
  const attempts = [claims, unspelt, ...(claims.roles.length === 0 ? [] : [slim(unspelt)])]
  for (const attempt of attempts) {
    const token = isPlainlyBeyond(attempt, BUDGET) ? undefined : sign(attempt)
    if (token !== undefined && token.length <= BUDGET) return token
  }
  const last = attempts.at(-1) ?? claims
  const token = isPlainlyBeyond(last, LONGEST) ? undefined : sign(last)
  return token !== undefined && token.length <= LONGEST ? token : undefined
}
