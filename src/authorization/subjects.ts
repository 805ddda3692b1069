// Whom a check is about, and what is known of them: facts for the pure rule, with the revisions they are true at.
import type { Facts, ResourceRef } from '@tenantry/client'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { FactsSource } from '../freshness/facts-source.ts'
import { isId } from '../ids.ts'
import type { Attributes, Judging } from '../policies/judging.ts'
import type { PolicySets } from '../policies/sets.ts'
import { after, type Soon } from '../soon.ts'
import { type Conditions, NO_CONDITIONS } from './conditions.ts'
import type { Revisions } from './consistency.ts'
import {
  type ApiKeyFacts,
  type AtRevisions,
  factsOfApiKey,
  factsOfMember,
  type Member,
  type MemberFacts,
  readFactsOfApiKeys,
} from './facts.ts'
import { readFactsOfUsers } from './facts-of-users.ts'

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
  /** What policies look at; null where there are none. */
  attributes: Attributes | null
  /** The policies; null where there are none, and as long as they are not there yet. */
  judging: Judging | null
  /** Whether of another resource other facts are known. */
  is_of_resource: boolean
  /** Empty: there is no such tenant. */
  revisions: Revisions
}

export const NOTHING_KNOWN: Known = {
  ...{ facts: { tenant: null, subject: null }, conditions: NO_CONDITIONS, attributes: null, judging: null },
  ...{ is_of_resource: false, revisions: {} },
}

/**
 * @param fresh what is in memory will not do: it was not as new as demanded
 * @param permission the only one that will be decided on; undefined where there are several
 */
export const readKnown = (source: FactsSource, about: About, fresh: boolean, permission?: string): Soon<Known> =>
  after(readOne(source, about, fresh, permission), (known) =>
    known.conditions.policies === null
      ? known
      : after(withPolicies(source.policies, known), (judged) => judged ?? readAgain(source, about, permission)),
  )

const readAgain = async (source: FactsSource, about: About, permission: string | undefined): Promise<Known> => {
  const read = async () => [await readOne(source, about, true, permission)]
  const [known = NOTHING_KNOWN] = await readJudged(source.policies, read)
  return known
}

const readOne = (source: FactsSource, about: About, fresh: boolean, permission: string | undefined): Soon<Known> => {
  const { tenant_id, id, resource } = about
  if (!isId(tenant_id)) return NOTHING_KNOWN
  const asked = fresh ? { ...NEWER_THAN_KEPT, resource, permission } : { resource, permission }
  if (isApiKey(about)) return after(source.ofApiKey(tenant_id, id, asked), knownOfApiKey)
  return after(source.ofUser(tenant_id, userIdOf(about), asked), knownOfMember)
}

export const NEWER_THAN_KEPT = { revision: Number.POSITIVE_INFINITY }

/** Policies change while facts are read, but not as fast as that. */
const MOST_READINGS = 5

/**
 * What is read, with the policies of the same revisions.
 * @param read again, where the policies were others by then than those that the facts name
 */
export const readJudged = async (
  sets: PolicySets,
  read: (again: boolean) => Promise<readonly Known[]>,
): Promise<readonly Known[]> => {
  for (let reading = 0; reading < MOST_READINGS; reading++) {
    const all = await read(reading > 0)
    if (all.every(({ conditions }) => conditions.policies === null)) return all
    const judged = (await Promise.all(all.map((known) => withPolicies(sets, known)))).filter(isThere)
    if (judged.length === all.length) return judged
  }
  throw new Problem('database.busy')
}

const isThere = (known: Known | undefined): known is Known => known !== undefined

const withPolicies = (sets: PolicySets, known: Known): Soon<Known | undefined> => {
  const { conditions, attributes, facts } = known
  if (conditions.policies === null || attributes === null || facts.tenant === null) return known
  return after(sets.find(facts.tenant.id, conditions.policies.digest), (set) =>
    set === undefined
      ? undefined
      : { ...known, judging: { set, attributes }, is_of_resource: known.is_of_resource || set.reads_resource },
  )
}

