// How long a token may be. It goes into a header with every request, and many servers let all headers together have 8 KiB.
import { grantsDigest, type SlimClaims, type TokenClaims } from '@tenantry/client'
import type { Sign } from '../signing-keys/signer.ts'

const BUDGET = 4_096
/** For what cannot say less: a machine's token, and one that was narrowed. */
const LONGEST = 8_192

/** Which grants were meant; what they are is in the signed role catalogue. */
const slim = ({ grants, ...claims }: TokenClaims): SlimClaims => ({ ...claims, grants_digest: grantsDigest(grants) })

/**
 * Past the budget the spelt-out permissions go first, then the grants of roles. Undefined where even that is too long: the
 * holder has to ask for less.
 */
export const signWithin = (sign: Sign<TokenClaims | SlimClaims>, claims: TokenClaims): string | undefined => {
  const whole = sign(claims)
  if (whole.length <= BUDGET) return whole
  const unspelt = { ...claims, permissions: [] }
  const shorter = sign(unspelt)
  if (shorter.length <= BUDGET) return shorter
  const shortest = claims.roles.length === 0 ? shorter : sign(slim(unspelt))
  return shortest.length <= LONGEST ? shortest : undefined
}
