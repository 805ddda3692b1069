// Decisions while others write: several writers change roles, memberships, groups and grants of a tenant at once, others ask
// all the time. Whatever was answered, the changes in the order of their revisions, told to a naive model, must explain: it
// says the same of the revision that the decision was made at, or of the newest that was known when it was asked for.
import t from 'tap'
import { type Answer, aService, made } from '../support/service.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'PGlite does one thing after the other' : false
const s = await aService(t)
const ROUNDS = 2
const WRITERS = 4
const READERS = 2
const QUESTIONS = 6 // at a time
const CHANGES = 25 // of each writer

const RESOURCES = ['project', 'invoice']
const ACTIONS = ['read', 'write', 'void']
const IDS = ['1', '2']
const PATTERNS = ['*', 'project:*', 'invoice:*', '*:read', '*:void', 'project:write', 'invoice:read']
const ROLES = ['reader', 'writer', 'auditor']
const USERS = ['user_vera', 'user_nora', 'user_olga']
const GROUPS = ['sales', 'finance']

/** The same for a seed, whatever the machine does: only the order in which the changes arrive is the machine's. */
const dice = (seed: number) => {
  let state = seed
  const roll = (sides: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * sides)
  }
  const pick = <T>(of: readonly T[]): T => of[roll(of.length)] as T
  const some = <T>(of: readonly T[]): T[] => of.filter(() => roll(2) === 0)
  return { pick, some, atLeastOne: <T>(of: readonly T[]): T[] => [...new Set([pick(of), ...some(of)])] }
}
type Dice = ReturnType<typeof dice>

/** What the model knows, told in plain words. */
interface State {
  roles: Map<string, { permissions: string[]; excludes: string[] }>
  members: Map<string, { roles: string[]; is_suspended: boolean }>
  groups: Map<string, { roles: string[]; members: Set<string> }>
  grants: Map<string, { role: string; to: string; resource: string | null }>
}
type Step = { revision: number; change: (state: State) => void }

const isMeant = (pattern: string, resource: string, action: string): boolean =>
  ['*', `${resource}:*`, `*:${action}`, `${resource}:${action}`].includes(pattern)

const mayBy = ({ roles, members, groups, grants }: State, { user, resource, action, id }: Question): boolean => {
  const member = members.get(user)
  if (!member || member.is_suspended) return false
  const ofGroups = [...groups].filter(([, group]) => group.members.has(user))
  const holders = [user, ...ofGroups.map(([name]) => name)]
  const granted = [...grants.values()].filter(
    (grant) => holders.includes(grant.to) && [null, `${resource}/${id}`].includes(grant.resource),
  )
  const held = [...member.roles, ...ofGroups.flatMap(([, group]) => group.roles), ...granted.map(({ role }) => role)]
  return held.some((key) => {
    const { permissions, excludes } = roles.get(key) ?? { permissions: [], excludes: [] }
    const matches = (pattern: string): boolean => isMeant(pattern, resource, action)
    return permissions.some(matches) && !excludes.some(matches)
  })
}

interface Question {
  user: string
  resource: string
  action: string
  id: string
}
interface Told extends Question {
  decision: boolean
  /** At which it was made. */
  revision: number
  /** Up to which every change had been answered when it was asked for. */
  known: number
}

interface World {
  tenant_id: string
  /** Of roles, memberships and groups, by their names. */
  ids: Record<string, string>
  /** Of grants that were made and that nobody has taken back. */
  grants: string[]
  state: State
  steps: Step[]
  known: number
  told: Told[]
}

const aWorld = async (): Promise<World> => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'owner' } })
  const ids: Record<string, string> = {}
  for (const role of ROLES) ids[role] = (await s.aRole({ tenant_id, key: role })).id
  for (const user of USERS) ids[user] = (await s.aMembership(tenant_id, { user_id: user, roles: ['reader'] })).id
  for (const group of GROUPS) ids[group] = (await s.aGroup(tenant_id, { name: group })).id
  const state: State = {
    roles: new Map(ROLES.map((role) => [role, { permissions: ['invoice:read'], excludes: [] }])),
    members: new Map(USERS.map((user) => [user, { roles: ['reader'], is_suspended: false }])),
    groups: new Map(GROUPS.map((group) => [group, { roles: [], members: new Set() }])),
    grants: new Map(),
  }
  return { tenant_id, ids, grants: [], state, steps: [], known: await s.revisionOf(tenant_id), told: [] }
}

const revisionIn = ({ headers }: Answer): number => Number(String(headers['tenantry-revision']).split(':')[1])

/** Some are refused in some states: they change nothing then. What is not 2xx, nor such a refusal, is a fault. */
const note = (world: World, answer: Answer, change: Step['change']): void => {
  const { steps } = world
  if (answer.status < 300) {
    steps.push({ revision: revisionIn(answer), change })
    while (steps.some(({ revision }) => revision === world.known + 1)) world.known++
  } else if (answer.status !== 409 && answer.status !== 404) {
    throw new Error(`${answer.status}: ${answer.text}`)
  }
}

type Write = (world: World, dice: Dice) => Promise<void>

