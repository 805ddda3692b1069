// Searches and evaluations agree: whatever changes, every result evaluates to allow, and nothing that does is missing.
import fc from 'fast-check'
import t from 'tap'
import { aService, made } from '../../support/service.ts'

const s = await aService(t)
const TYPES = ['invoice', 'report', 'billing', 'tenantry.tenant']
/** Of those below, the ones that Tenantry has for a tenant itself: others may be granted, but there is nothing of the name. */
const OF_A_TENANT = ['read', 'delete', 'manage', 'suspend']
const ACTIONS = ['read', 'write', 'delete', 'void', 'manage', 'suspend', 'transfer']
await s.root.put('/permissions', {
  permissions: ['invoice', 'report', 'billing'].flatMap((type) =>
    ACTIONS.map((action) => ({
      ...{ key: `${type}:${action}`, wildcard: action !== 'void' },
      ...(type === 'invoice' && { max_age: 300 }),
    })),
  ),
})
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
await s.aTenant({ owner: { user_id: 'user_0' } })
const ROLES = ['owner', 'admin', 'member', 'viewer', 'voider', 'writer', 'nothing']
await s.aRole({ tenant_id, key: 'voider', permissions: ['invoice:void', 'report:*'], excludes: ['report:read'] })
await s.aRole({ tenant_id, key: 'writer', permissions: ['*:write', 'billing:*', 'tenantry.tenant:suspend'] })
await s.aRole({ tenant_id, key: 'nothing', permissions: ['invoice:read'], excludes: ['*'] })
const key = s.as((await s.anApiKey({ tenant_id })).secret)
const MEMBERS = 12
const memberships = await Promise.all(
  Array.from({ length: MEMBERS }, (_, n) => s.aMembership(tenant_id, { user_id: `user_${n}`, expires_at: null })),
)
const USERS = ['user_olga', 'user_nobody', ...memberships.map(({ user_id }) => user_id)]

type Json = { [key: string]: unknown }

const found = async (kind: string, body: Json, limit: number): Promise<string[]> => {
  const all: string[] = []
  for (let token: string | undefined; token !== ''; ) {
    const page = { limit, ...(token && { token }) }
    const answer = made(await key.post(`/access/v1/search/${kind}`, { ...body, page }))
    all.push(...answer.results.map(({ id, name }: { id?: string; name?: string }) => id ?? name))
    token = answer.page.next_token
  }
  return all
}

/** Those of the items that evaluate to allow. */
const allowed = async (body: Json, items: Json[], names: string[]): Promise<string[]> => {
  const { evaluations } = made(await key.post('/access/v1/evaluations', { ...body, evaluations: items }))
  return names.filter((_, index) => evaluations[index].decision)
}

const change = fc.record({
  whose: fc.nat({ max: MEMBERS - 1 }),
  roles: fc.uniqueArray(fc.constantFrom(...ROLES), { maxLength: 3, minLength: 1 }),
  standing: fc.constantFrom('as it was', 'suspend', 'reactivate'),
  ends: fc.constantFrom('as it was', 'soon', 'never'),
  later: fc.nat({ max: 20 }),
})
const question = fc.record({
  type: fc.constantFrom(...TYPES),
  name: fc.constantFrom(...ACTIONS),
  user: fc.constantFrom(...USERS),
  login: fc.constantFrom(null, 0, 301),
  limit: fc.integer({ min: 1, max: MEMBERS + 2 }),
})

t.test('whoever is found may do it, and whoever may is found', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      change,
      question,
      async ({ whose, roles, standing, ends, later }, { type, name, user, login, limit }) => {
        s.advance(later)
        const context = { auth_time: login === null ? null : Math.floor(s.now.getTime() / 1_000) - login }
        const path = `/memberships/${memberships[whose]?.id}`
        const expires_at = ends === 'as it was' ? {} : { expires_at: ends === 'soon' ? s.instant(30) : null }
        made(await s.root.patch(path, { roles, ...expires_at }))
        if (standing !== 'as it was') made(await s.root.post(`${path}/${standing}`))

        const resource = { type, id: 'one' }
        const action = { name }
        const subjects = USERS.map((id) => ({ subject: { type: 'user', id } }))
        const who = await found('subject', { subject: { type: 'user' }, action, resource, context }, limit)
        const may = await allowed({ action, resource, context }, subjects, USERS)
        if (who.slice().sort().join() !== may.slice().sort().join()) throw new Error(`found ${who}, allowed ${may}`)

        const subject = { type: 'user', id: user }
        const what = await found('action', { subject, resource, context }, limit)
        const can = await allowed(
          { subject, resource, context },
          ACTIONS.map((name) => ({ action: { name } })),
          ACTIONS,
        )
        const asked = what.filter((name) => ACTIONS.includes(name)) // of Tenantry's own there are more
        const listed = can.filter((name) => type !== 'tenantry.tenant' || OF_A_TENANT.includes(name))
        if (asked.join() !== listed.sort().join()) throw new Error(`found ${what}, allowed ${can}`)
      },
    ),
    { numRuns: 40 },
  )
  t.pass('40 changes, each with a question to either side')
})
