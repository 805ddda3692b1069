// What may this subject do to this? Of the actions that the catalogue has for such a resource, those that policies name, and
// Tenantry's own.
import { isPermission } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/scope.ts'
import { factsFrom } from '../../freshness/facts-source.ts'
import type { Handlers } from '../../http/handlers.ts'
import type { PolicySets } from '../../policies/sets.ts'
import { decideUnder } from '../conditions.ts'
import { readAtLeast } from '../consistency.ts'
import { readCatalogueKeys } from '../facts.ts'
import { OWN_PERMISSIONS } from '../own-permissions.ts'
import { readKnown } from '../subjects.ts'
import { fillPage, noResults } from './paging.ts'
import { type Asked, found, OPEN, searchOf } from './question.ts'

type SearchRequest = components['schemas']['ActionSearchRequest']

export const actionSearchHandlers = (
  database: Database,
  policies: PolicySets,
  clock: Clock,
): Pick<Handlers, 'searchActions' | 'searchActionsInTenant'> => {
  const searchActions = async (asked: Asked<SearchRequest>) => {
    const { subject, resource, context } = asked.body
    const search = searchOf(asked, { subject, action: { name: OPEN }, resource, ...(context && { context }) })
    if (search === undefined) return found(noResults<{ name: string }>())
    const { about, question, circumstances, demands, place } = search
    const known = await readAtLeast(
      demands,
      () => readKnown(factsFrom(database, policies), about, true),
      ({ revisions }) => revisions,
    )
    const permitted = known.conditions.policies?.permitted ?? []
    const names = actionsOf(resource.type, [...(await readCatalogueKeys(database)), ...permitted.filter(isPermission)])
    const now = clock()
    const page = await fillPage(place, {
      list: async (after, limit) => names.filter((name) => after === undefined || name > after).slice(0, limit),
      positionOf: (name) => name,
      resultOf: (name) =>
        decideUnder(known, { ...question, permission: `${resource.type}:${name}` }, circumstances, now).decision
          ? { name }
          : undefined,
    })
    return found(page)
  }
  return { searchActions, searchActionsInTenant: searchActions }
}

const actionsOf = (type: string, catalogue: readonly string[]): string[] =>
  [...new Set([...catalogue, ...OWN_PERMISSIONS])]
    .map((key) => key.split(':'))
    .flatMap(([resource, action = '']) => (resource === type ? [action] : []))
    .sort()
