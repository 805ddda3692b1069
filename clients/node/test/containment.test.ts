import fc from 'fast-check'
import t from 'tap'
import { BUILT_IN_ROLES, contains, firstOutside, type Grant, holds, TOO_LARGE } from '../src/index.ts'

const grant = (permissions: string[], excludes: string[] = []): Grant => ({ permissions, excludes })

t.test('each built-in role lies within those above it, and in none below', async (t) => {
  for (const [i, upper] of BUILT_IN_ROLES.entries()) {
    for (const [j, lower] of BUILT_IN_ROLES.entries()) {
      t.equal(contains([upper], [lower]), i <= j, `${upper.key} over ${lower.key}`)
    }
  }
})

t.test('what lies outside is named', async (t) => {
  const [owner, admin, member] = BUILT_IN_ROLES.map((role) => [role])
  if (!owner || !admin || !member) return t.fail()
  t.equal(firstOutside(admin, owner), 'tenantry.tenant:delete')
  t.equal(firstOutside(member, [grant(['invoice:void'])]), 'invoice:void')
  t.equal(firstOutside([grant(['invoice:*'])], [grant(['*:read'])]), 'anything:read')
  t.equal(firstOutside([grant(['*'])], [grant(['tenantry.*'])]), 'tenantry.anything:anything')
  t.equal(firstOutside(owner, member), undefined)
})

t.test('permissions by name are contained by name only', async (t) => {
  const all = [grant(['*', 'tenantry.*'])]
  t.equal(firstOutside(all, [grant(['tenantry.token:issue'])]), 'tenantry.token:issue')
  t.ok(contains([grant(['tenantry.token:issue'])], [grant(['tenantry.token:issue'])]))
})

t.test('a finite set of names never contains a wildcard, and excludes count on both sides', async (t) => {
  t.notOk(contains([grant(['a:read', 'b:read'])], [grant(['*:read'])]))
  t.ok(contains([grant(['*:read'])], [grant(['*'], ['*:read']), grant(['a:read'])]) === false)
  t.ok(contains([grant(['*'], ['billing:*'])], [grant(['*:read'], ['billing:*'])]))
  t.notOk(contains([grant(['*'], ['billing:*'])], [grant(['*:read'])]))
  t.ok(contains([grant(['*'], ['billing:*']), grant(['billing:read'])], [grant(['*:read'])]))
  t.ok(contains([], [grant(['a:b'], ['*'])]))
})

t.test('a name that is used does not pass for a fresh one', async (t) => {
  const outer = [grant(['anything:anything', 'anything:*', '*:anything'])]
  t.notOk(contains(outer, [grant(['*'])]))
})

t.test('hundreds of names are decided quickly, and too many are refused', async (t) => {
  const names = (count: number, make: (i: number) => string) => Array.from({ length: count }, (_, i) => make(i))
  const many = names(2_000, (i) => `resource-${i}:read`)
  t.ok(contains([grant(['*:read'])], [grant(many)]))
  t.ok(contains([grant(many)], [grant(many)]))
  t.equal(firstOutside([grant(many.slice(1))], [grant(many)]), 'resource-0:read')
  const wide = [grant([...names(1_000, (i) => `r${i}:*`), ...names(1_000, (i) => `*:a${i}`)])]
  t.equal(firstOutside(wide, wide), TOO_LARGE)
  t.notOk(contains(wide, wide))
})

// Every permission that patterns over this alphabet can tell apart, and some that they cannot.
const RESOURCES = ['a', 'b', 'c', 'd', 'tenantry', 'tenantry.a', 'tenantry.b', 'tenantry.token', 'tenantry.role']
const ACTIONS = ['a', 'b', 'c', 'd', 'issue', 'assign_any']
const universe = RESOURCES.flatMap((resource) => ACTIONS.map((action) => `${resource}:${action}`))

const pattern = fc.constantFrom(
  ...[
    '*',
    'tenantry.*',
    'tenantry.token:issue',
    'tenantry.role:assign_any',
    'tenantry.a:a',
    'tenantry:a',
    'tenantry.a:*',
  ],
  ...['a:*', 'b:*', '*:a', '*:b', 'a:a', 'a:b', 'b:a', 'b:b', 'c:a', 'a:c', 'c:c'],
)
const grants = fc.array(
  fc.record({ permissions: fc.array(pattern, { maxLength: 5 }), excludes: fc.array(pattern, { maxLength: 3 }) }),
  { maxLength: 3 },
)

t.test('containment agrees with trying every permission', async () => {
  fc.assert(
    fc.property(grants, grants, (outer, inner) => {
      const outside = firstOutside(outer, inner)
      const isContained = universe.every((permission) => !holds(inner, permission) || holds(outer, permission))
      if (outside !== undefined && !(holds(inner, outside) && !holds(outer, outside))) return false
      return isContained === (outside === undefined)
    }),
    { numRuns: 20_000 },
  )
})

t.test('every set of rights contains itself, and its union contains both parts', async () => {
  fc.assert(
    fc.property(grants, grants, (one, other) => {
      const both = [...one, ...other]
      return contains(one, one) && contains(both, one) && contains(both, other)
    }),
  )
})
