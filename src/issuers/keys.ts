// The keys of trusted issuers: fetched when first needed, kept as @tenantry/client keeps ours.
import { TenantryError } from '@tenantry/client'
import { fetchDocument, Jwks, type VerificationKey } from '@tenantry/client/signed'
import type { Clock } from '../clock.ts'
import type { TrustedIssuer } from './queries.ts'

const MOST_ISSUERS = 1_000 // kept at once; the one that was not asked for the longest goes first
const COOLDOWN_SECONDS = 30
const DISCOVERY_SECONDS = 3_600
const FAILURE_SECONDS = 5 // a failure too is kept a while: strangers must not have an issuer asked as often as they like

interface Place {
  url: string
  jwks: Jwks
  /** The issuer could not be asked: it is where the keys were before. */
  is_old?: boolean
}

/** Where the keys are, as it was found out, or is being found out. */
interface Known {
  place: Promise<Place>
  looked_at: number
  good_for_seconds: number
}

export class IssuerKeys {
  readonly #fetch: typeof globalThis.fetch
  readonly #clock: Clock
  readonly #known = new Map<string, Known>()

  constructor(fetch: typeof globalThis.fetch, clock: Clock) {
    this.#fetch = fetch
    this.#clock = clock
  }

  /** @throws TenantryError `jwks_unavailable`, DiscoveryError */
  async findKey(issuer: TrustedIssuer, kid: string): Promise<VerificationKey | undefined> {
    const { jwks } = await this.#placeOf(issuer)
    return jwks.findKey(kid)
  }

  /**
   * By revision: what was learnt of an issuer before it was changed is forgotten. Nothing is awaited between looking and
   * keeping, so whoever comes meanwhile waits for the same.
   */
  #placeOf(issuer: TrustedIssuer): Promise<Place> {
    const name = `${issuer.id}:${issuer.revision}`
    const before = this.#known.get(name)
    const known = before && this.#isRecent(before) ? before : this.#look(issuer, before)
    this.#known.delete(name) // and back at the end: the order is that of use
    this.#known.set(name, known)
    for (const [oldest] of this.#known) {
      if (this.#known.size <= MOST_ISSUERS) break
      this.#known.delete(oldest)
    }
    return known.place
  }

  #isRecent({ looked_at, good_for_seconds }: Known): boolean {
    const elapsed = this.#clock().getTime() - looked_at
    return elapsed >= 0 && elapsed < good_for_seconds * 1_000
  }

  #look(issuer: TrustedIssuer, before: Known | undefined): Known {
    const known: Known = {
      place: this.#find(issuer, before),
      looked_at: this.#clock().getTime(),
      good_for_seconds: issuer.jwks_uri === null ? DISCOVERY_SECONDS : Number.POSITIVE_INFINITY,
    }
    const shorten = (seconds: number): void => {
      known.good_for_seconds = seconds
    }
    known.place.then(
      ({ is_old }) => is_old && shorten(COOLDOWN_SECONDS),
      () => shorten(FAILURE_SECONDS),
    )
    return known
  }

  /** While the document is away, the keys stay where they were; for how long those are good is for the key set to say. */
  async #find({ issuer, jwks_uri }: TrustedIssuer, before: Known | undefined): Promise<Place> {
    const last = await before?.place.catch(() => undefined)
    try {
      const url = jwks_uri ?? (await jwksUriOf(issuer, this.#fetch))
      if (last?.url === url) return { url, jwks: last.jwks }
      const options = { url, fetch: this.#fetch, clock: this.#clock, cooldown_seconds: COOLDOWN_SECONDS }
      return { url, jwks: new Jwks(options) }
    } catch (error) {
      if (last !== undefined && error instanceof TenantryError) return { ...last, is_old: true }
      throw error
    }
  }
}

/** OpenID Connect Discovery 1.0 §4: the document says of whom it is, and must say it of this very issuer. */
const jwksUriOf = async (issuer: string, fetch: typeof globalThis.fetch): Promise<string> => {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const { document } = await fetchDocument(url, fetch)
  const { issuer: named, jwks_uri } = (document ?? {}) as { issuer?: unknown; jwks_uri?: unknown }
  if (named !== issuer) throw new DiscoveryError(`${url} is the document of another issuer`)
  if (typeof jwks_uri !== 'string') throw new DiscoveryError(`${url} names no jwks_uri`)
  return jwks_uri
}

export class DiscoveryError extends Error {}
