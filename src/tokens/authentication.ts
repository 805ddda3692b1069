// Tokens on Tenantry's own API. Verified with the same code as downstream, then re-decided: the rights are the member's
// current ones, intersected with the token's.
import { type Principal as Bearer, createVerifier, TenantryError, type Verifier } from '@tenantry/client'
import { type BearerFacts, isRevoked, readFactsOfBearer } from '../authorization/facts.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import type { MemberPrincipal } from '../http/principal.ts'
import { statusOf } from '../memberships/rules.ts'
import { ALGORITHMS } from '../signing-keys/generation.ts'
import type { KeyRing } from '../signing-keys/key-ring.ts'

interface Options {
  database: Database
  clock: Clock
  issuer: string
  keys: KeyRing
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
    })
  }

  /** The principal, or why there is none. */
  async find(token: string): Promise<MemberPrincipal | 'token.invalid' | 'token.stale'> {
    const bearer = await verify(this.#verifier, token)
    if (bearer === undefined || bearer.membership_id === null) return 'token.invalid'
    const now = this.#clock()
    const found = await this.#factsOf(bearer, token, now)
    return found === undefined ? 'token.invalid' : (principalOf(bearer, found, now) ?? 'token.stale')
  }

  /** What a token of ours says, for whatever audience, if it is good at this moment. */
  async inspect(token: string): Promise<Bearer | undefined> {
    const audience = audienceOf(token)
    const bearer = audience === undefined ? undefined : await verify(this.#verifierFor(audience), token)
    if (bearer === undefined) return undefined
    const now = this.#clock()
    const found = await this.#factsOf(bearer, token, now)
    if (found?.facts?.tenant.status !== 'active') return undefined
    const isGood = bearer.membership_id === null ? !isRevoked(found) : principalOf(bearer, found, now) !== undefined
    return isGood ? bearer : undefined
  }

  /** Undefined for a key that another replica threw away meanwhile: it has signed nothing any more. */
  async #factsOf(bearer: Bearer, token: string, now: Date): Promise<BearerFacts | undefined> {
    const found = await readFactsOfBearer(this.#database, bearer.claims, now)
    if (found.facts && !(await this.#keys.findAt(kidOf(token), found.facts.platform_revision))) return undefined
    return found
  }
}

const verify = async (verifier: Verifier, token: string): Promise<Bearer | undefined> => {
  try {
    return await verifier.verify(token)
  } catch (error) {
    if (error instanceof TenantryError && error.code === 'invalid_token') return undefined
    throw error
  }
}

/** Whom an unverified token claims to be for; verifying it then is no weaker than not asking. */
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

const principalOf = (bearer: Bearer, found: BearerFacts, now: Date): MemberPrincipal | undefined => {
  const { facts } = found
  const member = facts?.membership
  if (!facts || !member || member.user_id !== bearer.user_id || statusOf(member, now) !== 'active') return undefined
  if (isRevoked(found)) return undefined
  return {
    kind: 'membership',
    id: member.id,
    user_id: member.user_id,
    tenant_id: facts.tenant.id,
    tenant_status: facts.tenant.status,
    rights: [member.roles, bearer.grants],
    by_name: facts.by_name,
    ends_at: member.expires_at,
    token: bearer.claims,
  }
}
