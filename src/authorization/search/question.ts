// What the three searches have in common: an evaluation of which one entity is left open.
import type { components } from '@tenantry/client/contract'
import { type Asking, type Check, checkOf, demandsOf } from '../evaluation.ts'
import { type Page, type Place, placeOf } from './paging.ts'

type Schemas = components['schemas']
type EvaluationRequest = Schemas['EvaluationRequest']

export interface Asked<Body> extends Asking {
  body: Body
  min_revision: string | undefined
}

export interface Search extends Check {
  place: Place
}

/** Stands for the entity that is looked for, until there is a candidate. */
export const OPEN = ''

/**
 * @param open the search, as the evaluation that is asked of every candidate
 * @returns undefined where the request names two tenants: there is nothing to be found
 */
export const searchOf = (
  asked: Asked<{ page?: Schemas['SearchPage'] }>,
  open: EvaluationRequest,
): Search | undefined => {
  const { body, min_revision } = asked
  const check = checkOf(asked, open)
  if (check === undefined) return undefined
  const place = placeOf([check.about.tenant_id, open], body.page)
  return { ...check, demands: demandsOf(check, min_revision), place }
}

export const found = <Result>(page: Page<Result>) => ({ status: 200 as const, body: page })
