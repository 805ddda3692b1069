// What is gained and lost, as a dry run tells it: true to the rule of containment, whatever the roles are.
import { contains, type Grant, holds, matches } from '@tenantry/client'
import fc from 'fast-check'
import t from 'tap'
import { lostBetween } from '../../src/authorization/differences.ts'

const PATTERNS = [
  ...['*', '*:read', '*:write', 'invoice:*', 'order:*', 'invoice:read', 'invoice:write', 'order:read', 'billing:read'],
  ...['tenantry.*', 'tenantry.tenant:read', 'tenantry.membership:manage'],
]
const patterns = fc.uniqueArray(fc.constantFrom(...PATTERNS), { maxLength: 4 })
const grants = fc.array(fc.record({ permissions: patterns, excludes: patterns }), { maxLength: 3 })
const CATALOGUE = ['invoice:read', 'invoice:write', 'invoice:void', 'order:read', 'billing:read']
const SAMPLES = [...CATALOGUE, 'other:read', 'other:other', 'tenantry.tenant:read', 'tenantry.membership:manage']

t.test('without a catalogue nothing is lost exactly if all is contained, and whatever is lost is matched', async () => {
  fc.assert(
    fc.property(grants, grants, (before: Grant[], after: Grant[]) => {
      const lost = lostBetween(before, after, [])
      if ((lost.length === 0) !== contains(after, before)) return false
      return SAMPLES.filter((permission) => holds(before, permission) && !holds(after, permission)).every(
        (permission) => lost.some((pattern) => matches(pattern, permission)),
      )
    }),
    { numRuns: 2_000 },
  )
})

t.test('with a catalogue it is the permissions that were held and are no longer', async () => {
  fc.assert(
    fc.property(grants, grants, (before: Grant[], after: Grant[]) => {
      const lost = lostBetween(before, after, CATALOGUE)
      const product = lost.filter((permission) => !permission.startsWith('tenantry.'))
      const expected = CATALOGUE.filter((permission) => holds(before, permission) && !holds(after, permission))
      return product.join() === expected.join() && lost.every((each) => holds(before, each) && !holds(after, each))
    }),
    { numRuns: 2_000 },
  )
})

t.test('of very long lists it tells at least what was lost, and that in no time', async (t) => {
  const names = Array.from({ length: 200 }, (_, index) => [`r${index}:*`, `*:a${index}`]).flat()
  const [before, kept] = [
    { permissions: names, excludes: ['billing:*'] },
    { permissions: ['order:read'], excludes: [] },
  ]
  const began = performance.now()
  const lost = lostBetween([before, kept], [kept], [])
  t.ok(performance.now() - began < 5_000)
  t.same(lost, [...names].sort())
})

t.test('patterns tell it in few words', async (t) => {
  const grant = (permissions: string[], excludes: string[] = []): Grant[] => [{ permissions, excludes }]
  const cases: [Grant[], Grant[], string[]][] = [
    [grant(['*:read', '*:write']), grant(['*:read']), ['*:write']],
    [grant(['invoice:*']), grant(['order:*']), ['invoice:*']],
    [grant(['*']), grant(['*'], ['billing:*']), ['billing:*']],
    [grant(['*', 'tenantry.*']), grant(['*'], ['billing:*', 'billing:read']), ['billing:*', 'tenantry.*']],
    [grant(['invoice:*']), grant(['invoice:read']), ['invoice:*']],
    [grant(['invoice:read']), grant(['*:read']), []],
  ]
  for (const [before, after, lost] of cases) t.same(lostBetween(before, after, []), lost)
})
