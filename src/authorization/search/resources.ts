// What may this subject do this to? Of the resources that are registered: others there may be, but nobody has told of them.
import { decide } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/scope.ts'
import { factsFrom } from '../../freshness/facts-source.ts'
import type { Handlers } from '../../http/handlers.ts'
import { readAtLeast } from '../consistency.ts'
import { readKnown } from '../subjects.ts'
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
  clock: Clock,
  listResources: ListResources,
): Pick<Handlers, 'searchResources' | 'searchResourcesInTenant'> => {
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
    const { about, question, demands, place } = search
    const known = await readAtLeast(
      demands,
      () => readKnown(factsFrom(database), about, true),
      ({ revisions }) => revisions,
    )
    const now = clock()
    const { tenant_id } = about
    const page = await fillPage(place, {
      list: (after, limit) => listResources({ tenant_id, type, after, limit }),
      positionOf: ({ id }) => id,
      resultOf: ({ id }) => (decide(known.facts, question, now).decision ? { type, id } : undefined),
    })
    return found(page)
  }
  return { searchResources, searchResourcesInTenant: searchResources }
}
