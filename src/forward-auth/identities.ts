// Whose request is it? From the credential that a gateway passes along, with what is true of its bearer at this moment.
import { type Answer, factsOf, satisfiesRole } from '@tenantry/client'
import type { ApiKeys } from '../api-keys/authentication.ts'
import { isSecret } from '../api-keys/secrets.ts'
import { authenticationIn } from '../authorization/circumstances.ts'
import { type Circumstances, NO_CIRCUMSTANCES } from '../authorization/conditions.ts'
import { factsOfApiKey, type Tenant } from '../authorization/facts.ts'
import { type Known, knownOf, knownOfMember } from '../authorization/subjects.ts'
import type { Clock } from '../clock.ts'
import { Problem } from '../errors.ts'
import type { FactsSource } from '../freshness/facts-source.ts'
import { credentialIn, isToken } from '../http/authentication.ts'
import type { Holder, TokenHolders } from '../tokens/authentication.ts'

export interface Identity {
  tenant: Tenant
  /** Null for a machine, and so is the membership. */
  user_id: string | null
  membership_id: string | null
  roles: readonly string[]
  client_id: string
  /** Who acts for the user; null when nobody does. */
  actor: string | null
  /** What is true of whoever it is at this moment, and what the credential says of the login. */
  known: Known
  circumstances: Circumstances
  /** What the credential itself says: it never reaches further. */
  answerTo(permission: string): Answer
}

export interface IdentityServices {
  issuer: string
  clock: Clock
  facts: FactsSource
  api_keys: ApiKeys
  token_holders: TokenHolders
}

/** What the gateway takes for a credential. */
interface Accepted {
  audience?: string
  api_keys?: boolean
}

/** @throws Problem 401 */
export const identify = async (
  services: IdentityServices,
  { authorization, address }: { authorization: string | undefined; address: string },
  { audience = services.issuer, api_keys = false }: Accepted,
): Promise<Identity> => {
  const credential = credentialIn(authorization)
  if (api_keys && isSecret(credential)) return ofApiKey(services, credential, address)
  if (!isToken(credential)) throw new Problem('credential.invalid')
  const holder = await services.token_holders.recall(credential, audience)
  if (typeof holder === 'string') throw new Problem(holder)
  return ofHolder(holder)
}

const ofApiKey = async ({ facts, api_keys }: IdentityServices, secret: string, address: string): Promise<Identity> => {
  const key = await api_keys.recall(secret, address)
  if (key === undefined || key.tenant_id === null) throw new Problem('credential.invalid')
  const found = await facts.ofApiKey(key.tenant_id, key.id)
  if (!found?.api_key) throw new Problem('credential.invalid') // deleted since it was found
  const known = knownOf(found, factsOfApiKey)
  return {
    ...MACHINE,
    tenant: found.tenant,
    client_id: key.id,
    known,
    circumstances: NO_CIRCUMSTANCES,
    answerTo: () => 'ask',
  }
}

const ofHolder = ({ bearer, tenant, facts, member, roles: current }: Holder): Identity => {
  const own = {
    ...{ tenant, client_id: bearer.client_id, actor: bearer.actor?.sub ?? null },
    ...{ known: knownOfMember(facts), circumstances: { authentication: authenticationIn(bearer.claims) } },
    answerTo: (permission: string) => bearer.answerTo(permission),
  }
  // A machine's key grants what the token says for as long as there is the key.
  if (member === null) return { ...own, ...MACHINE, known: { ...own.known, facts: factsOf(bearer.claims) } }
  const roles = bearer.roles.filter((role) => satisfiesRole(current, role))
  return { ...own, user_id: member.user_id, membership_id: member.id, roles }
}

const MACHINE = { user_id: null, membership_id: null, actor: null, roles: [] } as const
