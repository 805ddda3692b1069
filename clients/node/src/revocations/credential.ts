// The credential that the feed is asked with.

import { FeedFault } from './faults.ts'

/** A key, or where to get the present one: asked before each request, so that keys can be rotated. */
export type ApiKeySource = string | (() => string | Promise<string>)

/** What can stand in a header. fetch would quote anything else in its error, and so put a secret into somebody's log. */
const VISIBLE = /^[\x21-\x7e]+$/

export function isApiKey(value: unknown): value is string {
  return typeof value === 'string' && VISIBLE.test(value)
}

/** @throws FeedFault if there is no key */
export async function bearerOf(source: ApiKeySource): Promise<{ authorization: string }> {
  const key: unknown = typeof source === 'function' ? await source() : source
  if (!isApiKey(key)) throw new FeedFault('"api_key" gave no API key for the revocation feed.')
  return { authorization: `Bearer ${key}` }
}
