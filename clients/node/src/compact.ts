// The outer form of a token: RFC 7515 §3.1 compact serialisation, in the one spelling that is canonical. Judged before
// anything is parsed.

import { invalidToken } from './errors.ts'

export type CompactToken = {
  readonly header: Buffer
  readonly payload: Buffer
  readonly signature: Buffer
  /** What the signature covers: the first two parts as they were sent. */
  readonly signed: Buffer
}

/**
 * Takes a token apart, or refuses it.
 *
 * @throws TenantryError `invalid_token`, reason `malformed`
 */
export function splitCompact(token: unknown, max_bytes: number): CompactToken {
  if (typeof token !== 'string' || token === '') throw invalidToken('malformed', 'The token is not a text.')
  if (token.length > max_bytes) throw invalidToken('malformed', `The token is longer than ${max_bytes} bytes.`)
  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  if (first === -1 || second === -1 || token.includes('.', second + 1)) {
    throw invalidToken('malformed', 'The token does not have exactly three parts.')
  }
  return {
    header: decodePart(token.slice(0, first)),
    payload: decodePart(token.slice(first + 1, second)),
    signature: decodePart(token.slice(second + 1)),
    signed: Buffer.from(token.slice(0, second), 'latin1'),
  }
}

/**
 * Node's decoder skips what it does not know, so one signature could be spelt in many ways: with spaces, padding, the
 * other base64 alphabet, or other unused bits in the last character. Only the spelling that encoding gives back is
 * taken.
 */
function decodePart(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url')
  if (bytes.length === 0 || bytes.toString('base64url') !== part) {
    throw invalidToken('malformed', 'A part of the token is not canonical base64url.')
  }
  return bytes
}