/**
 * The same for many. Of whoever has no grants on single resources it is read once, whatever resources are asked about, unless
 * policies look at these: then there are as many statements as there are kinds of subjects.
 */
export const readManyKnown = async (
  database: Database,
  sets: PolicySets,
  abouts: readonly About[],
): Promise<Map<About, Known>> => {
  const first = new Map(abouts.map((about) => [subjectOf(about), about]))
  const known = await readEachKnown(database, sets, [...first.values()])
  const knownOfSubject = (about: About): Known => known.get(first.get(subjectOf(about)) ?? about) ?? NOTHING_KNOWN
  const others = abouts.filter((about) => !known.has(about) && knownOfSubject(about).is_of_resource)
  const more = await readEachKnown(database, sets, others)
  return new Map(abouts.map((about) => [about, known.get(about) ?? more.get(about) ?? knownOfSubject(about)]))
}

const subjectOf = ({ tenant_id, type, id }: About): string => JSON.stringify([tenant_id, type, id])

const readEachKnown = async (
  database: Database,
  sets: PolicySets,
  abouts: readonly About[],
): Promise<Map<About, Known>> => {
  const askable = abouts.filter(({ tenant_id }) => isId(tenant_id))
  const [keys, others] = [askable.filter(isApiKey), askable.filter((about) => !isApiKey(about))]
  const users = others.map((about) => ({ ...about, user_id: userIdOf(about) }))
  const found = await readJudged(sets, async () => {
    const [ofKeys, ofUsers] = await Promise.all([
      keys.length > 0 ? readFactsOfApiKeys(database, keys) : [],
      users.length > 0 ? readFactsOfUsers(database, users) : [],
    ])
    return [...ofKeys.map(knownOfApiKey), ...ofUsers.map(knownOfMember)]
  })
  const read = [...keys, ...others].map((about, index) => [about, found[index] ?? NOTHING_KNOWN] as const)
  return new Map([...abouts.map((about) => [about, NOTHING_KNOWN] as const), ...read])
}

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

export const knownOfMember = (found: MemberFacts | null): Known => {
  const member = found?.membership
  if (!member) return knownOf(found, factsOfMember, () => null)
  return knownOf(
    found,
    factsOfMember,
    () => ({ ...member, type: 'user', id: member.user_id }),
    member.has_resource_grants,
  )
}

export const knownOfApiKey = (found: ApiKeyFacts | null): Known =>
  knownOf(found, factsOfApiKey, () => (found?.api_key ? { ...NO_MEMBER, type: 'api_key', id: found.api_key.id } : null))

const NO_MEMBER = { groups: null, properties: null }

type OfSubject = Pick<Attributes, 'type' | 'id'> & Pick<Member, 'groups' | 'properties'>

const attributesOf = (
  { conditions: { policies }, by_name, resource_properties }: MemberFacts | ApiKeyFacts,
  { type, id, groups, properties }: OfSubject,
): Attributes | null =>
  policies && {
    ...{ type, id, by_name, trusts_caller: policies.trusts_caller },
    ...{ groups: groups ?? [], properties: properties ?? {}, resource_properties: resource_properties ?? {} },
  }

/** Of what is in memory, it is made once: an object with a tenant's id for a name costs more than the decision. */
const known = new WeakMap<AtRevisions, Known>()

/** @param factsOf the same facts for the pure rule */
const knownOf = <F extends MemberFacts | ApiKeyFacts>(
  found: F | null,
  factsOf: (found: F | null) => Facts,
  subjectOf: () => OfSubject | null,
  is_of_resource = false,
): Known => {
  if (found === null) return NOTHING_KNOWN
  const before = known.get(found)
  if (before !== undefined) return before
  const subject = subjectOf()
  const now = {
    ...{ facts: factsOf(found), conditions: found.conditions, is_of_resource, revisions: revisionsOf(found) },
    ...{ attributes: subject && attributesOf(found, subject), judging: null },
  }
  known.set(found, now)
  return now
}

const revisionsOf = ({ tenant, revision, platform_revision }: AtRevisions): Revisions => ({
  [tenant.id]: revision,
  platform: platform_revision,
})
