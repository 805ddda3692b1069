// A signed object of the issuer, of whichever kind: form, header, key and signature, in this order, before anything in
// it is believed.

import { splitCompact } from './compact.ts'
import { invalidToken } from './errors.ts'
import { readHeader } from './header.ts'
import { parseObject } from './json.ts'
import type { VerificationKey } from './keys.ts'
import { isSignedBy } from './signature.ts'

export type Signed = { readonly payload: Record<string, unknown>; readonly kid: string }

export type JwsRules = {
  /** The `typ` that it must have: one of these, undefined for none. */
  readonly types: readonly (string | undefined)[]
  readonly max_bytes: number
  readonly algorithms: ReadonlySet<string>
  readonly findKey: (kid: string) => Promise<VerificationKey | undefined>
}

/**
 * What the issuer signed, and with which key.
 *
 * @throws TenantryError `invalid_token` (see its `reason`) or `jwks_unavailable`
 */
export async function openJws(text: string, { types, max_bytes, algorithms, findKey }: JwsRules): Promise<Signed> {
  const { header, payload, signature, signed } = splitCompact(text, max_bytes)
  const { alg, kid } = readHeader(header, types, algorithms)
  const key = await findKey(kid)
  if (key === undefined) throw invalidToken('key', 'The token is signed with a key that the issuer does not publish.')
  // RFC 8725 §3.1: the key decides the algorithm, and the token merely agrees.
  if (key.alg !== alg) throw invalidToken('algorithm', "The token's algorithm is not that of its key.")
  if (!(await isSignedBy(key.key, key.alg, signed, signature))) {
    throw invalidToken('signature', "The token's signature is wrong.")
  }
  const object = parseObject(payload)
  if (object === undefined) throw invalidToken('payload', "The token's payload is not one well-formed JSON object.")
  return { payload: object, kid }
}
