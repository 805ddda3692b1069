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
  readonly #verifier: Verifier

  constructor({ database, clock, issuer, keys }: Options) {
    this.#database = database
    this.#clock = clock
    this.#keys = keys
    this.#verifier = createVerifier({
      ...{ issuer, audience: issuer, clock, algorithms: ALGORITHMS },
      keys: (kid) => keys.find(kid),
    })
  }

  /** The principal, or why there is none. */
  async find(token: string): Promise<MemberPrincipal | 'token.invalid' | 'token.stale'> {
    const bearer = await this.#verify(token)
    if (bearer === undefined || bearer.membership_id === null) return 'token.invalid'
    const now = this.#clock()
    const found = await readFactsOfBearer(this.#database, bearer.claims, now)
    // A key that another replica threw away meanwhile has signed nothing any more.
    if (found.facts && !(await this.#keys.findAt(kidOf(token), found.facts.platform_revision))) return 'token.invalid'
    return principalOf(bearer, found, now) ?? 'token.stale'
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
    ends_at: member.expires_at,
    token: bearer.claims,
  }
}
