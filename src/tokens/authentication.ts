// Who holds a token? Verified with the same code as downstream, then re-decided: the rights are the member's current ones,
// intersected with the token's.
import { type Principal as Bearer, createVerifier, TenantryError, type Verifier } from '@tenantry/client'
import {
  type BearerFacts,
  isRevoked,
  type Member,
  readFactsOfBearer,
  readGrantsOfRoles,
  type Tenant,
} from '../authorization/facts.ts'
import { tenantWide } from '../authorization/tenant-wide.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import type { MemberPrincipal, Rights } from '../http/principal.ts'
import { statusOf } from '../memberships/rules.ts'
import { ALGORITHMS } from '../signing-keys/generation.ts'
import type { KeyRing } from '../signing-keys/key-ring.ts'

interface Options {
  database: Database
  clock: Clock
  issuer: string
  keys: KeyRing
}

type Refusal = 'token.invalid' | 'token.stale'

/** Who stands behind a token that is good, with the rights of this moment. */
export interface Holder {
  bearer: Bearer
  tenant: Tenant
  /** Null: a machine, whose key grants what the token says for as long as there is the key. */
  member: Member | null
  /** The keys of those that he holds in the whole tenant. */
  roles: readonly string[]
  rights: Rights
  /** What wildcards among them do not reach. */
  by_name: readonly string[]
}

export class TokenHolders {
  readonly #database: Database
  readonly #clock: Clock
  readonly #keys: KeyRing
  readonly #issuer: string
  readonly #verifier: Verifier

  constructor({ database, clock, issuer, keys }: Options) {
    this.#database = database
    this.#clock = clock
    this.#keys = keys
    this.#issuer = issuer
    this.#verifier = this.#verifierFor(issuer)
  }

  #verifierFor(audience: string): Verifier {
    const keys = this.#keys
    return createVerifier({
      ...{ issuer: this.#issuer, audience, clock: this.#clock, algorithms: ALGORITHMS },
      keys: (kid) => keys.find(kid),
      grants: (claims) => readGrantsOfRoles(this.#database, claims, this.#clock()),
    })
  }

  /**
   * The principal on our own API, or why there is none. A machine has none there: it uses its key.
   * @param any_audience whether one that is for another service will do
   */
  async find(token: string, { any_audience }: { any_audience: boolean }): Promise<MemberPrincipal | Refusal> {
    const holder = await this.#holderOf(token, any_audience ? this.#verifierAsClaimed(token) : this.#verifier)
    return typeof holder === 'string' ? holder : (principalOf(holder) ?? 'token.invalid')
  }

  /** Who holds a token that must be for this audience, or why nobody does. */
  holderOf(token: string, audience: string): Promise<Holder | Refusal> {
    return this.#holderOf(token, this.#verifierFor(audience))
  }

  /** What a token of ours says, for whatever audience, if it is good at this moment. */
  async inspect(token: string): Promise<Bearer | undefined> {
    const holder = await this.#holderOf(token, this.#verifierAsClaimed(token))
    return typeof holder !== 'string' && holder.tenant.status === 'active' ? holder.bearer : undefined
  }

  async #holderOf(token: string, verifier: Verifier | undefined): Promise<Holder | Refusal> {
    const bearer = await verify(verifier, token)
    if (typeof bearer === 'string') return bearer
    const now = this.#clock()
    const found = await this.#factsOf(bearer, token, now)
    return found === undefined ? 'token.invalid' : (decideHolder(bearer, found, now) ?? 'token.stale')
  }

  /** For whom the unverified token claims to be for; verifying it then is no weaker than not asking. */
  #verifierAsClaimed(token: string): Verifier | undefined {
    const audience = audienceOf(token)
    return audience === undefined ? undefined : this.#verifierFor(audience)
  }

  /** Undefined for a key that another replica threw away meanwhile: it has signed nothing any more. */
  async #factsOf(bearer: Bearer, token: string, now: Date): Promise<BearerFacts | undefined> {
    const found = await readFactsOfBearer(this.#database, bearer.claims, now)
    if (found.facts && !(await this.#keys.findAt(kidOf(token), found.facts.platform_revision))) return undefined
    return found
  }
}

/** Stale already where its roles have changed and it does not carry what they granted. */
const verify = async (verifier: Verifier | undefined, token: string): Promise<Bearer | Refusal> => {
  try {
    return (await verifier?.verify(token)) ?? 'token.invalid'
  } catch (error) {
    if (error instanceof TenantryError && error.code === 'stale_token') return 'token.stale'
    if (error instanceof TenantryError && error.code === 'invalid_token') return 'token.invalid'
    throw error
  }
}

const audienceOf = (token: string): string | undefined => {
  try {
    const { aud } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    const [first] = [aud].flat()
    return typeof first === 'string' && first !== '' ? first : undefined
  } catch {
    return undefined
  }
}

/** Of a token that has been verified, so its header is what it should be. */
const kidOf = (token: string): string =>
  JSON.parse(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString()).kid

/** Undefined: the token is no longer good. Whether the tenant is active is left to whoever asks. */
const decideHolder = (bearer: Bearer, found: BearerFacts, now: Date): Holder | undefined => {
  const { facts } = found
  if (!facts || isRevoked(found)) return undefined
  const { tenant, by_name } = facts
  if (bearer.membership_id === null)
    return { bearer, tenant, member: null, roles: [], rights: [bearer.grants], by_name }
  const member = facts.membership
  if (!member || member.user_id !== bearer.user_id || statusOf(member, now) !== 'active') return undefined
  const roles = tenantWide(member, now)
  return { bearer, tenant, member, roles: roles.map(({ key }) => key), rights: [roles, bearer.grants], by_name }
}

const principalOf = ({ bearer, tenant, member, rights, by_name }: Holder): MemberPrincipal | undefined =>
  member === null
    ? undefined
    : {
        kind: 'membership',
        id: member.id,
        user_id: member.user_id,
        tenant_id: tenant.id,
        tenant_status: tenant.status,
        rights,
        by_name,
        ends_at: member.expires_at,
        token: bearer.claims,
      }
