// The keys of trusted issuers: fetched when first needed, kept as @tenantry/client keeps ours.
import type { Jwks, VerificationKey } from '@tenantry/client/signed'
import type { Clock } from '../clock.ts'
import { Discovery, jwksAt, type Network } from './discovery.ts'
import type { TrustedIssuer } from './queries.ts'

const MOST_ISSUERS = 1_000 // kept at once; the one that was not asked for the longest goes first

interface Source {
  jwks(): Jwks | Promise<Jwks>
}

export class IssuerKeys {
  readonly #network: Network
  readonly #sources = new Map<string, Source>()

  constructor(fetch: typeof globalThis.fetch, clock: Clock) {
    this.#network = { fetch, clock }
  }

  /** @throws DiscoveryError, TenantryError `jwks_unavailable` */
  async findKey(issuer: TrustedIssuer, kid: string): Promise<VerificationKey | undefined> {
    const jwks = await this.#sourceOf(issuer).jwks()
    return jwks.findKey(kid)
  }

  /** By revision: what was learnt of an issuer before it was changed is forgotten. */
  #sourceOf(issuer: TrustedIssuer): Source {
    const name = `${issuer.id}:${issuer.revision}`
    const source = this.#sources.get(name) ?? this.#open(issuer)
    this.#sources.delete(name) // and back at the end: the order is that of use
    this.#sources.set(name, source)
    for (const [oldest] of this.#sources) {
      if (this.#sources.size <= MOST_ISSUERS) break
      this.#sources.delete(oldest)
    }
    return source
  }

  #open({ issuer, jwks_uri }: TrustedIssuer): Source {
    if (jwks_uri === null) return new Discovery(issuer, this.#network)
    const jwks = jwksAt(jwks_uri, this.#network)
    return { jwks: () => jwks }
  }
}
