// The signed role catalogue: what the roles of a tenant grant, for tokens that were too long to carry it themselves. The
// digest in such a token says which grants it was issued with, so a catalogue of any age can be used but never mistaken.

import { createHash } from 'node:crypto'
import { readText } from './body.ts'
import { isGrant, type SlimClaims } from './claims.ts'
import { TenantryError } from './errors.ts'
import { isObject } from './json.ts'
import { type JwsRules, openJws } from './jws.ts'
import type { Grant } from './permissions.ts'

const TYPE = 'tenantry-roles+jwt'

/** Someone waits for a token to be verified. */
const TIMEOUT_MS = 3_000

/** Some thousand roles. */
const MAX_BYTES = 4 * 1024 * 1024

/** Tenants whose roles are kept at once. */
const MAX_KEPT = 1_000

/** A catalogue that is younger than a token by more than clocks may differ knows all that the token does. */
const SKEW_MS = 5_000

type Catalogue = { readonly roles: ReadonlyMap<string, Grant>; readonly fetched_at: number }

export type CatalogueOptions = {
  readonly url: string
  readonly issuer: string
  readonly fetch: typeof globalThis.fetch
  readonly clock: () => Date
  readonly algorithms: ReadonlySet<string>
  readonly findKey: JwsRules['findKey']
}

/** By what a token that does not carry its grants knows them: SHA-256 of their canonical JSON (RFC 8785), in base64url. */
export function grantsDigest(grants: readonly Grant[]): string {
  const canonical = JSON.stringify(grants.map(({ permissions, excludes }) => ({ excludes, permissions })))
  return createHash('sha256').update(canonical).digest('base64url')
}

export class RoleCatalogue {
  readonly #options: CatalogueOptions
  readonly #known = new Map<string, Catalogue>()
  readonly #pending = new Map<string, Promise<Catalogue | undefined>>()
  /** When the issuer itself last refused a token, by `jti`. */
  readonly #refused = new Map<string, number>()

  constructor(options: CatalogueOptions) {
    this.#options = options
  }

  /**
   * The grants of the token's roles, in their order; undefined if the roles have changed since it was issued.
   *
   * @param token shown to the service as the credential: it opens the catalogue of its own tenant and nothing else
   * @throws TenantryError `roles_unavailable`
   */
  async find(claims: SlimClaims, token: string): Promise<readonly Grant[] | undefined> {
    const known = this.#known.get(claims.tenant_id)
    const grants = known && pick(known, claims)
    if (grants !== undefined) return grants
    const asked_at = Math.max(known?.fetched_at ?? 0, this.#refused.get(claims.jti) ?? 0)
    // What it was issued with was not there any more, long after it was issued: asking again can bring nothing.
    if (asked_at > claims.iat * 1_000 + SKEW_MS) return undefined
    const catalogue = await this.#renew(claims, token)
    return catalogue && pick(catalogue, claims)
  }

  /** One fetch at a time for the same token, and for one tenant's same grants, however many wait for it. */
  async #renew(claims: SlimClaims, token: string): Promise<Catalogue | undefined> {
    const name = `${claims.tenant_id}:${claims.grants_digest}`
    const underWay = this.#pending.get(name)
    const shared = underWay && (await underWay)
    if (shared !== undefined) return shared
    const pending = this.#fetch(claims, token)
    this.#pending.set(name, pending)
    return pending.finally(() => {
      if (this.#pending.get(name) === pending) this.#pending.delete(name)
    })
  }

  /** Undefined if the issuer refuses the token, which may be about its bearer alone. */
  async #fetch({ tenant_id, jti }: SlimClaims, token: string): Promise<Catalogue | undefined> {
    const { url, fetch, clock } = this.#options
    const fetched_at = clock().getTime()
    try {
      const response = await fetch(url, {
        headers: { authorization: `Bearer ${token}`, accept: 'application/jwt' },
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      if (response.status !== 200) {
        await response.body?.cancel()
        if (response.status !== 401 && response.status !== 403) throw new Error(`it answered ${response.status}`)
        keepLatest(this.#refused, jti, fetched_at)
        return undefined
      }
      const roles = await this.#open(await readText(response, MAX_BYTES), tenant_id)
      const catalogue = { roles, fetched_at }
      keepLatest(this.#known, tenant_id, catalogue)
      return catalogue
    } catch (cause) {
      throw new TenantryError('roles_unavailable', `The role catalogue at ${url} cannot be had.`, { cause })
    }
  }

  /** It is the issuer's, about this tenant, and whole: half a catalogue would be a guess at what was meant. */
  async #open(text: string, tenant_id: string): Promise<ReadonlyMap<string, Grant>> {
    const { issuer, algorithms, findKey } = this.#options
    const { payload } = await openJws(text, { types: [TYPE], max_bytes: MAX_BYTES, algorithms, findKey })
    if (payload.iss !== issuer || payload.tenant_id !== tenant_id || !Array.isArray(payload.roles)) {
      throw new Error('it is of another issuer or another tenant')
    }
    return new Map(payload.roles.map(readRole))
  }
}

/** The one that was learnt longest ago goes first. */
function keepLatest<T>(kept: Map<string, T>, name: string, value: T): void {
  kept.delete(name)
  kept.set(name, value)
  const [oldest] = kept.keys()
  if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest)
}

function readRole(value: unknown): [string, Grant] {
  const key = isObject(value) ? value.key : undefined
  if (typeof key === 'string' && isGrant(value))
    return [key, { permissions: value.permissions, excludes: value.excludes }]
  throw new Error('one of its roles is malformed')
}

/** Undefined unless they are the very grants that the token was issued with. */
function pick({ roles }: Catalogue, claims: SlimClaims): readonly Grant[] | undefined {
  const grants = claims.roles.map((role) => roles.get(role)).filter((grant) => grant !== undefined)
  return grants.length === claims.roles.length && grantsDigest(grants) === claims.grants_digest ? grants : undefined
}
