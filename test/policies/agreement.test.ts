// Random policies over random questions, against a model that is too simple to be wrong: what the service decides with the
// engine, the model decides with a few lines.
import { decide, type Facts } from '@tenantry/client'
import fc from 'fast-check'
import t from 'tap'
import { decideUnder, NO_CIRCUMSTANCES } from '../../src/authorization/conditions.ts'
import { PolicyEngine } from '../../src/policies/engine.ts'
import { meaningOf } from '../../src/policies/language.ts'
import { PolicySet } from '../../src/policies/set.ts'

type Told = Record<string, number | string | boolean>
interface World {
  roles: string[]
  groups: string[]
  member: Told
  resource: Told
  context: Told
}

/** A condition in Cedar, and what it comes to: undefined where it cannot be decided. */
interface Condition {
  text: string
  holds(world: World): boolean | undefined
}

const NAMES = ['a', 'b', 'c']
const told = fc.dictionary(
  fc.constantFrom(...NAMES),
  fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom('x', 'y'), fc.boolean()),
  { maxKeys: 3 },
)
const PLACES: [text: string, of: (world: World) => Told][] = [
  ['principal.properties', ({ member }) => member],
  ['resource.properties', ({ resource }) => resource],
  ['context', ({ context }) => context],
]
const place = fc.constantFrom(...PLACES)
const name = fc.constantFrom(...NAMES)

const has = fc.tuple(place, name).map(
  ([[where, of], name]): Condition => ({
    text: `${where} has ${name}`,
    holds: (world) => Object.hasOwn(of(world), name),
  }),
)
const equals = fc.tuple(place, name, place, name).map(
  ([[one, ofOne], first, [other, ofOther], second]): Condition => ({
    text: `${one}.${first} == ${other}.${second}`,
    holds: (world) => {
      const [left, right] = [ofOne(world)[first], ofOther(world)[second]]
      return left === undefined || right === undefined ? undefined : left === right
    },
  }),
)
const exceeds = fc.tuple(place, name, fc.integer({ min: 0, max: 3 })).map(
  ([[where, of], name, limit]): Condition => ({
    text: `${where}.${name} > ${limit}`,
    holds: (world) => {
      const value = of(world)[name]
      return typeof value === 'number' ? value > limit : undefined
    },
  }),
)
const itself = fc.tuple(place, name).map(
  ([[where, of], name]): Condition => ({
    text: `${where}.${name}`,
    holds: (world) => {
      const value = of(world)[name]
      return typeof value === 'boolean' ? value : undefined
    },
  }),
)
const inRole = fc.constantFrom('r', 'q').map(
  (role): Condition => ({
    text: `principal in Role::"${role}"`,
    holds: ({ roles }) => roles.includes(role),
  }),
)

const condition = fc.letrec<{ any: Condition; not: Condition; and: Condition; or: Condition }>((tie) => ({
  any: fc.oneof({ maxDepth: 3 }, has, equals, exceeds, itself, inRole, tie('not'), tie('and'), tie('or')),
  not: tie('any').map(({ text, holds }) => ({
    text: `!(${text})`,
    holds: (world) => {
      const held = holds(world)
      return held === undefined ? undefined : !held
    },
  })),
  and: fc.tuple(tie('any'), tie('any')).map(([one, other]) => ({
    text: `(${one.text}) && (${other.text})`,
    holds: (world) => (one.holds(world) === true ? other.holds(world) : one.holds(world)),
  })),
  or: fc.tuple(tie('any'), tie('any')).map(([one, other]) => ({
    text: `(${one.text}) || (${other.text})`,
    holds: (world) => (one.holds(world) === false ? other.holds(world) : one.holds(world)),
  })),
})).any

const ACTIONS = ['thing:do', 'thing:*', '*:do', '*', 'other:do', 'thing:undo']
const SUBJECTS: [text: string, is: (world: World) => boolean][] = [
  ['principal', () => true],
  ['principal is User', () => true],
  ['principal is ApiKey', () => false],
  ['principal in Role::"r"', ({ roles }) => roles.includes('r')],
  ['principal in Group::"g"', ({ groups }) => groups.includes('g')],
  ['principal == User::"vera"', () => true],
  ['principal == User::"bob"', () => false],
]
const policy = fc.record({
  effect: fc.constantFrom('permit' as const, 'forbid' as const),
  subject: fc.constantFrom(...SUBJECTS),
  actions: fc.option(fc.subarray(ACTIONS, { minLength: 1 }), { nil: undefined }),
  resource: fc.constantFrom('resource', 'resource == Resource::"thing/1"', 'resource == Resource::"thing/2"'),
  clause: fc.constantFrom('when', 'unless'),
  condition,
})
type Policy = typeof policy extends fc.Arbitrary<infer P> ? P : never

