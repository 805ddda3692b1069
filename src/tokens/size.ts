// How long a token may be. It goes into a header with every request, and many servers let all headers together have 8 KiB.
import { grantsDigest, type SlimClaims, type TokenClaims } from '@tenantry/client'
import type { Sign } from '../signing-keys/signer.ts'
import { coarser, coarsest } from './asking.ts'

const BUDGET = 4_096
/** For what cannot say less: a machine's token, and one that was narrowed. */
const LONGEST = 8_192

/** Which grants were meant; what they are is in the signed role catalogue. */
const slim = ({ grants, ...claims }: TokenClaims): SlimClaims => ({ ...claims, grants_digest: grantsDigest(grants) })

/** Before anything is signed: base64url makes four characters of three bytes. */
const isPlainlyBeyond = (claims: object, budget: number): boolean => (JSON.stringify(claims).length * 4) / 3 > budget

/**
 * Past the budget the spelt-out permissions go first, then the details of what is to be asked, then the grants of roles.
 * Undefined where even that is too long: the holder has to ask for less.
 */
export const signWithin = (sign: Sign<TokenClaims | SlimClaims>, claims: TokenClaims): string | undefined => {
  let last: TokenClaims | SlimClaims = claims
  for (const shorter of shorterAndShorter(claims)) {
    const token = signUpTo(sign, shorter, BUDGET)
    if (token !== undefined) return token
    last = shorter
  }
  return signUpTo(sign, last, LONGEST)
}

const signUpTo = <Claims extends object>(sign: Sign<Claims>, claims: Claims, length: number): string | undefined => {
  const token = isPlainlyBeyond(claims, length) ? undefined : sign(claims)
  return token !== undefined && token.length <= length ? token : undefined
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
