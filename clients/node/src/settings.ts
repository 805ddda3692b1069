// How options are judged, once, when something is made from them. JavaScript callers and unset environment variables
// get past the types.

import { TenantryError } from './errors.ts'

/** @throws TenantryError `configuration` */
export function requireText(option: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw misconfigured(`createVerifier needs "${option}", a text that is not empty.`)
}

/** @throws TenantryError `configuration` */
export function requireRange(option: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw misconfigured(`createVerifier needs "${option}" to be a number from ${min} to ${max}.`)
}

/**
 * An address below the issuer, unless one is given. http is allowed: within a cluster TLS is often somebody else's
 * layer, and the address is the operator's own choice.
 *
 * @throws TenantryError `configuration`
 */
export function requireUrl(
  option: string,
  value: string | undefined,
  issuer: string,
  path: string,
  maker = 'createVerifier',
): string {
  const url = value ?? `${issuer.replace(/\/+$/, '')}${path}`
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url
  throw misconfigured(`${maker} needs "issuer" or "${option}" to be an http(s) URL.`)
}

export function misconfigured(message: string): TenantryError {
  return new TenantryError('configuration', message)
}
