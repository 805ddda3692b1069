// What a verifier is told, checked once when it is made: a verifier that is set up wrongly must not start.

import type { SlimClaims } from './claims.ts'
import { ALGORITHMS, type Algorithm, type Jwk } from './keys.ts'
import type { Grant } from './permissions.ts'
import { type RevocationOptions, type RevocationSettings, readRevocationOptions } from './revocations/options.ts'
import { misconfigured, requireRange, requireText, requireUrl } from './settings.ts'

/** `kid` comes from a token that nobody has verified yet: look it up, and do nothing else with it. */
export type LocalKeys = (kid: string) => Jwk | undefined | Promise<Jwk | undefined>

/** The grants of these claims' roles, in their order, as they are now; undefined if they are not known any more. */
export type LocalGrants = (claims: SlimClaims) => Promise<readonly Grant[] | undefined>

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
  /** Where the signed role catalogue is, for tokens that are too long to carry their grants. Default: `<issuer>/roles/catalogue`. */
  readonly roles_url?: string | undefined
  /** Grants that are at hand, instead of the published catalogue. */
  readonly grants?: LocalGrants | undefined
  /** Default: all that Tenantry can be set to sign with, `['ES256', 'RS256', 'EdDSA']`; a key has one of them. */
  readonly algorithms?: readonly Algorithm[] | undefined
  /** Default: the system's clock. */
  readonly clock?: (() => Date) | undefined
  /** How far the issuer's clock and ours may differ, 0 to 60. Default: 0, a token ends on the second. */
  readonly clock_tolerance_seconds?: number | undefined
  /** Fetches the published keys, and whatever else comes from the service. Default: the platform's `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** The least time between two fetches that unknown kids cause, 1 to 3600. Default: 30. */
  readonly cooldown_seconds?: number | undefined
  /** Longer tokens are refused unread. Default: 16384, what Node.js lets the headers of a request be in all. */
  readonly max_token_bytes?: number | undefined
  /** Follows revocations, so that tokens are refused within a second of a change. Default: they live until they end. */
  readonly revocations?: RevocationOptions | undefined
}

export type VerifierSettings = {
  readonly issuer: string
  readonly audience: string
  readonly jwks_uri: string
  readonly keys: LocalKeys | undefined
  readonly roles_url: string
  readonly grants: LocalGrants | undefined
  readonly algorithms: ReadonlySet<string>
  readonly clock: () => Date
  readonly clock_tolerance_ms: number
  readonly fetch: typeof globalThis.fetch
  readonly cooldown_seconds: number
  readonly max_token_bytes: number
  readonly revocations: RevocationSettings | undefined
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
    jwks_uri:
      options.keys === undefined ? requireUrl('jwks_uri', options.jwks_uri, issuer, '/.well-known/jwks.json') : '',
    keys: options.keys,
    roles_url:
      options.grants === undefined ? requireUrl('roles_url', options.roles_url, issuer, '/roles/catalogue') : '',
    grants: options.grants,
    algorithms: readAlgorithms(options.algorithms ?? ALGORITHMS),
    clock: options.clock ?? (() => new Date()),
    clock_tolerance_ms: requireRange('clock_tolerance_seconds', options.clock_tolerance_seconds ?? 0, 0, 60) * 1_000,
    fetch: options.fetch ?? globalThis.fetch,
    cooldown_seconds: requireRange('cooldown_seconds', options.cooldown_seconds ?? 30, 1, 3_600),
    max_token_bytes: requireRange('max_token_bytes', options.max_token_bytes ?? 16_384, 256, 1_048_576),
    revocations:
      options.revocations === undefined ? undefined : readRevocationOptions(options.revocations, issuer, options.fetch),
  }
}

function readAlgorithms(algorithms: readonly string[]): Set<string> {
  const allowed = new Set(algorithms)
  if (allowed.size > 0 && algorithms.every((algorithm) => ALGORITHMS.some((known) => known === algorithm)))
    return allowed
  throw misconfigured(`createVerifier needs "algorithms" to be some of ${ALGORITHMS.join(', ')}.`)
}