const WRITES: Write[] = [
  async (world, { pick, atLeastOne, some }) => {
    const [role, permissions, excludes] = [pick(ROLES), atLeastOne(PATTERNS).slice(0, 2), some(PATTERNS).slice(0, 1)]
    const answer = await s.root.patch(`/roles/${world.ids[role]}`, { permissions, excludes })
    note(world, answer, ({ roles }) => roles.set(role, { permissions, excludes }))
  },
  async (world, { pick, atLeastOne }) => {
    const [user, roles] = [pick(USERS), atLeastOne(ROLES)]
    const answer = await s.root.patch(`/memberships/${world.ids[user]}`, { roles })
    note(world, answer, ({ members }) => Object.assign(members.get(user) ?? {}, { roles }))
  },
  async (world, { pick }) => {
    const [user, verb] = [pick(USERS), pick(['suspend', 'reactivate', 'reactivate'])]
    const answer = await s.root.post(`/memberships/${world.ids[user]}/${verb}`)
    note(world, answer, ({ members }) => Object.assign(members.get(user) ?? {}, { is_suspended: verb === 'suspend' }))
  },
  async (world, { pick, some }) => {
    const [group, roles] = [pick(GROUPS), some(ROLES)]
    const answer = await s.root.patch(`/groups/${world.ids[group]}`, { roles })
    note(world, answer, ({ groups }) => Object.assign(groups.get(group) ?? {}, { roles }))
  },
  async (world, { pick }) => {
    const [group, user, joins] = [pick(GROUPS), pick(USERS), pick([true, true, false])]
    const path = `/groups/${world.ids[group]}/members/${world.ids[user]}`
    const answer = await (joins ? s.root.put(path) : s.root.delete(path))
    note(world, answer, ({ groups }) => {
      if (joins) groups.get(group)?.members.add(user)
      else groups.get(group)?.members.delete(user)
    })
  },
  async (world, { pick }) => {
    const [role, to] = [pick(ROLES), pick([...USERS, ...GROUPS])]
    const [type, id] = [pick(RESOURCES), pick(IDS)]
    const holder = GROUPS.includes(to) ? { group_id: world.ids[to] } : { membership_id: world.ids[to] }
    const what = { tenant_id: world.tenant_id, role, resource: { type, id }, ...holder }
    const answer = await s.root.post('/grants', what)
    note(world, answer, ({ grants }) => grants.set(answer.body.id, { role, to, resource: `${type}/${id}` }))
    if (answer.status === 201) world.grants.push(answer.body.id)
  },
  async (world) => {
    const id = world.grants.shift()
    if (id === undefined) return
    note(world, await s.root.delete(`/grants/${id}`), ({ grants }) => grants.delete(id))
  },
]

const write = async (world: World, seed: number): Promise<void> => {
  const own = dice(seed)
  for (let change = 0; change < CHANGES; change++) await own.pick(WRITES)(world, own)
}

const asEvaluation = ({ tenant_id }: World, { user, resource, action, id }: Question) => ({
  subject: { type: 'user', id: user },
  action: { name: action },
  resource: { type: resource, id },
  context: { tenant_id, explain: true },
})

type Explained = { decision: boolean; context: { revisions: Record<string, number> } }

/** One by one, from memory where it is there; or many at once, from the database. */
const ask = async (world: World, questions: Question[], atOnce: boolean): Promise<void> => {
  const { known } = world
  const asked = questions.map((question) => asEvaluation(world, question))
  const answers: Explained[] = atOnce
    ? made(await s.root.post('/access/v1/evaluations', { evaluations: asked })).evaluations
    : await Promise.all(asked.map(async (each) => made(await s.root.post('/access/v1/evaluation', each))))
  for (const [index, question] of questions.entries()) {
    const { decision, context } = answers[index] as Explained
    world.told.push({ ...question, decision, revision: context.revisions[world.tenant_id] ?? Number.NaN, known })
  }
}

const read = async (world: World, seed: number, isWriting: () => boolean): Promise<void> => {
  const { pick } = dice(seed)
  const aQuestion = (): Question => ({
    ...{ user: pick(USERS), resource: pick(RESOURCES), action: pick(ACTIONS), id: pick(IDS) },
  })
  while (isWriting()) {
    const questions = Array.from({ length: QUESTIONS }, aQuestion)
    await ask(world, questions, pick([true, false, false, false]))
  }
}

/** Those decisions that the changes before them do not explain. What is in memory is older, and nothing about it has happened since. */
const unexplained = ({ state, steps, told }: World): string[] => {
  const ahead = steps.toSorted((a, b) => a.revision - b.revision)
  const at = ({ revision, known }: Told): number => Math.max(revision, known)
  return told
    .toSorted((a, b) => at(a) - at(b))
    .filter((each) => {
      while (ahead[0] !== undefined && ahead[0].revision <= at(each)) ahead.shift()?.change(state)
      return mayBy(state, each) !== each.decision
    })
    .map((each) => JSON.stringify(each))
}

for (let round = 0; round < ROUNDS; round++) {
  t.test(`every decision is that of its revision, whoever writes meanwhile: ${round + 1}`, { skip }, async (t) => {
    const world = await aWorld()
    let writers = WRITERS
    const writing = Array.from({ length: WRITERS }, async (_, index) => {
      await write(world, 100 * round + index).finally(() => writers--)
    })
    const reading = Array.from({ length: READERS }, (_, index) =>
      read(world, 100 * round + 50 + index, () => writers > 0),
    )
    await Promise.all([...writing, ...reading])
    const revisions = new Set(world.told.map(({ revision }) => revision))
    t.ok(revisions.size > 10, `decisions at ${revisions.size} revisions`)
    for (const decision of [true, false])
      t.ok(
        world.told.some((each) => each.decision === decision),
        `some ${decision}`,
      )
    t.equal(world.known, await s.revisionOf(world.tenant_id), 'every change is known to the model')
    t.ok(
      world.told.some(({ revision, known }) => revision < known),
      'some were made from memory',
    )
    t.same(unexplained(world), [], `of ${world.told.length} decisions, after ${world.steps.length} changes`)
  })
}
