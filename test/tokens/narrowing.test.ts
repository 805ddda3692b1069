// Narrowing is exact: what is left is what was held and what was asked for, of every permission there could be.
import { type Grant, holds, matches } from '@tenantry/client'
import fc from 'fast-check'
import t from 'tap'
import { narrow } from '../../src/tokens/narrowing.ts'

const RESOURCES = ['invoice', 'order', 'tenantry.role', 'tenantry.token']
const ACTIONS = ['read', 'write', 'issue']
const PERMISSIONS = RESOURCES.flatMap((resource) => ACTIONS.map((action) => `${resource}:${action}`))
const PATTERNS = ['*', 'tenantry.*', '*:read', '*:write', 'invoice:*', 'order:*', ...PERMISSIONS]

const patterns = fc.array(fc.constantFrom(...PATTERNS), { maxLength: 4 })
const grants: fc.Arbitrary<Grant[]> = fc.array(fc.record({ permissions: patterns, excludes: patterns }), {
  maxLength: 3,
})

t.test('a narrowed grant holds what was held and asked for, no more and no less', async () => {
  fc.assert(
    fc.property(grants, patterns, fc.constantFrom(...PERMISSIONS), (held, asked, permission) => {
      const expected = held.some(
        (grant) => holds([grant], permission) && asked.some((pattern) => matches(pattern, permission)),
      )
      return holds(narrow(held, asked), permission) === expected
    }),
    { numRuns: 2_000 },
  )
})
