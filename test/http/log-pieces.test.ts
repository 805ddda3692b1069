// Lines leave in pieces: many at once, none late, all in order, and all of them in the end.
import t from 'tap'
import { LogPieces } from '../../src/http/log-pieces.ts'

const anOutlet = () => {
  const written: string[] = []
  let tell: () => void = () => {}
  const next = (): Promise<void> => new Promise((resolve) => (tell = resolve))
  const outlet = {
    flushed: 0,
    write: (text: string) => {
      written.push(text)
      tell()
    },
    flushSync: () => {
      outlet.flushed++
    },
  }
  return { outlet, written, next }
}

t.test('lines are gathered until a piece is full', async (t) => {
  const { outlet, written } = anOutlet()
  const pieces = new LogPieces(outlet)
  const line = `${'x'.repeat(99)}\n`
  for (let count = 1; count < 656; count++) pieces.write(line)
  t.same(written, [])
  pieces.write(line)
  t.same(written, [line.repeat(656)])
})

t.test('what is gathered does not wait for long', async (t) => {
  const { outlet, written, next } = anOutlet()
  const pieces = new LogPieces(outlet)
  const passed = next()
  pieces.write('one\n')
  pieces.write('two\n')
  const patience = setTimeout(() => t.fail('it waits for ever'), 5_000) // what passes it does not keep a process alive
  await passed
  clearTimeout(patience)
  t.same(written, ['one\ntwo\n'])
})

t.test('everything goes out at once when that is asked for, and nothing twice', async (t) => {
  const { outlet, written } = anOutlet()
  const pieces = new LogPieces(outlet)
  pieces.write('one\n')
  pieces.flushSync()
  pieces.flushSync()
  pieces.write('two\n')
  pieces.flushSync()
  t.same(written, ['one\n', 'two\n'])
  t.equal(outlet.flushed, 3)
})
