// What becomes of JSON on its way to the policies' engine, and how deep a text may be.
import fc from 'fast-check'
import t from 'tap'
import { depthOf, isTooDeep } from '../../src/policies/bounds.ts'
import { withCedar } from '../../src/policies/cedar.ts'
import { PolicyEngine, type Request } from '../../src/policies/engine.ts'
import { recordOf } from '../../src/policies/values.ts'

t.test('numbers become what the language has, or are left out', async (t) => {
  const record = recordOf({ whole: 7, negative: -7, half: 0.5, fine: 0.12345, huge: 1e21, unsafe: 2 ** 53, none: null })
  const half = { __extn: { fn: 'decimal', arg: '0.5' } }
  t.same(record, { whole: 7, negative: -7, half })
})

t.test('a decimal that the engine could not hold is left out, and ends no question', async (t) => {
  const numbers = { most: 922_337_203_685_476.5, over: 922_337_203_685_477.6, far: -999_999_999_999_999.5 }
  t.same(Object.keys(recordOf(numbers)), ['most'])
  const asked = { ...REQUEST, context: recordOf(numbers) }
  t.same(new PolicyEngine().ask(permitAll('numbers'), asked), { satisfied: ['numbers'], errors: [] })
})

t.test('what is too long to be compared is left out', async (t) => {
  const record = recordOf({ text: 'x'.repeat(4_096), long: 'x'.repeat(4_097), list: Array(1_001).fill(1), short: [1] })
  t.same(Object.keys(record), ['text', 'short'])
})

t.test('nothing that comes in is an entity or an extension, at any depth', async (t) => {
  const reserved = { __entity: { type: 'User', id: 'x' } }
  const record = recordOf({
    a: reserved,
    b: [reserved, 1],
    c: { d: { ...reserved, e: 1 }, f: 2 },
    __entity: 1,
    __extn: 1,
  })
  t.same(record, { b: [1], c: { f: 2 } })
})

const REQUEST: Request = {
  principal: { type: 'User', id: 'x' },
  action: { type: 'Action', id: 'a:b' },
  resource: { type: 'Resource', id: 'a/1' },
  context: {},
  entities: [],
}

const permitAll = (key: string) => ({ key, policies: [{ id: key, text: 'permit (principal, action, resource);' }] })

t.test('whatever JSON is told, the engine takes it', async () => {
  const engine = new PolicyEngine()
  const key = fc.oneof(
    fc.string(),
    fc.constantFrom('__entity', '__extn', '__expr', '__proto__', 'type', 'id', 'fn', 'arg'),
  )
  const { json } = fc.letrec<{ json: unknown }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 5 },
      ...[
        fc.string(),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        fc.constant(null),
      ],
      fc.array(tie('json'), { maxLength: 4 }),
      fc.dictionary(key, tie('json'), { maxKeys: 4 }),
    ),
  }))
  fc.assert(
    fc.property(fc.dictionary(key, json), (told) => {
      const findings = engine.ask(permitAll('all'), { ...REQUEST, context: recordOf(told) })
      return findings.satisfied.length === 1 && findings.errors.length === 0
    }),
    { numRuns: 300 },
  )
})

t.test('what may be written down, the engine survives; what it would not is found out before', async (t) => {
  const nested = (open: string, close: string, times: number, inner: string): string =>
    `permit (principal, action, resource) when {${open.repeat(times)}${inner}${close.repeat(times)}};`
  const families: [string, string][] = [
    ['(', ')'],
    ['[', ']'],
    ['{a:', '}'],
    ['!!!(', ')'],
    ['if true then ', ' else true'],
  ]
  for (const [open, close] of families) {
    for (const chain of ['&&true', '+1', '.a', '.contains(1)']) {
      for (let times = 0; times < 100; times += 5) {
        const text = nested(open, close, times, `context${chain.repeat(60 - (times % 60))}`)
        if (!isTooDeep(text))
          t.doesNotThrow(() => withCedar(({ policyToJson }) => policyToJson(text)), `${depthOf(text)}`)
      }
    }
  }
  t.equal(isTooDeep(nested('(', ')', 300, 'true')), true)
  const wide = Array(40).fill('(principal.properties.a == resource.properties.b || context.c > 1)').join(' && ')
  t.equal(isTooDeep(nested('', '', 0, wide)), false, 'many conditions side by side are no problem')
  t.equal(
    isTooDeep(nested('', '', 0, `"${'('.repeat(999)}" == context.a // ${'['.repeat(999)}\n`)),
    false,
    'nor is what is in strings',
  )
})

t.test('an engine that broke is not used again, and policies are asked of the next', async (t) => {
  const engine = new PolicyEngine()
  t.same(engine.ask(permitAll('one'), REQUEST).satisfied, ['one'])
  const deep = `permit (principal, action, resource) when {${'('.repeat(5_000)}true${')'.repeat(5_000)}};`
  t.throws(() => withCedar(({ policyToJson }) => policyToJson(deep)))
  t.same(engine.ask(permitAll('one'), REQUEST).satisfied, ['one'])
})

t.test('policies are kept under a bounded number of names, and those that are used again are right', async (t) => {
  const engine = new PolicyEngine({ most: 3 })
  for (let round = 0; round < 2; round++) {
    for (const key of ['a', 'b', 'c', 'd', 'e']) t.same(engine.ask(permitAll(key), REQUEST).satisfied, [key])
  }
})

t.test("two services in a process never ask each other's policies", async (t) => {
  const [one, other] = [new PolicyEngine(), new PolicyEngine()]
  t.same(one.ask(permitAll('one'), REQUEST).satisfied, ['one'])
  t.same(other.ask(permitAll('other'), REQUEST).satisfied, ['other'])
  t.same(one.ask(permitAll('one'), REQUEST).satisfied, ['one'])
})
