// What the catalogue has granted by name only: written into the excludes, so that the pure rules need no catalogue.
import { type Grant, holds } from '@tenantry/client'
import fc from 'fast-check'
import t from 'tap'
import { effective } from '../../src/permissions/by-name.ts'
import { isNarrower } from '../../src/roles/rules.ts'
import { narrow } from '../../src/tokens/narrowing.ts'

const KEYS = ['invoice:read', 'invoice:approve', 'order:read', 'support:impersonate', 'other:other']
const PATTERNS = ['*', '*:read', 'invoice:*', 'support:*', ...KEYS]
const patterns = fc.uniqueArray(fc.constantFrom(...PATTERNS), { maxLength: 4 })
const grant = fc.record({ permissions: patterns, excludes: patterns })
const by_names = fc.uniqueArray(fc.constantFrom(...KEYS), { maxLength: 3 })

/** The rule in words: by name only where it is in the list, else as ever. */
const isGranted = ({ permissions, excludes }: Grant, key: string, by_name: string[]): boolean =>
  holds([{ permissions, excludes }], key) && (!by_name.includes(key) || permissions.includes(key))

t.test('a permission that goes by name only is held by its name and by no wildcard; the others as before', async () => {
  fc.assert(
    fc.property(grant, by_names, (each, by_name) =>
      KEYS.every((key) => holds([effective(each, by_name)], key) === isGranted(each, key, by_name)),
    ),
    { numRuns: 2_000 },
  )
})

t.test('doing it twice changes nothing, and narrowing afterwards gives nothing back', async () => {
  fc.assert(
    fc.property(grant, by_names, patterns, (each, by_name, scope) => {
      const once = effective(each, by_name)
      const narrowed = narrow([once], scope)
      return (
        effective(once, by_name) === once &&
        KEYS.every((key) => !holds(narrowed, key) || holds([once], key)) &&
        narrowed.every((grant) => effective(grant, by_name) === grant)
      )
    }),
    { numRuns: 2_000 },
  )
})

t.test('a change of a role that takes nothing takes nothing under any catalogue', async () => {
  fc.assert(
    fc.property(grant, grant, by_names, (before, after, by_name) => {
      if (isNarrower(before, after)) return true
      return KEYS.every((key) => !holds([effective(before, by_name)], key) || holds([effective(after, by_name)], key))
    }),
    { numRuns: 5_000 },
  )
})
