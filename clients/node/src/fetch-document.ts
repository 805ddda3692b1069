// Fetching a small JSON document from a place that may be slow, huge or hostile.

import { readText } from './body.ts'
import { TenantryError } from './errors.ts'

/** Someone waits for a token to be verified; a JWKS that takes longer than this counts as away. */
const TIMEOUT_MS = 3_000

/** Some hundred keys. A larger document is a mistake or an attack. */
const MAX_BYTES = 256 * 1024

export type FetchedDocument = { readonly document: unknown; readonly max_age_seconds: number | undefined }

/**
 * Fetches JSON, in 3 s and 256 KiB at most, and follows no redirect: the keys come from the place that was configured.
 *
 * @throws TenantryError `jwks_unavailable`, with the cause
 */
export async function fetchDocument(url: string, fetch: typeof globalThis.fetch): Promise<FetchedDocument> {
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/jwk-set+json, application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`it answered ${response.status}`)
    }
    const document: unknown = JSON.parse(await readText(response, MAX_BYTES))
    return { document, max_age_seconds: maxAgeOf(response.headers.get('cache-control')) }
  } catch (cause) {
    throw new TenantryError('jwks_unavailable', `The key set at ${url} cannot be fetched.`, { cause })
  }
}

/** RFC 9111 §5.2.2.1. */
function maxAgeOf(cacheControl: string | null): number | undefined {
  const digits = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(cacheControl ?? '')?.[1]
  return digits === undefined ? undefined : Number(digits)
}
