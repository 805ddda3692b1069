// Who in the tenant may do this? Every member is decided on as a check would be, on facts that are read a page at a time.
import { decide } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../../clock.ts'
import { PLATFORM } from '../../database/schema.ts'
import type { Database } from '../../database/scope.ts'
import { Problem } from '../../errors.ts'
import type { Handlers } from '../../http/handlers.ts'
import { mayDo, type Principal } from '../../http/principal.ts'
import { isId } from '../../ids.ts'
import type { PolicySets } from '../../policies/sets.ts'
import { circumstancesOf } from '../circumstances.ts'
import { type Circumstances, decideUnder } from '../conditions.ts'
import { readAtLeast } from '../consistency.ts'
import { type MembersPage, readFactsOfMembers } from '../facts.ts'
import { type Known, knownOfMember, NOTHING_KNOWN, readJudged } from '../subjects.ts'
import { fillPage, invalidToken, noResults, type Page } from './paging.ts'
import { type Asked, found, OPEN, type Search, searchOf } from './question.ts'

type SearchRequest = components['schemas']['SubjectSearchRequest']
type Found = components['schemas']['FoundEntity']
type Member = MembersPage['members'][number]

const NAMES_PEOPLE = 'tenantry.membership:read'

/** Before all others in the order of ids. */
const BEGINNING = PLATFORM

export const subjectSearchHandlers = (
  database: Database,
  policies: PolicySets,
  clock: Clock,
): Pick<Handlers, 'searchSubjects' | 'searchSubjectsInTenant'> => {
  const searchSubjects = async (asked: Asked<SearchRequest>) => {
    requireMayReadMembers(asked.principal)
    const { subject, action, resource, context } = asked.body
    const search = searchOf(asked, { subject: { ...subject, id: OPEN }, action, resource, ...(context && { context }) })
    if (search === undefined || subject.type !== 'user' || !isId(search.about.tenant_id))
      return found(noResults<Found>())
    const circumstances = (id: string) =>
      circumstancesOf(asked.principal, { subject: { ...subject, id }, action, resource, context })
    return found(await searchMembers(database, policies, search, circumstances, clock()))
  }
  return { searchSubjects, searchSubjectsInTenant: searchSubjects }
}

const requireMayReadMembers = (principal: Principal): void => {
  if (mayDo(principal, NAMES_PEOPLE)) return
  throw new Problem('permission.missing', { detail: `A search for subjects needs the permission ${NAMES_PEOPLE} too.` })
}

/** A member, and what is known of him. */
interface Candidate {
  id: string
  user_id: string | undefined
  known: Known
}

const searchMembers = async (
  database: Database,
  policies: PolicySets,
  { about, question, demands, place }: Search,
  circumstances: (user_id: string) => Circumstances,
  now: Date,
): Promise<Page<Found>> => {
  if (place.after !== undefined && !isId(place.after)) throw invalidToken('This is not where a page of members begins.')
  const readPage = async (after: string, limit: number): Promise<Member[]> => {
    const page = await readAtLeast(
      demands,
      () => readFactsOfMembers(database, about.tenant_id, { after, limit, resource: about.resource }),
      (page) => (page ? { [about.tenant_id]: page.revision, platform: page.platform_revision } : {}),
    )
    return page === null || isForNobody(page) ? [] : page.members
  }
  const list = async (after = BEGINNING, limit: number): Promise<Candidate[]> => {
    let members: Member[] = []
    const all = await readJudged(policies, async () => {
      members = await readPage(after, limit)
      return members.map(({ facts }) => knownOfMember(facts))
    })
    return members.map(({ id, facts }, index) => ({
      ...{ id, user_id: facts?.membership?.user_id, known: all[index] ?? NOTHING_KNOWN },
    }))
  }
  /** Of a tenant that is suspended, say, there is no need to ask member by member. */
  const isForNobody = ({ members: [first] }: MembersPage): boolean => {
    if (!first?.facts) return false
    const nobody = { ...knownOfMember(first.facts).facts, subject: null }
    return decide(nobody, question, now).reason.code !== 'not_a_member'
  }
  return fillPage(place, {
    list,
    positionOf: ({ id }) => id,
    resultOf: ({ user_id, known }) => {
      if (user_id === undefined) return undefined
      const { decision } = decideUnder(known, question, circumstances(user_id), now)
      return decision ? { type: 'user', id: user_id } : undefined
    },
  })
}
