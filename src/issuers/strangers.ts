// Who has logged in elsewhere and not chosen a tenant yet: whom the trusted issuers take the bearer of a token for.
import { TenantryError } from '@tenantry/client'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Identities, Identity } from '../http/principal.ts'
import type { IssuerKeys } from './keys.ts'
import { findIssuers, findIssuersOf, type TrustedIssuer } from './queries.ts'
import { audiencesIn, claimedIssuerOf, SubjectTokenError, verifySubjectToken } from './subject-tokens.ts'

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
    const found = await Promise.all(trusted.map((issuer) => this.#askOf(issuer, token)))
    const [first, ...others] = found.filter((each) => each !== undefined && typeof each === 'object')
    if (first !== undefined) return [first, ...others]
    return (
      found.find((each) => typeof each === 'string') ??
      'The issuer of the token is not trusted here for any of its audiences.'
    )
  }

  async #trusted(claimed: string, token: string, tenant_id: string | undefined): Promise<TrustedIssuer[]> {
    if (tenant_id !== undefined) return findIssuers(this.#database, claimed, tenant_id)
    const trusted = await findIssuersOf(this.#database, claimed, audiencesIn(token), MOST_ISSUERS + 1)
    if (trusted.length <= MOST_ISSUERS) return trusted
    throw new Problem('tenant.required', {
      errors: [{ pointer: 'query/tenant_id', detail: 'Many tenants trust this issuer: name yours.' }],
    })
  }

  /** Of one who is asked for by authenticated clients only, nothing is told here. */
  async #askOf(issuer: TrustedIssuer, token: string): Promise<Identity | string | undefined> {
    if (issuer.client_auth_required) return 'Tokens of this issuer are taken from authenticated clients only.'
    try {
      const { user_id, ...login } = await verifySubjectToken(token, issuer, this.#keys, {
        type: BEARER,
        now: this.#clock(),
      })
      const { email, email_verified, auth_time } = login
      return {
        ...{ type: 'user', id: user_id, tenant_id: issuer.tenant_id, issuer_id: issuer.id },
        ...{ email, email_verified, auth_time },
      }
    } catch (error) {
      if (error instanceof SubjectTokenError) return error.message
      if (error instanceof TenantryError) throw new Problem('issuer.unavailable', { cause: error })
      throw error
    }
  }
}
