// Whom a check is about, and what is known of them: facts for the pure rule, with the revisions they are true at.
import type { Facts, ResourceRef } from '@tenantry/client'
import type { Database } from '../database/scope.ts'
import type { FactsSource } from '../freshness/facts-source.ts'
import { isId } from '../ids.ts'
import { after, type Soon } from '../soon.ts'
import { type Conditions, NO_CONDITIONS } from './conditions.ts'
import type { Revisions } from './consistency.ts'
import {
  type ApiKeyFacts,
  type AtRevisions,
  factsOfApiKey,
  factsOfMember,
  type MemberFacts,
  readFactsOfApiKeys,
  readFactsOfUsers,
} from './facts.ts'

export interface About {
  tenant_id: string
  type: string
  id: string
  /** The one that is asked about. */
  resource?: ResourceRef | undefined
}

export interface Known {
  facts: Facts
  conditions: Conditions
  /** Whether of another resource other facts are known. */
  is_of_resource: boolean
  /** Empty: there is no such tenant. */
  revisions: Revisions
}

export const NOTHING_KNOWN: Known = {
  ...{ facts: { tenant: null, subject: null }, conditions: NO_CONDITIONS },
  ...{ is_of_resource: false, revisions: {} },
}

/** @param fresh what is in memory will not do: it was not as new as demanded */
export const readKnown = (source: FactsSource, about: About, fresh: boolean): Soon<Known> => {
  const { tenant_id, id, resource } = about
  const demand = fresh ? NEWER_THAN_KEPT : undefined
  if (!isId(tenant_id)) return NOTHING_KNOWN
  if (isApiKey(about)) return after(source.ofApiKey(tenant_id, id, demand), knownOfApiKey)
  const asked = demand === undefined ? { resource } : { ...demand, resource }
  return after(source.ofUser(tenant_id, userIdOf(about), asked), knownOfMember)
}

const NEWER_THAN_KEPT = { revision: Number.POSITIVE_INFINITY }

/**
 * The same for many. Of whoever has no grants on single resources it is read once, whatever resources are asked about: then
 * there are as many statements as there are kinds of subjects.
 */
export const readManyKnown = async (database: Database, abouts: readonly About[]): Promise<Map<About, Known>> => {
  const first = new Map(abouts.map((about) => [subjectOf(about), about]))
  const known = await readEachKnown(database, [...first.values()])
  const knownOfSubject = (about: About): Known => known.get(first.get(subjectOf(about)) ?? about) ?? NOTHING_KNOWN
  const others = abouts.filter((about) => !known.has(about) && knownOfSubject(about).is_of_resource)
  const more = await readEachKnown(database, others)
  return new Map(abouts.map((about) => [about, more.get(about) ?? knownOfSubject(about)]))
}

const subjectOf = ({ tenant_id, type, id }: About): string => JSON.stringify([tenant_id, type, id])

const readEachKnown = async (database: Database, abouts: readonly About[]): Promise<Map<About, Known>> => {
  const askable = abouts.filter(({ tenant_id }) => isId(tenant_id))
  const [keys, others] = [askable.filter(isApiKey), askable.filter((about) => !isApiKey(about))]
  const users = others.map((about) => ({ ...about, user_id: userIdOf(about) }))
  const [ofKeys, ofUsers] = await Promise.all([
    keys.length > 0 ? readFactsOfApiKeys(database, keys) : [],
    users.length > 0 ? readFactsOfUsers(database, users) : [],
  ])
  return new Map([
    ...abouts.map((about) => [about, NOTHING_KNOWN] as const),
    ...keys.map((about, index) => [about, knownOfApiKey(ofKeys[index] ?? null)] as const),
    ...others.map((about, index) => [about, knownOfMember(ofUsers[index] ?? null)] as const),
  ])
}

export const knownOfMember = (facts: MemberFacts | null): Known =>
  knownOf(facts, factsOfMember, facts?.membership?.has_resource_grants ?? false)

const knownOfApiKey = (facts: ApiKeyFacts | null): Known => knownOf(facts, factsOfApiKey, false)

/** Everything is at least as new as this. */
export const oldest = (all: Iterable<Known>): Revisions => {
  const revisions: Record<string, number> = {}
  for (const known of all) {
    for (const [history, revision] of Object.entries(known.revisions)) {
      revisions[history] = Math.min(revision, revisions[history] ?? revision)
    }
  }
  return revisions
}

const isApiKey = ({ type, id }: Pick<About, 'type' | 'id'>): boolean => type === 'api_key' && isId(id)

/** A subject of any other kind is nobody in the tenant, which is asked about all the same: no user id is empty. */
const userIdOf = ({ type, id }: Pick<About, 'type' | 'id'>): string => (type === 'user' ? id : '')

/** Of what is in memory, it is made once: an object with a tenant's id for a name costs more than the decision. */
const known = new WeakMap<AtRevisions, Known>()

/** @param factsOf the same facts for the pure rule */
export const knownOf = <F extends AtRevisions>(
  found: F | null,
  factsOf: (found: F | null) => Facts,
  is_of_resource = false,
): Known => {
  if (found === null) return NOTHING_KNOWN
  const before = known.get(found)
  if (before !== undefined) return before
  const now = { facts: factsOf(found), conditions: found.conditions, is_of_resource, revisions: revisionsOf(found) }
  known.set(found, now)
  return now
}

const revisionsOf = ({ tenant, revision, platform_revision }: AtRevisions): Revisions => ({
  [tenant.id]: revision,
  platform: platform_revision,
})