const textOf = ({ effect, subject: [subject], actions, resource, clause, condition }: Policy): string => {
  const action = actions ? `action in [${actions.map((each) => `Action::"${each}"`).join()}]` : 'action'
  return `${effect} (${subject}, ${action}, ${resource}) ${clause} { ${condition.text} };`
}

/** Whether it applies to "vera does thing:do on thing/1", or cannot be decided. */
const applies = (
  { subject: [, is], actions, resource, clause, condition }: Policy,
  world: World,
): boolean | undefined => {
  const isAbout = actions === undefined || actions.some((each) => ACTIONS.slice(0, 4).includes(each))
  if (!is(world) || !isAbout || resource.endsWith('2"')) return false
  const holds = condition.holds(world)
  return holds === undefined ? undefined : holds === (clause === 'when')
}

const modelDecides = (policies: readonly Policy[], world: World, isGranted: boolean): boolean => {
  const of = (effect: string) => policies.filter((each) => each.effect === effect).map((each) => applies(each, world))
  return (isGranted || of('permit').includes(true)) && of('forbid').every((applied) => applied === false)
}

const factsOf = ({ roles }: World, isGranted: boolean): Facts => ({
  tenant: { id: 'acme', status: 'active' },
  subject: {
    ...{ kind: 'membership', id: 'm', status: 'active', expires_at: null },
    grants: [
      ...roles.map((role) => ({ role, permissions: [], excludes: [] })),
      ...(isGranted ? [{ role: 'doer', permissions: ['thing:do'], excludes: [] }] : []),
    ],
  },
})

const engine = new PolicyEngine()

const serviceDecides = (policies: readonly Policy[], world: World, isGranted: boolean): boolean => {
  const inForce = policies.map((each, index) => {
    const text = textOf(each)
    return { id: `${index}`, key: `${index}`, text, revision: 1, ...meaningOf(text) }
  })
  const digest = inForce.map(({ text }) => text).join()
  const set = new PolicySet(
    inForce.map((each) => ({ ...each, id: `${each.id} ${each.text}` })), // kept by id and revision, so no two may share them
    engine,
  )
  const of = (effect: string) => inForce.filter((each) => each.effect === effect).flatMap(({ actions }) => actions)
  const told = { digest, forbidden: of('forbid'), permitted: of('permit'), trusts_caller: false }
  const attributes = {
    ...{ type: 'user' as const, id: 'vera', by_name: [], trusts_caller: false, groups: world.groups },
    ...{ properties: world.member, resource_properties: world.resource },
  }
  return decideUnder(
    {
      facts: factsOf(world, isGranted),
      ...{ conditions: { step_up: new Map(), policies: told }, judging: { set, attributes } },
    },
    { tenant_id: 'acme', permission: 'thing:do', resource_id: '1' },
    { ...NO_CIRCUMSTANCES, context: world.context },
    new Date(),
  ).decision
}

t.test('whatever the policies and the question, the service decides as the model does', async (t) => {
  const world = fc.record({
    ...{ roles: fc.subarray(['r', 'q']), groups: fc.subarray(['g']), member: told, resource: told, context: told },
  })
  const seen = { allowed: 0, turned: 0 }
  fc.assert(
    fc.property(fc.array(policy, { minLength: 1, maxLength: 3 }), world, fc.boolean(), (policies, world, isGranted) => {
      const expected = modelDecides(policies, world, isGranted)
      seen.allowed += Number(expected)
      seen.turned += Number(expected !== isGranted)
      return serviceDecides(policies, world, isGranted) === expected
    }),
    { numRuns: 600 },
  )
  t.ok(seen.allowed > 60 && seen.turned > 60, 'and it was not always the same')
})

t.test('without policies the second step changes nothing', async (t) => {
  const world = { roles: ['r'], groups: [], member: {}, resource: {}, context: {} }
  for (const isGranted of [true, false]) {
    const facts = factsOf(world, isGranted)
    const question = { tenant_id: 'acme', permission: 'thing:do', resource_id: '1' }
    t.same(serviceDecides([], world, isGranted), decide(facts, question, new Date()).decision)
  }
})
