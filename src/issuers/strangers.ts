// Who has logged in elsewhere and not chosen a tenant yet: whom the trusted issuers take the bearer of a token for.
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Identities, Identity } from '../http/principal.ts'
import type { IssuerKeys } from './keys.ts'
import { findIssuers, findIssuersOf, type TrustedIssuer } from './queries.ts'
import { audiencesIn, claimedIssuerOf, SubjectTokenError } from './subject-tokens.ts'
import { askIssuer, NOT_TRUSTED } from './vouching.ts'

const BEARER = 'urn:ietf:params:oauth:token-type:access_token' // what comes as a Bearer credential
const MOST_ISSUERS = 20 // of one name and audience: the shared one, and tenants' own

interface Options {
  database: Database
  clock: Clock
  issuer: string
  keys: IssuerKeys
}

export class Strangers {
  readonly #database: Database
  readonly #clock: Clock
  readonly #issuer: string
  readonly #keys: IssuerKeys

  constructor({ database, clock, issuer, keys }: Options) {
    this.#database = database
    this.#clock = clock
    this.#issuer = issuer
    this.#keys = keys
  }

  /**
   * Undefined for what is no token of another issuer; a sentence for one that nobody here vouches for.
   * @param tenant_id where a tenant is named, its own issuer and the shared one are asked
   * @throws Problem `issuer.unavailable`, `tenant.required`
   */
  async find(token: string, tenant_id: string | undefined): Promise<Identities | string | undefined> {
    const claimed = claimedIssuerOf(token)
    if (claimed === undefined || claimed === this.#issuer) return undefined
    const trusted = await this.#trusted(claimed, token, tenant_id)
    const asked = await Promise.allSettled(trusted.map((issuer) => this.#ask(issuer, token)))
    const [first, ...others] = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    if (first !== undefined) return [first, ...others]
    const faults: unknown[] = asked.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
    const fault = faults.find((each) => !(each instanceof SubjectTokenError))
    if (fault !== undefined) throw fault // one that cannot be asked counts only where no other vouches
    return faults.find((each) => each instanceof SubjectTokenError)?.message ?? NOT_TRUSTED
  }

  /** Past what can be asked, the shared one is; whoever is only known to a tenant's own has to say which tenant. */
  async #trusted(claimed: string, token: string, tenant_id: string | undefined): Promise<TrustedIssuer[]> {
    if (tenant_id !== undefined) return findIssuers(this.#database, claimed, tenant_id)
    const trusted = await findIssuersOf(this.#database, claimed, audiencesIn(token), MOST_ISSUERS + 1)
    if (trusted.length <= MOST_ISSUERS) return trusted
    const shared = trusted.filter((issuer) => issuer.tenant_id === null)
    if (shared.length > 0) return shared
    throw new Problem('tenant.required', {
      errors: [{ pointer: 'query/tenant_id', detail: 'Many tenants trust this issuer: name yours.' }],
    })
  }

  /** Of one who is asked for by authenticated clients only, nothing is told here. */
  async #ask(issuer: TrustedIssuer, token: string): Promise<Identity> {
    if (issuer.client_auth_required) throw new SubjectTokenError(NOT_TRUSTED)
    const { user_id, email, email_verified, login_at } = await askIssuer(issuer, token, this.#keys, {
      ...{ type: BEARER, now: this.#clock() },
    })
    return {
      ...{ type: 'user', id: user_id, tenant_id: issuer.tenant_id, issuer_id: issuer.id },
      ...{ email, email_verified, auth_time: login_at },
    }
  }
}
