// The header of a token (RFC 7515 §4): two names and an algorithm, all of them a stranger's word until the signature
// is checked. `jku`, `jwk`, `x5u` and `x5c` are never read: where keys come from is not for a token to say.

import { invalidToken } from './errors.ts'
import { parseObject } from './json.ts'

export type TokenHeader = { readonly alg: string; readonly kid: string }

/** A thumbprint has 43 characters (RFC 7638). */
const MAX_KID_LENGTH = 256

/** RFC 9068 §2.1 and §4. */
export const ACCESS_TOKEN = 'at+jwt'

/**
 * Reads and judges the header: is this what the token is taken for (RFC 8725 §3.11)?
 *
 * @param types the `typ` that it must have, one of these, undefined for none: media types with or without `application/`,
 * which compare without case
 *
 * @throws TenantryError `invalid_token`, reason `header`, `type` or `algorithm`
 */
export function readHeader(
  bytes: Buffer,
  types: readonly (string | undefined)[],
  algorithms: ReadonlySet<string>,
): TokenHeader {
  const header = parseObject(bytes)
  if (header === undefined) throw invalidToken('header', "The token's header is not one well-formed JSON object.")
  const { alg, kid, typ } = header
  if (typeof alg !== 'string' || !algorithms.has(alg)) {
    throw invalidToken('algorithm', "The token's algorithm is not allowed.")
  }
  if (!types.includes(kindOf(typ))) {
    throw invalidToken('type', `The token is of another kind ("typ" is not "${types.join('", "')}").`)
  }
  // RFC 7515 §4.1.11: whoever does not understand an extension listed there must refuse. This verifier understands
  // none.
  if (Object.hasOwn(header, 'crit')) throw invalidToken('header', 'The token demands an extension ("crit").')
  if (typeof kid !== 'string' || kid === '' || kid.length > MAX_KID_LENGTH) {
    throw invalidToken('header', 'The token does not name its key ("kid").')
  }
  return { alg, kid }
}

/** Anything but a text is a kind that nobody allows. */
function kindOf(typ: unknown): string | undefined {
  if (typ === undefined) return undefined
  return typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : ''
}
