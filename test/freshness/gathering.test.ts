// Many questions as one statement: which go together, that none waits for long, and that each gets its own answer.
import t from 'tap'
import { Problem } from '../../src/errors.ts'
import { Gathering } from '../../src/freshness/gathering.ts'

interface Statement {
  questions: string[]
  answer(): void
  fail(error: Error): void
}

/** Statements that come back when they are told to. */
const aScene = (limits: ConstructorParameters<typeof Gathering>[1] = {}) => {
  const statements: Statement[] = []
  const begun: (() => void)[] = []
  const gathering = new Gathering<string, string>(
    (questions) =>
      new Promise((resolve, reject) => {
        statements.push({ questions, answer: () => resolve(questions.map((text) => `${text}!`)), fail: reject })
        begun.shift()?.()
      }),
    limits,
  )
  /** Until one more begins. */
  const next = () => new Promise<void>((resolve) => begun.push(resolve))
  const askAll = (...texts: string[]) => texts.map((text) => gathering.ask(text))
  return { statements, next, askAll, asked: () => statements.map(({ questions }) => questions.join(' ')) }
}

t.test('what is asked in one turn is one statement, sent in that turn, and each gets its own answer', async (t) => {
  const { statements, next, askAll, asked } = aScene()
  const answers = askAll('a', 'b', 'c')
  t.same(asked(), [], 'nothing is read before all have asked')
  await next()
  t.same(asked(), ['a b c'])
  statements[0]?.answer()
  t.same(await Promise.all(answers), ['a!', 'b!', 'c!'])
})

t.test('what comes while as many are under way as suffice goes together when one is back', async (t) => {
  const { statements, next, askAll, asked } = aScene({ at_a_time: 2, patience_ms: 60_000 })
  const first = askAll('a')
  await next()
  const second = askAll('b')
  await next()
  t.same(asked(), ['a', 'b'], 'a single one waits for no other')
  const rest = askAll('c', 'd')
  statements[1]?.answer()
  t.same(await Promise.all(second), ['b!'])
  await (asked().length < 3 && next())
  t.same(asked(), ['a', 'b', 'c d'])
  for (const statement of statements) statement.answer()
  t.same(await Promise.all([...first, ...rest]), ['a!', 'c!', 'd!'])
})

t.test('for one that does not come back nobody waits long', async (t) => {
  const { statements, next, askAll, asked } = aScene({ at_a_time: 1, patience_ms: 1 })
  const lost = askAll('a')
  await next()
  const others = askAll('b', 'c')
  await next()
  t.same(asked(), ['a', 'b c'])
  statements[1]?.answer()
  t.same(await Promise.all(others), ['b!', 'c!'])
  statements[0]?.answer()
  await Promise.all(lost)
})

t.test('a statement has a bound', async (t) => {
  const { statements, next, askAll, asked } = aScene({ most: 2 })
  const answers = askAll('a', 'b', 'c')
  await next()
  t.same(asked(), ['a b', 'c'])
  for (const statement of statements) statement.answer()
  t.same(await Promise.all(answers), ['a!', 'b!', 'c!'])
})

t.test('what is wrong with one is not the others’', async (t) => {
  const { statements, next, askAll, asked } = aScene()
  const [a, b] = askAll('a', 'b') as [Promise<string>, Promise<string>]
  await next()
  statements[0]?.fail(new Error('one of them cannot be read'))
  await next()
  await (asked().length < 3 && next())
  t.same(asked(), ['a b', 'a', 'b'])
  statements[1]?.answer()
  statements[2]?.fail(new Error('this one'))
  t.equal(await a, 'a!')
  await t.rejects(b, { message: 'this one' })
})

t.test('a database that is away is away for all, and not asked again for each', async (t) => {
  const { statements, next, askAll, asked } = aScene()
  const answers = askAll('a', 'b')
  await next()
  statements[0]?.fail(new Problem('database.unavailable'))
  for (const answer of answers) await t.rejects(answer, { code: 'database.unavailable' })
  t.same(asked(), ['a b'])
})
