import fc from 'fast-check'
import t from 'tap'
import { type Grant, holds, isPattern, isPermission, matches } from '../src/index.ts'

t.test('a permission is resource:action in lower case', async (t) => {
  for (const text of ['invoice:read', 'a:b', 'tenantry.token:issue', 'in-voice.line_1:re-ad'])
    t.ok(isPermission(text), text)
  const others = ['', 'invoice', ':read', 'invoice:', 'a:b:c', '*:read', 'Invoice:read', '1a:b', 'a:b\n', ' a:b', 'a:é']
  for (const text of others) t.notOk(isPermission(text), text)
})

t.test('a pattern is a permission, a wildcard on one side, or everything of one namespace', async (t) => {
  for (const text of ['*', 'tenantry.*', 'invoice:*', '*:read', 'invoice:read', 'tenantry.role:manage'])
    t.ok(isPattern(text), text)
  const others = [
    '',
    '*:*',
    '**',
    'tenantry:*',
    'tenantry.role:*',
    'tenantry.x.y:*',
    'inv*:read',
    'a:*:b',
    'tenantry.*:read',
  ]
  for (const text of others) t.notOk(isPattern(text), text)
})

const cases: [pattern: string, permission: string, expected: boolean][] = [
  ['*', 'invoice:read', true],
  ['*', 'tenantry.role:read', false],
  ['*', 'tenantry:read', false],
  ['*:read', 'invoice:read', true],
  ['*:read', 'Record:read', true],
  ['*:read', 'invoice:bulk-read', false],
  ['*:read', 'tenantry.role:read', false],
  ['invoice:*', 'invoice:void', true],
  ['invoice:*', 'invoices:void', false],
  ['invoice:*', 'my-invoice:void', false],
  ['invoice:read', 'invoice:read', true],
  ['invoice:read', 'invoice:read2', false],
  ['tenantry.*', 'tenantry.membership:manage', true],
  ['tenantry.*', 'tenantry.a.b:c', true],
  ['tenantry.*', 'tenantryx:read', false],
  ['tenantry.*', 'tenantry:read', false],
  ['tenantry.*', 'tenantry.:read', false],
  ['tenantry.*', 'invoice:read', false],
  ['tenantry.*', 'tenantry.token:issue', false],
  ['tenantry.*', 'tenantry.role:assign_any', false],
  ['tenantry.token:issue', 'tenantry.token:issue', true],
  ['tenantry.x:*', 'tenantry.x:read', false],
  ['*', 'tenantry-like:read', true],
  ['*:*', 'invoice:read', false],
]

t.test('patterns match within their namespace only', async (t) => {
  for (const [pattern, permission, expected] of cases)
    t.equal(matches(pattern, permission), expected, `${pattern} ${permission}`)
})

t.test('a question that is no permission is never held, whoever asks', async (t) => {
  const everything: Grant = { permissions: ['*', '*:read', 'tenantry.*', 'a:b:c', '*:*', 'invoice:*'], excludes: [] }
  for (const asked of [
    '',
    '*',
    ':',
    'a:',
    ':b',
    'a',
    'a:b:c',
    '*:read',
    'invoice:*',
    'in*:read',
    '*:*',
    'tenantry.*',
  ]) {
    t.notOk(holds([everything], asked), asked)
  }
})

t.test('an exclude narrows its own grant only', async (t) => {
  const member: Grant = { permissions: ['*:read'], excludes: ['billing:*'] }
  const accountant: Grant = { permissions: ['billing:read'], excludes: [] }
  t.notOk(holds([member], 'billing:read'))
  t.ok(holds([member, accountant], 'billing:read'))
  t.notOk(holds([], 'invoice:read'))
})

const name = fc.constantFrom('a', 'b', 'ab', 'tenantry', 'tenantry.x', 'read')
const pattern = fc.oneof(
  fc.constantFrom('*', 'tenantry.*', 'tenantry.token:issue'),
  fc.tuple(fc.oneof(name, fc.constant('*')), fc.oneof(name, fc.constant('*'))).map((parts) => parts.join(':')),
)
const grants = fc.array(
  fc.record({ permissions: fc.array(pattern, { maxLength: 4 }), excludes: fc.array(pattern, { maxLength: 3 }) }),
)

t.test('holds agrees with the rule written naively', async () => {
  fc.assert(
    fc.property(grants, name, name, (grants, resource, action) => {
      const permission = `${resource}:${action}`
      const naive = grants.some((g) => g.permissions.some(naively) && !g.excludes.some(naively))
      return holds(grants, permission) === naive

      function naively(pattern: string): boolean {
        if (pattern === permission) return true
        if (/^tenantry(\.|$)/.test(resource)) {
          return pattern === 'tenantry.*' && resource !== 'tenantry' && permission !== 'tenantry.token:issue'
        }
        return ['*', `${resource}:*`, `*:${action}`].includes(pattern)
      }
    }),
    { numRuns: 3_000 },
  )
})
