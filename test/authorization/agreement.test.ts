// Online and offline agree, over random roles, groups, grants, times and demands of a login: the check endpoint says what a naive model says;
// of a token's answer "yes" is allowed there, "no" is denied, for as long as the token lives, and "ask" leaves it open.
import { createVerifier, type Principal } from '@tenantry/client'
import fc from 'fast-check'
import t from 'tap'
import { aService, made } from '../support/service.ts'

const s = await aService(t)
const AUDIENCE = 'https://api.acme.example'
const verifier = createVerifier({
  ...{ issuer: s.issuer, audience: AUDIENCE, clock: () => s.now },
  keys: async (kid) =>
    (await s.stranger.get('/.well-known/jwks.json')).body.keys.find((key: { kid: string }) => key.kid === kid),
})

const RESOURCES = ['project', 'invoice']
const ACTIONS = ['read', 'write', 'void']
const PERMISSIONS = RESOURCES.flatMap((resource) => ACTIONS.map((action) => `${resource}:${action}`))
const PATTERNS = ['*', 'project:*', 'invoice:*', '*:read', '*:void', ...PERMISSIONS]
const IDS = ['1', '2']
/** Seconds; the token lives 300. */
const TIMES = [10, 100, 299, 400]

const patterns = fc.uniqueArray(fc.constantFrom(...PATTERNS), { minLength: 1, maxLength: 3 })
const aRole = fc.record({
  permissions: patterns,
  excludes: fc.uniqueArray(fc.constantFrom(...PATTERNS), { maxLength: 2 }),
})
const which = fc.integer({ min: 0, max: 3 })
const aGrant = fc
  .record({
    role: which,
    to_group: fc.boolean(),
    resource: fc.option(fc.record({ type: fc.constantFrom(...RESOURCES), id: fc.constantFrom(...IDS) })),
    begins: fc.option(fc.constantFrom(...TIMES)),
    ends: fc.option(fc.constantFrom(...TIMES)),
  })
  .filter(({ resource, begins, ends }) => (begins ?? 0) < (ends ?? 500) && (resource ?? begins ?? ends) !== null)
const aWorld = fc.record({
  roles: fc.array(aRole, { minLength: 4, maxLength: 4 }),
  own: which,
  of_group: fc.uniqueArray(which, { maxLength: 2 }),
  grants: fc.uniqueArray(aGrant, {
    maxLength: 5,
    selector: ({ role, to_group, resource }) => JSON.stringify([role, to_group, resource]),
  }),
  /** What needs a login of the last minute, and whether there was one. */
  demanded: fc.uniqueArray(fc.constantFrom(...PERMISSIONS), { maxLength: 2 }),
  has_logged_in: fc.boolean(),
  /** How long after the token was issued is asked. */
  later: fc.constantFrom(0, 9, 10, 50, 150, 299),
})
type World = typeof aWorld extends fc.Arbitrary<infer W> ? W : never

const isMeant = (pattern: string, permission: string): boolean => {
  const [resource, action] = permission.split(':')
  return [permission, '*', `${resource}:*`, `*:${action}`].includes(pattern)
}

const byModel = (world: World, permission: string, id: string): boolean => {
  const { roles, own, of_group, grants, later, demanded, has_logged_in } = world
  if (demanded.includes(permission) && !has_logged_in) return false
  const open = grants.filter(
    ({ resource, begins, ends }) =>
      (resource === null || (permission.startsWith(`${resource.type}:`) && resource.id === id)) &&
      (begins ?? 0) <= later &&
      (ends ?? 500) > later,
  )
  return [own, ...of_group, ...open.map(({ role }) => role)].some((index) => {
    const { permissions = [], excludes = [] } = roles[index] ?? {}
    return permissions.some((each) => isMeant(each, permission)) && !excludes.some((each) => isMeant(each, permission))
  })
}

let worlds = 0

const build = async ({
  roles,
  own,
  of_group,
  grants,
  demanded,
}: World): Promise<{ tenant_id: string; user_id: string }> => {
  const { id: tenant_id } = await s.aTenant({ slug: `world-${++worlds}` })
  const permissions = PERMISSIONS.map((key) => ({ key, max_age: demanded.includes(key) ? 60 : null }))
  made(await s.root.put('/permissions', { permissions }))
  const keys: string[] = []
  for (const role of roles) keys.push((await s.aRole({ tenant_id, ...role })).key)
  const keyOf = (index: number): string => keys[index] as string
  const { id: membership_id, user_id } = await s.aMembership(tenant_id, { roles: [keyOf(own)] })
  const { id: group_id } = await s.aGroup(tenant_id, { roles: of_group.map(keyOf) })
  await s.root.put(`/groups/${group_id}/members/${membership_id}`)
  const at = (seconds: number | null): string | null => (seconds === null ? null : s.instant(seconds))
  for (const { role, to_group, resource, begins, ends } of grants) {
    const window = { not_before: at(begins), expires_at: at(ends) }
    await s.aGrant(tenant_id, {
      role: keyOf(role),
      ...(to_group ? { group_id } : { membership_id }),
      resource,
      ...window,
    })
  }
  return { tenant_id, user_id }
}

interface Who {
  tenant_id: string
  user_id: string
  principal: Principal | undefined
  auth_time: number | null
}

const ask = async ({ tenant_id, user_id, auth_time }: Who, permission: string, id: string): Promise<boolean> => {
  const [type, name] = permission.split(':')
  const question = {
    subject: { type: 'user', id: user_id },
    action: { name },
    resource: { type, id },
    context: { tenant_id, auth_time },
  }
  return made(await s.root.post('/access/v1/evaluation', question)).decision
}

const seen = { yes: 0, no: 0, ask: 0 }

/** @throws Error naming where they differ */
const compare = async (world: World, permission: string, id: string, who: Who): Promise<void> => {
  const told = await ask(who, permission, id)
  if (told !== byModel(world, permission, id)) throw new Error(`${permission} of ${id}: ${told} online`)
  const answer = who.principal?.answerTo(permission)
  if (answer === undefined) return
  seen[answer]++
  if (answer !== 'ask' && told !== (answer === 'yes')) throw new Error(`${permission} of ${id}: ${answer} offline`)
}

t.test('the endpoint, the token and a naive model agree', async (t) => {
  await fc.assert(
    fc.asyncProperty(aWorld, async (world) => {
      const { tenant_id, user_id } = await build(world)
      const token = await s.aToken(tenant_id, user_id, { audience: AUDIENCE })
      s.advance(world.later)
      const principal = await verifier.verify(token).catch(() => undefined) // over: what it carried has ended
      const auth_time = world.has_logged_in ? Math.floor(s.now.getTime() / 1_000) : null
      for (const permission of PERMISSIONS) {
        for (const id of IDS) await compare(world, permission, id, { tenant_id, user_id, principal, auth_time })
      }
    }),
    { numRuns: 20, endOnFailure: true },
  )
  t.ok(seen.yes > 0 && seen.no > 0 && seen.ask > 0, JSON.stringify(seen))
})
