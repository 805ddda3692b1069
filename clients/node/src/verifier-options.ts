// What a verifier is told, checked once when it is made: a verifier that is set up wrongly must not start.

import { TenantryError } from './errors.ts'
import { ALGORITHMS, type Algorithm, type Jwk } from './keys.ts'

/** `kid` comes from a token that nobody has verified yet: look it up, and do nothing else with it. */
export type LocalKeys = (kid: string) => Jwk | undefined | Promise<Jwk | undefined>

export type VerifierOptions = {
  /** The `iss` of acceptable tokens, compared character by character. */
  readonly issuer: string
  /** This service's own name, which must be in the `aud` of acceptable tokens. */
  readonly audience: string
  /** Where the keys are published. Default: `<issuer>/.well-known/jwks.json`. */
  readonly jwks_uri?: string | undefined
  /**
   * Keys that are at hand, instead of published ones. Answer the same object for the same key: it is imported once.
   */
  readonly keys?: LocalKeys | undefined
  /** Default: `['ES256']`. */
  readonly algorithms?: readonly Algorithm[] | undefined
  /** Default: the system's clock. */
  readonly clock?: (() => Date) | undefined
  /** How far the issuer's clock and ours may differ, 0 to 60. Default: 0, a token ends on the second. */
  readonly clock_tolerance_seconds?: number | undefined
  /** Fetches the published keys. Default: the platform's `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** The least time between two fetches that unknown kids cause, 1 to 3600. Default: 30. */
  readonly cooldown_seconds?: number | undefined
  /** Longer tokens are refused unread. Default: 16384, what Node.js lets the headers of a request be in all. */
  readonly max_token_bytes?: number | undefined
}

export type VerifierSettings = {
  readonly issuer: string
  readonly audience: string
  readonly jwks_uri: string
  readonly keys: LocalKeys | undefined
  readonly algorithms: ReadonlySet<string>
  readonly clock: () => Date
  readonly clock_tolerance_ms: number
  readonly fetch: typeof globalThis.fetch
  readonly cooldown_seconds: number
  readonly max_token_bytes: number
}

/**
 * Fills in the defaults.
 *
 * @throws TenantryError `configuration`, naming the option
 */
export function readOptions(options: VerifierOptions): VerifierSettings {
  const issuer = requireText('issuer', options.issuer)
  return {
    issuer,
    audience: requireText('audience', options.audience),
    jwks_uri: options.keys === undefined ? readJwksUri(issuer, options.jwks_uri) : '',
    keys: options.keys,
    algorithms: readAlgorithms(options.algorithms ?? ['ES256']),
    clock: options.clock ?? (() => new Date()),
    clock_tolerance_ms: requireRange('clock_tolerance_seconds', options.clock_tolerance_seconds ?? 0, 0, 60) * 1_000,
    fetch: options.fetch ?? globalThis.fetch,
    cooldown_seconds: requireRange('cooldown_seconds', options.cooldown_seconds ?? 30, 1, 3_600),
    max_token_bytes: requireRange('max_token_bytes', options.max_token_bytes ?? 16_384, 256, 1_048_576),
  }
}

/**
 * JavaScript callers and unset environment variables get past the types; an unchecked audience would be an open door.
 */
function requireText(option: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw misconfigured(`createVerifier needs "${option}", a text that is not empty.`)
}

function requireRange(option: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw misconfigured(`createVerifier needs "${option}" to be a number from ${min} to ${max}.`)
}

function readAlgorithms(algorithms: readonly string[]): Set<string> {
  const allowed = new Set(algorithms)
  if (allowed.size > 0 && algorithms.every((algorithm) => ALGORITHMS.some((known) => known === algorithm)))
    return allowed
  throw misconfigured(`createVerifier needs "algorithms" to be some of ${ALGORITHMS.join(', ')}.`)
}

/**
 * http is allowed: within a cluster TLS is often somebody else's layer, and the address is the operator's own choice.
 */
function readJwksUri(issuer: string, jwks_uri: string | undefined): string {
  const uri = jwks_uri ?? `${issuer.replace(/\/+$/, '')}/.well-known/jwks.json`
  if (URL.canParse(uri) && /^https?:$/.test(new URL(uri).protocol)) return uri
  throw misconfigured(`createVerifier needs "issuer" or "jwks_uri" to be an http(s) URL, or "keys".`)
}

export function misconfigured(message: string): TenantryError {
  return new TenantryError('configuration', message)
}
