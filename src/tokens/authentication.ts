// Who holds a token? Verified with the same code as downstream, then re-decided: the rights are the member's current ones,
// intersected with the token's.
import {
  type Principal as Bearer,
  createVerifier,
  type Grant,
  isReserved,
  revocationTargetsOf,
  TenantryError,
  type Verifier,
} from '@tenantry/client'
import { type Presented, presentedBy } from '../api-keys/presented.ts'
import {
  type BearerFacts,
  isRevoked,
  type Member,
  type MemberFacts,
  readFactsOfBearer,
  readGrantsOfRoles,
  type Tenant,
} from '../authorization/facts.ts'
import { tenantWide } from '../authorization/tenant-wide.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import type { Cache } from '../freshness/cache.ts'
import { tenantName } from '../freshness/evictions.ts'
import { namesOfMember } from '../freshness/facts-source.ts'
import type { MemberPrincipal, Rights } from '../http/principal.ts'
import { statusOf } from '../memberships/rules.ts'
import { TENANT } from '../revocations/targets.ts'
import { ALGORITHMS } from '../signing-keys/generation.ts'
import type { KeyRing } from '../signing-keys/key-ring.ts'
import { after, type Soon } from '../soon.ts'
import { isNarrowed } from './claims.ts'

interface Options {
  database: Database
  clock: Clock
  issuer: string
  keys: KeyRing
  cache: Cache
}

type Refusal = 'token.invalid' | 'token.stale'

/** Who stands behind a token that is good, with the rights of this moment. */
export interface Holder {
  bearer: Bearer
  tenant: Tenant
  facts: MemberFacts
  /** Null: a machine, whose key grants what the token says for as long as there is the key. */
  member: Member | null
  /** The keys of those that he holds in the whole tenant. */
  roles: readonly string[]
  rights: Rights
  /** What wildcards among them do not reach. */
  by_name: readonly string[]
}

/** A token that was verified, with what was true of its bearer at that time. */
type Verified = { bearer: Bearer; found: BearerFacts } | { refusal: Refusal }

export class TokenHolders {
  readonly #database: Database
  readonly #clock: Clock
  readonly #keys: KeyRing
  readonly #issuer: string
  readonly #verifier: Verifier
  readonly #cache: Cache

  constructor({ database, clock, issuer, keys, cache }: Options) {
    this.#database = database
    this.#clock = clock
    this.#keys = keys
    this.#issuer = issuer
    this.#cache = cache
    this.#verifier = this.#makeVerifier(issuer)
  }

  /** Undefined for no audience at all, which no token is good for. */
  #verifierFor(audience: string): Verifier | undefined {
    if (audience === this.#issuer) return this.#verifier
    return audience === '' ? undefined : this.#makeVerifier(audience)
  }

  #makeVerifier(audience: string): Verifier {
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
   * @param presented the token, where its holder may be known from memory
   */
  find(
    token: string,
    { any_audience, presented }: { any_audience: boolean; presented?: Presented },
  ): Soon<MemberPrincipal | Refusal> {
    const audience = any_audience ? (audienceOf(token) ?? '') : this.#issuer
    return after(presented ? this.recall(token, audience, presented) : this.holderOf(token, audience), (holder) =>
      typeof holder === 'string' ? holder : (principalOf(holder) ?? 'token.invalid'),
    )
  }

  /** Who holds a token that must be for this audience, or why nobody does. */
  async holderOf(token: string, audience: string): Promise<Holder | Refusal> {
    return this.#decide(await this.#verify(token, audience))
  }

  /** The same from memory, where it is there: as old as facts may be, but never past its end. */
  recall(token: string, audience: string, { name } = presentedBy(token)): Soon<Holder | Refusal> {
    const now = this.#clock()
    const found = this.#cache.get<Verified>(`${name}:${audience}`, {
      read: () => this.#verify(token, audience),
      isKept: (verified) => typeof this.#decide(verified) !== 'string',
      suffices: (verified) => 'bearer' in verified && now.getTime() < verified.bearer.claims.exp * 1_000,
      namesOf,
      bytesOf: (verified) => 1_000 + 3 * token.length + JSON.stringify(verified).length,
    })
    return after(found, (known) => (known === null ? 'token.invalid' : this.#decide(known)))
  }

  /** What a token of ours says, for whatever audience, if it is good at this moment. */
  async inspect(token: string): Promise<Bearer | undefined> {
    const holder = await this.holderOf(token, audienceOf(token) ?? '')
    return typeof holder !== 'string' && holder.tenant.status === 'active' ? holder.bearer : undefined
  }

  /** That the unverified token claims to be for the audience makes this no weaker than not asking. */
  async #verify(token: string, audience: string): Promise<Verified> {
    const bearer = await verify(this.#verifierFor(audience), token)
    if (typeof bearer === 'string') return { refusal: bearer }
    const found = await this.#factsOf(bearer, token, this.#clock())
    return found === undefined ? { refusal: 'token.invalid' } : { bearer, found }
  }

  #decide(verified: Verified): Holder | Refusal {
    if ('refusal' in verified) return verified.refusal
    return decideHolder(verified.bearer, verified.found, this.#clock()) ?? 'token.stale'
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

const namesOf = (verified: Verified): string[] => {
  if ('refusal' in verified || verified.found.facts === null) return []
  const targets = revocationTargetsOf(verified.bearer.claims).filter((target) => target !== TENANT)
  return [...new Set([tenantName(verified.bearer.tenant_id), ...targets, ...namesOfMember(verified.found.facts)])]
}

/** Undefined: the token is no longer good. Whether the tenant is active is left to whoever asks. */
const decideHolder = (bearer: Bearer, found: BearerFacts, now: Date): Holder | undefined => {
  const { facts } = found
  if (!facts || isRevoked(found)) return undefined
  const { tenant, by_name } = facts
  if (bearer.membership_id === null)
    return { bearer, tenant, facts, member: null, roles: [], rights: [bearer.grants], by_name }
  const member = facts.membership
  if (!member || member.user_id !== bearer.user_id || statusOf(member, now) !== 'active') return undefined
  const roles = tenantWide(member, now)
  const keys = roles.map(({ key }) => key)
  return { bearer, tenant, facts, member, roles: keys, rights: [roles, reachOf(bearer)], by_name }
}

/**
 * How far a token reaches: what it carries, and, unless it was narrowed, what it asks about. Else somebody could not give what
 * his roles grant because a condition, which holds for whoever has it, touches it.
 */
const reachOf = ({ claims, grants, ask }: Bearer): readonly Grant[] => {
  const ofProduct = ask.filter((pattern) => pattern !== 'tenantry.*' && !isReserved(pattern.split(':', 1)[0] ?? ''))
  return ofProduct.length === 0 || isNarrowed(claims) ? grants : [...grants, { permissions: ofProduct, excludes: [] }]
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
