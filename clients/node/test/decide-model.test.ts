// `decide` against a model that is as naive as can be: sets of words, loops, and seconds as numbers.

import fc from 'fast-check'
import t from 'tap'
import { decide, type RoleGrant } from '../src/index.ts'
import { NOW, TENANT_ID } from './support/tokens.ts'

const RESOURCES = ['project', 'invoice', 'tenantry.role']
const ACTIONS = ['read', 'write', 'manage']
const PATTERNS = [
  ...['*', 'tenantry.*', 'project:*', 'invoice:*', '*:read', '*:write'],
  ...RESOURCES.flatMap((resource) => ACTIONS.map((action) => `${resource}:${action}`)),
]

const pattern = fc.constantFrom(...PATTERNS)
const second = fc.option(fc.integer({ min: -2, max: 2 }))
const place = fc.record({ type: fc.constantFrom('project', 'invoice'), id: fc.constantFrom('1', '2') })
const aGrant = fc.record({
  permissions: fc.array(pattern, { maxLength: 3 }),
  excludes: fc.array(pattern, { maxLength: 2 }),
  resource: fc.option(place),
  begins: second,
  ends: second,
})
type ModelGrant = typeof aGrant extends fc.Arbitrary<infer G> ? G : never
const aQuestion = fc.record({
  resource: fc.constantFrom(...RESOURCES),
  action: fc.constantFrom(...ACTIONS),
  id: fc.option(fc.constantFrom('1', '2'), { nil: undefined }),
})
type ModelQuestion = typeof aQuestion extends fc.Arbitrary<infer Q> ? Q : never

/** Every permission that a pattern means, in this small world. */
const meant = (pattern: string): string[] =>
  RESOURCES.flatMap((resource) => ACTIONS.map((action) => [resource, action] as const))
    .filter(([resource, action]) => {
      const own = resource.startsWith('tenantry.')
      if (pattern === 'tenantry.*') return own
      if (pattern === `${resource}:${action}`) return true
      return !own && ['*', `${resource}:*`, `*:${action}`].includes(pattern)
    })
    .map(([resource, action]) => `${resource}:${action}`)

const grantsByModel = (
  { permissions, excludes, resource, begins, ends }: ModelGrant,
  asked: ModelQuestion,
): boolean => {
  if (resource !== null && (resource.type !== asked.resource || resource.id !== asked.id)) return false
  if ((begins ?? 0) > 0 || (ends ?? 1) <= 0) return false
  const wanted = `${asked.resource}:${asked.action}`
  return permissions.flatMap(meant).includes(wanted) && !excludes.flatMap(meant).includes(wanted)
}

const at = (seconds: number | null): string | null =>
  seconds === null ? null : new Date(NOW.getTime() + seconds * 1_000).toISOString()

const grantOf = ({ permissions, excludes, resource, begins, ends }: ModelGrant, index: number): RoleGrant => ({
  ...{ permissions, excludes, resource, not_before: at(begins), expires_at: at(ends) },
  ...{ role: `role-${index}`, grant_id: `grant-${index}` },
})

t.test('a decision is what the model says, and names the first grant that gives it', async (t) => {
  const check = fc.check(
    fc.property(fc.array(aGrant, { maxLength: 6 }), aQuestion, (grants, asked) => {
      const { decision, reason } = decide(
        {
          tenant: { id: TENANT_ID, status: 'active' },
          subject: { kind: 'membership', id: 'm', status: 'active', expires_at: null, grants: grants.map(grantOf) },
        },
        { tenant_id: TENANT_ID, permission: `${asked.resource}:${asked.action}`, resource_id: asked.id },
        NOW,
      )
      const first = grants.findIndex((grant) => grantsByModel(grant, asked))
      const named = reason.code === 'role_grants' ? reason.grant_id : undefined
      return decision === first >= 0 && named === (first >= 0 ? `grant-${first}` : undefined)
    }),
    { numRuns: 5_000 },
  )
  t.notOk(check.failed, JSON.stringify(check.counterexample))
})
