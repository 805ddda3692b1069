// How long a token may be. It goes into a header with every request, and many servers let all headers together have 8 KiB.
import { grantsDigest, type SlimClaims, type TokenClaims } from '@tenantry/client'
import type { Sign } from '../signing-keys/signer.ts'
import { coarser, coarsest } from './asking.ts'

const BUDGET = 4_096
/** For what cannot say less: a machine's token, and one that was narrowed. */
const LONGEST = 8_192

/** Which grants were meant; what they are is in the signed role catalogue. */
const slim = ({ grants, ...claims }: TokenClaims): SlimClaims => ({ ...claims, grants_digest: grantsDigest(grants) })

/**
 * Past the budget the spelt-out permissions go first, then the details of what is to be asked, then the grants of roles.
 * Undefined where even that is too long: the holder has to ask for less.
 */
export const signWithin = (sign: Sign<TokenClaims | SlimClaims>, claims: TokenClaims): string | undefined => {
  let shortest = ''
  for (const shorter of shorterAndShorter(claims)) {
    shortest = sign(shorter)
    if (shortest.length <= BUDGET) return shortest
  }
  return shortest.length <= LONGEST ? shortest : undefined
}

function* shorterAndShorter(claims: TokenClaims): Generator<TokenClaims | SlimClaims> {
  yield claims
  let shorter: TokenClaims = { ...claims, permissions: [] }
  yield shorter
  for (const shorten of [coarser, coarsest]) {
    if (shorter.ask === undefined) break
    shorter = { ...shorter, ask: shorten(shorter.ask) }
    yield shorter
  }
  if (claims.roles.length > 0) yield slim(shorter)
}
