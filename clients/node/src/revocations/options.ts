// What following revocations is told, checked once.

import type { TenantryError } from '../errors.ts'
import { isObject } from '../json.ts'
import { misconfigured, requireRange, requireUrl } from '../settings.ts'
import { type Connect, connectInBackground, connectWith } from './connection.ts'
import { type ApiKeySource, isApiKey } from './credential.ts'
import { limitOf, type WhenStale } from './staleness.ts'
import { platformTimer, type Timer } from './timer.ts'

export type RevocationOptions = {
  /**
   * An API key with `tenantry.revocation:read`, or what gives the present one. A tenant's key covers that tenant; a key
   * that takes over has to cover the same.
   */
  readonly api_key: ApiKeySource
  /**
   * How long ago the feed may have been confirmed to be current, 10 to 3600. Default: 30. It is confirmed every 5 s.
   */
  readonly max_staleness_seconds?: number | undefined
  /** What becomes of tokens past that. Default: `fail_closed`. */
  readonly when_stale?: WhenStale | undefined
  /**
   * When nothing was heard for that long the signed snapshot is fetched, and again at that pace; 6 to 3600, and below
   * `max_staleness_seconds`. Default: 10, or two thirds of `max_staleness_seconds` if that is less.
   */
  readonly poll_seconds?: number | undefined
  /** Default: `<issuer>/revocations/stream`. */
  readonly stream_url?: string | undefined
  /** Default: `<issuer>/revocations`. */
  readonly snapshot_url?: string | undefined
  /** Where `introspect` asks. Default: `<issuer>/oauth/introspect`. */
  readonly introspection_url?: string | undefined
  /** Hears of each attempt that failed. The next attempt follows by itself. */
  readonly on_fault?: ((fault: TenantryError) => void) | undefined
  /** For tests. Default: the platform's timers. */
  readonly timer?: Timer | undefined
}

export type RevocationSettings = {
  readonly api_key: ApiKeySource
  readonly max_staleness_seconds: number
  readonly when_stale: WhenStale
  readonly poll_ms: number
  readonly stream_url: string
  readonly snapshot_url: string
  readonly introspection_url: string
  readonly on_fault: (fault: TenantryError) => void
  readonly timer: Timer
  readonly connect: Connect
}

/**
 * Fills in the defaults.
 *
 * @throws TenantryError `configuration`, naming the option
 */
export function readRevocationOptions(
  options: RevocationOptions,
  issuer: string,
  fetch: typeof globalThis.fetch | undefined,
): RevocationSettings {
  if (!isObject(options)) throw misconfigured('createVerifier needs "revocations" to be options, or to be left out.')
  const { api_key, when_stale = 'fail_closed' } = options
  if (typeof api_key !== 'function' && !isApiKey(api_key)) {
    throw misconfigured('createVerifier needs "revocations.api_key", an API key or a function that gives one.')
  }
  const max_staleness_seconds = readRange('max_staleness_seconds', options.max_staleness_seconds ?? 30, 10)
  const poll_seconds = readRange(
    'poll_seconds',
    options.poll_seconds ?? Math.min(10, (max_staleness_seconds * 2) / 3),
    6,
  )
  if (poll_seconds >= max_staleness_seconds) {
    throw misconfigured('createVerifier needs "revocations.poll_seconds" to be below "max_staleness_seconds".')
  }
  if (limitOf(when_stale, max_staleness_seconds) < max_staleness_seconds) {
    throw misconfigured('createVerifier needs "accept_up_to_seconds" not to be below "max_staleness_seconds".')
  }
  return {
    ...{ api_key, max_staleness_seconds, when_stale, poll_ms: poll_seconds * 1_000 },
    stream_url: requireUrl('revocations.stream_url', options.stream_url, issuer, '/revocations/stream'),
    snapshot_url: requireUrl('revocations.snapshot_url', options.snapshot_url, issuer, '/revocations'),
    introspection_url: requireUrl(
      'revocations.introspection_url',
      options.introspection_url,
      issuer,
      '/oauth/introspect',
    ),
    on_fault: options.on_fault ?? (() => {}),
    timer: options.timer ?? platformTimer,
    connect: fetch === undefined ? connectInBackground : connectWith(fetch),
  }
}

function readRange(option: string, value: unknown, min: number): number {
  return requireRange(`revocations.${option}`, value, min, 3_600)
}
