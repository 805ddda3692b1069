// What may this subject do this to? Of the resources that are registered: others there may be, but nobody has told of them.
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/scope.ts'
import { factsFrom } from '../../freshness/facts-source.ts'
import type { Handlers } from '../../http/handlers.ts'
import type { PolicySets } from '../../policies/sets.ts'
import { decideUnder } from '../conditions.ts'
import { type Demand, readAtLeast } from '../consistency.ts'
import { type About, type Known, oldest, readKnown, readManyKnown } from '../subjects.ts'
import { fillPage, noResults } from './paging.ts'
import { type Asked, found, OPEN, searchOf } from './question.ts'

type SearchRequest = components['schemas']['ResourceSearchRequest']
type Found = components['schemas']['FoundEntity']

/** The registered resources of a type, in the order of their ids; fewer than the limit where there are no more. */
export type ListResources = (of: {
  tenant_id: string
  type: string
  after: string | undefined
  limit: number
}) => Promise<readonly { id: string }[]>

export const resourceSearchHandlers = (
  database: Database,
  policies: PolicySets,
  clock: Clock,
  listResources: ListResources,
): Pick<Handlers, 'searchResources' | 'searchResourcesInTenant'> => {
  /** What is known of the subject in view of each resource; the same for all where it has no grants on single ones. */
  const readOnEach = async (abouts: readonly About[], known: Known, demands: readonly Demand[]): Promise<Known[]> => {
    if (!known.is_of_resource || abouts.length === 0) return abouts.map(() => known)
    const of_each = await readAtLeast(
      demands,
      () => readManyKnown(database, policies, abouts),
      (all) => oldest(all.values()),
    )
    return [...of_each.values()]
  }
  const searchResources = async (asked: Asked<SearchRequest>) => {
    const { subject, action, resource, context } = asked.body
    const { type } = resource
    const search = searchOf(asked, {
      subject,
      action,
      resource: { ...resource, id: OPEN },
      ...(context && { context }),
    })
    if (search === undefined) return found(noResults<Found>())
    const { about, question, circumstances, demands, place } = search
    const known = await readAtLeast(
      demands,
      () => readKnown(factsFrom(database, policies), about, true),
      ({ revisions }) => revisions,
    )
    if (known.facts.subject === null) return found(noResults<Found>())
    const now = clock()
    const { tenant_id } = about
    const page = await fillPage(place, {
      list: async (after, limit) => {
        const resources = await listResources({ tenant_id, type, after, limit })
        const abouts = resources.map(({ id }) => ({ ...about, resource: { type, id } }))
        const of_each = await readOnEach(abouts, known, demands)
        return abouts.map(({ resource: { id } }, index) => ({ id, known: of_each[index] ?? known }))
      },
      positionOf: ({ id }) => id,
      resultOf: ({ id, known }) =>
        decideUnder(known, { ...question, resource_id: id }, circumstances, now).decision ? { type, id } : undefined,
    })
    return found(page)
  }
  return { searchResources, searchResourcesInTenant: searchResources }
}
