// Where an issuer publishes its keys (OpenID Connect Discovery 1.0 §4): found when first needed, looked up again each hour.
//
// While the issuer is away, what was found goes on for another hour, as the keys themselves do, and nobody waits for the next
// attempt. A document that is there, but says something else, ends that at once.
import { fetchDocument, Jwks } from '@tenantry/client/signed'
import { type Clock, isWithin } from '../clock.ts'

const KEPT_MS = 3_600_000
const OUTLIVES_MS = 3_600_000
const PAUSE_MS = 1_000 // between attempts that fail, however many ask
const COOLDOWN_SECONDS = 30

export interface Network {
  fetch: typeof globalThis.fetch
  clock: Clock
}

export const jwksAt = (url: string, network: Network): Jwks =>
  new Jwks({ url, ...network, cooldown_seconds: COOLDOWN_SECONDS })

export class Discovery {
  readonly #issuer: string
  readonly #network: Network
  #found: { url: string; jwks: Jwks; at: number } | undefined
  #fault: { error: unknown; at: number } | undefined
  #pending: Promise<void> | undefined

  constructor(issuer: string, network: Network) {
    this.#issuer = issuer
    this.#network = network
  }

  /** @throws DiscoveryError, TenantryError `jwks_unavailable` */
  async jwks(): Promise<Jwks> {
    const attempt = this.#isDue() ? this.#attempt() : undefined
    if (!this.#isUsable()) await attempt
    if (this.#found && this.#isUsable()) return this.#found.jwks
    throw this.#fault?.error
  }

  #isDue(): boolean {
    if (this.#fault) return !isWithin(PAUSE_MS, this.#fault.at, this.#now())
    return this.#found === undefined || !isWithin(KEPT_MS, this.#found.at, this.#now())
  }

  #isUsable(): boolean {
    return this.#found !== undefined && isWithin(KEPT_MS + OUTLIVES_MS, this.#found.at, this.#now())
  }

  /** One at a time, however many wait for it. */
  #attempt(): Promise<void> {
    this.#pending ??= this.#lookUp().finally(() => {
      this.#pending = undefined
    })
    return this.#pending
  }

  async #lookUp(): Promise<void> {
    try {
      const url = await jwksUriOf(this.#issuer, this.#network.fetch)
      const jwks = this.#found?.url === url ? this.#found.jwks : jwksAt(url, this.#network)
      this.#found = { url, jwks, at: this.#now() }
      this.#fault = undefined
    } catch (error) {
      this.#fault = { error, at: this.#now() }
      if (error instanceof DiscoveryError) this.#found = undefined
    }
  }

  #now(): number {
    return this.#network.clock().getTime()
  }
}

/** The document says of whom it is, and must say it of this very issuer. */
const jwksUriOf = async (issuer: string, fetch: typeof globalThis.fetch): Promise<string> => {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const { document } = await fetchDocument(url, fetch)
  const { issuer: named, jwks_uri } = (document ?? {}) as { issuer?: unknown; jwks_uri?: unknown }
  if (named !== issuer) throw new DiscoveryError(`${url} is the document of another issuer`)
  if (typeof jwks_uri !== 'string') throw new DiscoveryError(`${url} names no jwks_uri`)
  return jwks_uri
}

export class DiscoveryError extends Error {}
