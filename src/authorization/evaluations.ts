// AuthZEN Authorization API 1.0, access evaluations: many checks in one request. What is known of a subject is read once,
// however often it is asked about, and of all subjects at the same time.
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import { type Pointer, Problem } from '../errors.ts'
import type { Handlers } from '../http/handlers.ts'
import type { PolicySets } from '../policies/sets.ts'
import { breathing } from './breathing.ts'
import { demandsIn, IN_HEADER, readAtLeast } from './consistency.ts'
import { type Asking, answerTo, type Check, checkOf, type Evaluate, mismatch } from './evaluation.ts'
import { itemsOf } from './items.ts'
import { type About, type Known, NOTHING_KNOWN, oldest, readManyKnown } from './subjects.ts'

type Schemas = components['schemas']
type EvaluationRequest = Schemas['EvaluationRequest']
type EvaluationResponse = Schemas['EvaluationResponse']
type Semantic = NonNullable<NonNullable<Schemas['EvaluationsRequest']['options']>['evaluations_semantic']>

/** What the contract finds wrong with a value as a single check; nothing for one that is right. */
export type FindFaults = (value: unknown) => Pointer[]

interface Services {
  database: Database
  policies: PolicySets
  clock: Clock
  evaluate: Evaluate
  findFaults: FindFaults
}

interface Asked extends Asking {
  body: Schemas['EvaluationsRequest']
  min_revision: string | undefined
}

/** An item: still to be decided, or answered already. */
type Item = { check: Check } | { answer: EvaluationResponse }

const faultAnswer = ({ pointer, detail }: Pointer): EvaluationResponse => ({
  decision: false,
  context: { error: { status: 400, message: pointer === '' ? detail : `${pointer}: ${detail}` } },
})

const itemOf = (asking: Asking, asked: unknown, findFaults: FindFaults): Item => {
  const [fault] = findFaults(asked)
  if (fault !== undefined) return { answer: faultAnswer(fault) }
  const request = asked as EvaluationRequest // the contract has just found it to be one
  try {
    const check = checkOf(asking, request)
    return check === undefined ? { answer: mismatch(request) } : { check }
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 400) throw error
    return { answer: faultAnswer(error.errors[0] ?? { pointer: '', detail: error.detail }) }
  }
}

/** One of each subject and resource stands for all that ask about the same. */
const distinct = (checks: readonly Check[]): Map<string, About> =>
  new Map(checks.map(({ about }) => [keyOf(about), about]))

const keyOf = ({ tenant_id, type, id, resource }: About): string =>
  JSON.stringify([tenant_id, type, id, resource?.type, resource?.id])

/** The decision after which the others are not asked for. */
const TRIGGER: Record<Semantic, boolean | undefined> = {
  execute_all: undefined,
  deny_on_first_deny: false,
  permit_on_first_permit: true,
}

const answerInOrder = async <I>(items: readonly I[], semantic: Semantic, answer: (item: I) => EvaluationResponse) => {
  const answers: EvaluationResponse[] = []
  const breathe = breathing()
  for (const item of items) {
    await breathe()
    const latest = answer(item)
    answers.push(latest)
    if (latest.decision === TRIGGER[semantic]) break
  }
  return answers
}

const evaluateItems = async ({ database, policies, clock, findFaults }: Services, asked: Asked) => {
  const { body, min_revision } = asked
  const items = itemsOf(body).map((item) => itemOf(asked, item, findFaults))
  const checks = items.flatMap((item) => ('check' in item ? [item.check] : []))
  const abouts = distinct(checks)
  const tenants = new Set(checks.map(({ about }) => about.tenant_id))
  const demands = [
    ...demandsIn(min_revision, IN_HEADER, (tenant_id) => tenants.has(tenant_id)),
    ...checks.flatMap(({ demands }) => demands),
  ]
  const known = await readAtLeast(
    demands,
    () => readManyKnown(database, policies, [...abouts.values()]),
    (found) => oldest(found.values()),
  )
  const now = clock()
  const knownOf = ({ about }: Check): Known => known.get(abouts.get(keyOf(about)) ?? about) ?? NOTHING_KNOWN
  return answerInOrder(items, body.options?.evaluations_semantic ?? 'execute_all', (item) =>
    'check' in item ? answerTo(item.check, knownOf(item.check), now) : item.answer,
  )
}

export const evaluationsHandlers = (services: Services): Pick<Handlers, 'evaluateBatch' | 'evaluateBatchInTenant'> => {
  const evaluateBatch = async (asked: Asked) => {
    const { body } = asked
    if (body.evaluations?.length) {
      return { status: 200 as const, body: { evaluations: await evaluateItems(services, asked) } }
    }
    const errors = services.findFaults(body)
    if (errors.length > 0) throw new Problem('request.invalid', { errors })
    return { status: 200 as const, body: await services.evaluate({ ...asked, body: body as EvaluationRequest }) }
  }
  return { evaluateBatch, evaluateBatchInTenant: evaluateBatch }
}
