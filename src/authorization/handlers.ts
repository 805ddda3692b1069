// HTTP in and out of authorization: the endpoints of AuthZEN 1.0, each in a file of its own.
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import type { FactsSource } from '../freshness/facts-source.ts'
import type { Handlers } from '../http/handlers.ts'
import { type Evaluate, evaluationHandlers } from './evaluation.ts'
import { evaluationsHandlers, type FindFaults } from './evaluations.ts'
import { metadataHandlers } from './metadata.ts'
import { actionSearchHandlers } from './search/actions.ts'
import { type ListResources, resourceSearchHandlers } from './search/resources.ts'
import { subjectSearchHandlers } from './search/subjects.ts'

interface Services {
  database: Database
  facts: FactsSource
  clock: Clock
  evaluate: Evaluate
  issuer: string
  findFaults: FindFaults
  listResources: ListResources
}

type InTenant<Operation extends string> = Operation | `${Operation}InTenant`
type Mine =
  | InTenant<'evaluateAccess' | 'evaluateBatch' | 'searchSubjects' | 'searchResources' | 'searchActions'>
  | 'getPdpMetadata'
  | 'getPdpMetadataOfTenant'

export const authorizationHandlers = ({
  database,
  facts,
  clock,
  evaluate,
  issuer,
  findFaults,
  listResources,
}: Services): Pick<Handlers, Mine> => ({
  ...evaluationHandlers(evaluate),
  ...evaluationsHandlers({ database, policies: facts.policies, clock, evaluate, findFaults }),
  ...subjectSearchHandlers(database, facts.policies, clock),
  ...resourceSearchHandlers(database, facts.policies, clock, listResources),
  ...actionSearchHandlers(database, facts.policies, clock),
  ...metadataHandlers(issuer),
})
