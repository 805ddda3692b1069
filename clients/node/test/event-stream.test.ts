// Server-sent events, read from bytes that come in any pieces.

import fc from 'fast-check'
import t from 'tap'
import { EventStreamParser, type ServerEvent } from '../src/revocations/event-stream.ts'

function parse(...chunks: (string | Uint8Array)[]): ServerEvent[] {
  const parser = new EventStreamParser(1_000)
  return chunks.flatMap((chunk) => parser.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk))
}

/** The standard's algorithm over a whole text. */
function parseWhole(text: string): ServerEvent[] {
  const events: ServerEvent[] = []
  let state = { type: '', id: '', data: [] as string[] }
  for (const line of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\r|\n/)
    .slice(0, -1)) {
    if (line !== '') {
      state = afterLine(state, line)
      continue
    }
    const { type, id, data } = state
    if (data.length > 0) events.push({ type: type || 'message', data: data.join('\n'), id })
    state = { type: '', id, data: [] }
  }
  return events
}

function afterLine<State extends { data: string[] }>(state: State, line: string): State {
  const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
  if (field === 'event') return { ...state, type: value }
  if (field === 'id' && !value.includes('\0')) return { ...state, id: value }
  return field === 'data' ? { ...state, data: [...state.data, value] } : state
}

t.test('events as the standard describes them', async (t) => {
  t.same(parse('data: a\n\n'), [{ type: 'message', data: 'a', id: '' }])
  t.same(parse('event: x\nid: 1\ndata: a\ndata:b\ndata:  c\n\n'), [{ type: 'x', data: 'a\nb\n c', id: '1' }])
  t.same(parse('event: x\n\ndata: a\n\n'), [{ type: 'message', data: 'a', id: '' }], 'an event without data is none')
  t.same(parse('id: 1\n\ndata: a\n\n'), [{ type: 'message', data: 'a', id: '1' }], 'but its id counts')
  t.same(parse('id: 1\ndata\n\nid\ndata:\n\n'), [
    { type: 'message', data: '', id: '1' },
    { type: 'message', data: '', id: '' },
  ])
  t.same(parse('id: 1\0\ndata: a\n\n'), [{ type: 'message', data: 'a', id: '' }], 'an id with NUL is ignored')
  t.same(parse(': comment\nunknown: x\n data: x\ndata : x\n\n'), [])
  t.same(parse('\uFEFFdata: a\n\n\uFEFFdata: b\n\n'), [{ type: 'message', data: 'a', id: '' }], 'a BOM only at first')
  t.same(parse('data: a\n\ndata: unfinished\n'), [{ type: 'message', data: 'a', id: '' }])
  t.same(parse('data: a\r\r', '\ndata: b\r', '', '\n\r', '\n'), [
    { type: 'message', data: 'a', id: '' },
    { type: 'message', data: 'b', id: '' },
  ])
})

t.test('retry is taken if it is digits', async (t) => {
  const parser = new EventStreamParser(100)
  t.equal(parser.retry_ms, undefined)
  parser.push(Buffer.from('retry: 250\nretry: -1\nretry: 1e3\nretry: \nretry: 5s\n\n'))
  t.equal(parser.retry_ms, 250)
})

t.test('any text in any pieces, cut even within a character, gives the same events as the whole', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '\n',
      '\r',
      '\r\n',
      '\n\n',
      ':',
      ': ',
      'data',
      'data: ',
      'event: ',
      'id: ',
      'retry: 7\n',
      '\uFEFF',
      '\0',
    ),
    fc.constantFrom('é', '漢', '🦊', 'a', ' '),
    fc.string({ maxLength: 4, unit: 'grapheme' }),
  )
  const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(text, fc.array(fc.nat(200), { maxLength: 12 }), (whole, cuts) => {
      const bytes = Buffer.from(whole)
      const ends = [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length]
      const chunks = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
      return JSON.stringify(parse(...chunks)) === JSON.stringify(parseWhole(whole))
    }),
    { numRuns: 3_000 },
  )
})

t.test('byte by byte', async (t) => {
  const bytes = Buffer.from('retry: 1000\r\n\r\nevent: x\r\nid: é\r\ndata: 🦊\r\ndata: 漢\r\n\r\n')
  const events = parse(...Array.from(bytes, (byte) => Uint8Array.of(byte)))
  t.same(events, [{ type: 'x', data: '🦊\n漢', id: 'é' }])
})

t.test('an event that is too long ends it, in one line or in many, while it is still arriving', async (t) => {
  for (const text of [`data: ${'x'.repeat(1_000)}`, 'data: x\n'.repeat(600), `:${'x'.repeat(1_001)}`]) {
    t.throws(() => parse(text), RangeError)
  }
  const parser = new EventStreamParser(1_000)
  for (let i = 0; i < 100; i++) t.equal(parser.push(Buffer.from(`data: ${'x'.repeat(900)}\n\n`)).length, 1)
  t.equal(parser.pending, 0)
})

t.test('anything but UTF-8 ends it', async (t) => {
  t.throws(() => parse('data: ', Uint8Array.of(0xff), '\n\n'), TypeError)
})

t.test('a long line costs its length, not its square', async (t) => {
  const parser = new EventStreamParser(64 * 1024 * 1024)
  const chunk = Buffer.alloc(1_024, 'x')
  const start = performance.now()
  parser.push(Buffer.from('data: '))
  for (let i = 0; i < 20_000; i++) parser.push(chunk)
  t.equal(parser.push(Buffer.from('\n\n'))[0]?.data.length, 20_000 * 1_024)
  t.ok(performance.now() - start < 5_000)
})
