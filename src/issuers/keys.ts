// The keys of trusted issuers: fetched when first needed, kept as @tenantry/client keeps ours.
import { fetchDocument, Jwks, type VerificationKey } from '@tenantry/client/signed'
import type { Clock } from '../clock.ts'
import type { TrustedIssuer } from './queries.ts'

const MOST_ISSUERS = 1_000 // kept at once; the one that was not asked for the longest goes first
const COOLDOWN_SECONDS = 30
const DISCOVERY_SECONDS = 3_600

interface Known {
  jwks: Jwks
  discovered_at: number
}

export class IssuerKeys {
  readonly #fetch: typeof globalThis.fetch
  readonly #clock: Clock
  readonly #known = new Map<string, Promise<Known>>()

  constructor(fetch: typeof globalThis.fetch, clock: Clock) {
    this.#fetch = fetch
    this.#clock = clock
  }

  /** @throws TenantryError `jwks_unavailable` */
  async findKey(issuer: TrustedIssuer, kid: string): Promise<VerificationKey | undefined> {
    const { jwks } = await this.#knownOf(issuer)
    return jwks.findKey(kid)
  }

  /** By revision: what was learnt of an issuer before it was changed is forgotten. */
  async #knownOf(issuer: TrustedIssuer): Promise<Known> {
    const name = `${issuer.id}:${issuer.revision}`
    const before = this.#known.get(name)
    this.#known.delete(name) // and back at the end: the order is that of use
    const known = before && (await this.#isRecent(before, issuer)) ? before : this.#discover(issuer)
    this.#known.set(name, known)
    for (const [oldest] of this.#known) {
      if (this.#known.size <= MOST_ISSUERS) break
      this.#known.delete(oldest)
    }
    known.catch(() => this.#known.delete(name))
    return known
  }

  async #isRecent(known: Promise<Known>, { jwks_uri }: TrustedIssuer): Promise<boolean> {
    const { discovered_at } = await known
    return jwks_uri !== null || this.#clock().getTime() - discovered_at < DISCOVERY_SECONDS * 1_000
  }

  async #discover({ issuer, jwks_uri }: TrustedIssuer): Promise<Known> {
    const url = jwks_uri ?? (await jwksUriOf(issuer, this.#fetch))
    const options = { url, fetch: this.#fetch, clock: this.#clock, cooldown_seconds: COOLDOWN_SECONDS }
    return { jwks: new Jwks(options), discovered_at: this.#clock().getTime() }
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
