// What a policy may say: one statement of Cedar, about the product's permissions, with the words that a question has. What
// could only be a slip of the pen is refused when it is written, because a `forbid` that never applies forbids nothing.
import { isPattern, isPermission, isReserved } from '@tenantry/client'
import type { Effect } from '../database/schema.ts'
import { type Pointer, Problem } from '../errors.ts'
import { isTooDeep } from './bounds.ts'
import { type DetailedError, type PolicyJson, withCedar } from './cedar.ts'
import { accessesIn, countVariable, entityTypesIn } from './walk.ts'

/** What is known of a policy besides its text. */
export interface Meaning {
  effect: Effect
  /** Patterns of the permissions that it is about; `*` where it does not say. */
  actions: string[]
  /** Whether the stored properties of the resource matter. */
  reads_resource: boolean
}

const LARGEST_BYTES = 16_384
const MOST_ACTIONS = 50

/** @throws Problem `policy.invalid`, saying what is wrong and where */
export const meaningOf = (text: string): Meaning => {
  if (Buffer.byteLength(text) > LARGEST_BYTES) refuse(['A policy may have 16 KiB at most.'])
  if (isTooDeep(text)) refuse(['It is nested too deep, or has too many operators in a row. Make two policies of it.'])
  const policy = parse(text)
  const actions = actionsOf(policy)
  const faults = [...faultsOfActions(actions), ...faultsOfScope(policy), ...faultsOfWords(policy)]
  if (faults.length > 0) refuse(faults)
  return { effect: policy.effect, actions, reads_resource: readsResource(policy) }
}

const refuse = (faults: readonly string[]): never => {
  const errors: Pointer[] = [...new Set(faults)].map((detail) => ({ pointer: '/text', detail }))
  throw new Problem('policy.invalid', { errors })
}

const parse = (text: string): PolicyJson => {
  const answer = withCedar(({ policyToJson }) => policyToJson(text))
  if (answer.type === 'success') return answer.json
  return refuse(answer.errors.map((error) => describe(text, error)))
}

const PREFIX = 'failed to parse policy from string: '

const describe = (text: string, { message, help, sourceLocations: [place] = [] }: DetailedError): string => {
  const what = message.startsWith(PREFIX) ? message.slice(PREFIX.length) : message
  const advice = help ?? place?.label
  return `${place ? `${positionOf(text, place.start)}: ` : ''}${what}${advice ? ` (${advice})` : ''}.`
}

/** The engine counts bytes. */
const positionOf = (text: string, bytes: number): string => {
  const before = Buffer.from(text).subarray(0, bytes).toString().split('\n')
  return `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`
}

type Entity = { type: string; id: string }

const entityOf = (entity: Entity | { __entity: Entity }): Entity => ('__entity' in entity ? entity.__entity : entity)

/** Actions of another namespace keep it, and are refused for it. */
const actionsOf = ({ action }: PolicyJson): string[] => {
  if (action.op === 'All' || 'slot' in action) return ['*']
  const entities = 'entities' in action ? action.entities : [action.entity]
  return [...new Set(entities.map(entityOf).map(({ type, id }) => (type === 'Action' ? id : `${type}::${id}`)))]
}

const faultsOfActions = (actions: readonly string[]): string[] => {
  if (actions.length === 0) return ['It names no action, and would never apply.']
  if (actions.length > MOST_ACTIONS) return [`It may name ${MOST_ACTIONS} actions at most.`]
  return actions.flatMap((action) => {
    if (!isPattern(action)) return [`Action::"${action}" is no permission, such as Action::"invoice:write".`]
    if (!isReserved(action.split(/[:.]/, 1)[0] ?? '')) return []
    return [`Action::"${action}" is Tenantry's own, and policies are about the product's permissions.`]
  })
}

const PRINCIPALS = ['User', 'ApiKey']
const PARENTS = ['Group', 'Role']

const faultsOfScope = (policy: PolicyJson): string[] => [
  ...faultsOfAction(policy),
  ...faultsOfPrincipal(policy),
  ...faultsOfResource(policy),
]

const faultsOfAction = ({ action }: PolicyJson): string[] => {
  if (action.op !== '==' || !('entity' in action)) return []
  const { id } = entityOf(action.entity)
  return isPattern(id) && !isPermission(id) ? [`Write action in [Action::"${id}"], which is not a single action.`] : []
}

const faultsOfPrincipal = ({ principal }: PolicyJson): string[] => {
  if (principal.op === '==' && 'entity' in principal)
    return faultOfType('principal ==', entityOf(principal.entity).type, PRINCIPALS)
  const parent = principal.op === 'is' ? principal.in : principal.op === 'in' ? principal : undefined
  return [
    ...(principal.op === 'is' ? faultOfType('principal is', principal.entity_type, PRINCIPALS) : []),
    ...(parent && 'entity' in parent ? faultOfType('principal in', entityOf(parent.entity).type, PARENTS) : []),
  ]
}

const faultsOfResource = ({ resource }: PolicyJson): string[] => {
  if (resource.op === 'All') return []
  if (resource.op !== '==' || !('entity' in resource))
    return ['Of resources it may name one, resource == Resource::"invoice/42", or none.']
  const { type, id } = entityOf(resource.entity)
  return [...faultOfType('resource ==', type, ['Resource']), ...faultOfResource(id)]
}

const faultOfType = (where: string, type: string, types: readonly string[]): string[] =>
  types.includes(type) ? [] : [`${where} ${type}: here it is ${types.join(' or ')}.`]

const faultOfResource = (id: string): string[] =>
  /^[^/]+\/./.test(id) ? [] : [`Resource::"${id}" is not type and id, such as Resource::"invoice/42".`]

const TYPES = [...PRINCIPALS, ...PARENTS, 'Action', 'Resource']

/** The attributes that an entity has; a context may have any. */
const ATTRIBUTES: Record<string, readonly string[]> = {
  principal: ['id', 'roles', 'membership_id', 'properties'],
  resource: ['type', 'id', 'properties'],
  action: ['properties'],
}

const faultsOfWords = (policy: PolicyJson): string[] => [
  ...entityTypesIn(policy)
    .filter((type) => !TYPES.includes(type))
    .map((type) => `There is no ${type}: entities are ${TYPES.join(', ')}.`),
  ...accessesIn(policy)
    .filter(({ variable, attribute }) => ATTRIBUTES[variable]?.includes(attribute) === false)
    .map(
      ({ variable, attribute }) =>
        `${variable} has no "${attribute}"; what is stored of it is in ${variable}.properties.`,
    ),
]

/** Anything but its type and id. */
const readsResource = (policy: PolicyJson): boolean => {
  const named = accessesIn(policy).filter(
    ({ variable, attribute }) => variable === 'resource' && attribute !== 'properties',
  )
  return countVariable(policy, 'resource') > named.length
}
