// Asking an OAuth endpoint of the service: a form out, a small JSON document back.

import { readText } from './body.ts'

/** A token and what is said about it. A longer answer is a mistake or an attack. */
const MAX_BYTES = 64 * 1024

export type FormRequest = {
  readonly url: string
  readonly form: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly fetch: typeof globalThis.fetch
  readonly signal: AbortSignal
}

/** `document` is undefined where the answer is no JSON. */
export type FormAnswer = { readonly status: number; readonly document: unknown }

/** Follows no redirect: what is sent here is meant for this address. Throws what fetch throws, and for a long answer. */
export async function postForm({ url, form, headers, fetch, signal }: FormRequest): Promise<FormAnswer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
    redirect: 'error',
    signal,
  })
  return { status: response.status, document: parse(await readText(response, MAX_BYTES)) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
