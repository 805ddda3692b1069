// Tokens on Tenantry's own API. Verified with the same code as downstream, then re-decided: the rights are the member's
// current ones, intersected with the token's.
import { type Principal as Bearer, createVerifier, TenantryError, type Verifier } from '@tenantry/client'
import { type MemberFacts, readFactsOfMembership } from '../authorization/facts.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import type { MemberPrincipal } from '../http/principal.ts'
import { statusOf } from '../memberships/rules.ts'
import type { SigningKey } from './signing-keys.ts'

interface Options {
  database: Database
  clock: Clock
  issuer: string
  keys: readonly SigningKey[]
}

export class TokenHolders {
  readonly #database: Database
  readonly #clock: Clock
  readonly #verifier: Verifier

  constructor({ database, clock, issuer, keys }: Options) {
    this.#database = database
    this.#clock = clock
    const byKid = new Map(keys.map(({ kid, public_jwk }) => [kid, { ...public_jwk }]))
    this.#verifier = createVerifier({ issuer, audience: issuer, clock, keys: (kid) => byKid.get(kid) })
  }

  /** The principal, or why there is none. */
  async find(token: string): Promise<MemberPrincipal | 'token.invalid' | 'token.stale'> {
    const bearer = await this.#verify(token)
    if (bearer === undefined || bearer.membership_id === null) return 'token.invalid'
    const facts = await readFactsOfMembership(this.#database, bearer.tenant_id, bearer.membership_id)
    return principalOf(bearer, facts, this.#clock()) ?? 'token.stale'
  }

  async #verify(token: string): Promise<Bearer | undefined> {
    try {
      return await this.#verifier.verify(token)
    } catch (error) {
      if (error instanceof TenantryError && error.code === 'invalid_token') return undefined
      throw error
    }
  }
}

const principalOf = (bearer: Bearer, facts: MemberFacts | null, now: Date): MemberPrincipal | undefined => {
  const member = facts?.membership
  if (!facts || !member || member.user_id !== bearer.user_id || statusOf(member, now) !== 'active') return undefined
  return {
    kind: 'membership',
    id: member.id,
    user_id: member.user_id,
    tenant_id: facts.tenant.id,
    tenant_status: facts.tenant.status,
    rights: [member.roles, bearer.grants],
  }
}
