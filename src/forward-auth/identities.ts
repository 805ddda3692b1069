// Whose request is it? From the credential that a gateway passes along, with what is true of its bearer at this moment.
import { type Answer, type Principal as Bearer, factsOf, satisfiesRole } from '@tenantry/client'
import type { ApiKeys } from '../api-keys/authentication.ts'
import { isSecret } from '../api-keys/secrets.ts'
import { authenticationIn } from '../authorization/circumstances.ts'
import { type Circumstances, NO_CIRCUMSTANCES } from '../authorization/conditions.ts'
import type { Tenant } from '../authorization/facts.ts'
import {
  type Known,
  knownOfMember,
  NEWER_THAN_KEPT,
  NOTHING_KNOWN,
  readJudged,
  readKnown,
} from '../authorization/subjects.ts'
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
  /** What will be decided on. */
  permission?: string
}

/** @throws Problem 401 */
export const identify = async (
  services: IdentityServices,
  { authorization, address }: { authorization: string | undefined; address: string },
  { audience = services.issuer, api_keys = false, permission }: Accepted,
): Promise<Identity> => {
  const credential = credentialIn(authorization)
  if (api_keys && isSecret(credential)) return ofApiKey(services, credential, address, permission)
  if (!isToken(credential)) throw new Problem('credential.invalid')
  const holder = await services.token_holders.recall(credential, audience)
  if (typeof holder === 'string') throw new Problem(holder)
  return ofHolder(services, holder, permission)
}

const ofApiKey = async (
  { facts, api_keys }: IdentityServices,
  secret: string,
  address: string,
  permission: string | undefined,
): Promise<Identity> => {
  const key = await api_keys.recall(secret, address)
  if (key === undefined || key.tenant_id === null) throw new Problem('credential.invalid')
  const found = await facts.ofApiKey(key.tenant_id, key.id)
  if (!found?.api_key) throw new Problem('credential.invalid') // deleted since it was found
  const about = { tenant_id: key.tenant_id, type: 'api_key', id: key.id }
  return {
    ...MACHINE,
    tenant: found.tenant,
    client_id: key.id,
    known: await readKnown(facts, about, false, permission),
    circumstances: NO_CIRCUMSTANCES,
    answerTo: () => 'ask',
  }
}

const ofHolder = async (
  { facts: source }: IdentityServices,
  holder: Holder,
  permission: string | undefined,
): Promise<Identity> => {
  const { bearer, tenant, facts, member, roles: current } = holder
  const own = {
    ...{ tenant, client_id: bearer.client_id, actor: bearer.actor?.sub ?? null },
    circumstances: { authentication: authenticationIn(bearer.claims) },
    answerTo: (permission: string) => bearer.answerTo(permission),
  }
  if (member === null) return { ...own, ...MACHINE, known: await knownOfMachine(source, bearer, permission) }
  const { user_id, id: membership_id } = member
  const [known = NOTHING_KNOWN] = await readJudged(source.policies, async (again) => [
    knownOfMember(again ? await source.ofUser(tenant.id, user_id, NEWER_THAN_KEPT) : facts),
  ])
  const roles = bearer.roles.filter((role) => satisfiesRole(current, role))
  return { ...own, known, user_id, membership_id, roles }
}

/**
 * What its key grants now. A key of the platform is not known in the tenant: it grants what the token says for as long as there
 * is the key, and there nothing of what policies may forbid.
 */
const knownOfMachine = async (source: FactsSource, bearer: Bearer, permission: string | undefined): Promise<Known> => {
  const about = { tenant_id: bearer.tenant_id, type: 'api_key', id: bearer.client_id }
  const known = await readKnown(source, about, false, permission)
  return known.facts.subject === null ? { ...known, facts: factsOf(bearer.claims) } : known
}

const MACHINE = { user_id: null, membership_id: null, actor: null, roles: [] } as const
