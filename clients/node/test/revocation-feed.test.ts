// How a verifier follows revocations: a real server on loopback, time in the test's hands.

import t, { type Test } from 'tap'
import {
  createVerifier,
  type RevocationOptions,
  TenantryError,
  type Verifier,
  type VerifierOptions,
  type VerifyOptions,
} from '../src/index.ts'
import { FeedServer, type WireEntry } from './support/feed-server.ts'
import { ManualTime, until } from './support/manual-time.ts'
import { AUDIENCE, aKey, aToken, MEMBERSHIP_ID, NOW_SECONDS, OTHER_TENANT_ID, TENANT_ID } from './support/tokens.ts'

const SNAPSHOT = '/revocations'
const STREAM = '/revocations/stream'
const SILENCE_MS = 15_000
const CATCH_UP_MS = 3_000
const API_KEY = 'tnt_very-secret'
const key = aKey()

type Scene = {
  readonly server: FeedServer
  readonly time: ManualTime
  readonly verifier: Verifier
  readonly faults: TenantryError[]
  /** What becomes of a token with that payload. */
  readonly outcome: (payload?: object, options?: VerifyOptions) => Promise<string>
}

async function aScene(
  t: Test,
  revocations: Partial<RevocationOptions> = {},
  more: Partial<VerifierOptions> = {},
): Promise<Scene> {
  const server = await new FeedServer(key).start(t)
  const time = new ManualTime()
  const faults: TenantryError[] = []
  const verifier = createVerifier({
    issuer: server.url,
    audience: AUDIENCE,
    clock: time.clock,
    revocations: { api_key: API_KEY, timer: time.timer, on_fault: (fault) => faults.push(fault), ...revocations },
    ...more,
  })
  t.teardown(() => verifier.close())
  const outcome = async (payload: object = {}, options: VerifyOptions = {}): Promise<string> => {
    try {
      const token = aToken(key, { payload: { iss: server.url, exp: NOW_SECONDS + 1_000_000, ...payload } })
      await verifier.verify(token, options)
      return 'accepted'
    } catch (error) {
      if (error instanceof TenantryError) return error.code
      throw error
    }
  }
  return { server, time, verifier, faults, outcome }
}

/** Everything is up and nothing is on its way. */
async function isFollowing({ server, verifier }: Scene): Promise<void> {
  await verifier.ready()
  await until(() => server.streams.size === 1)
  const [stream] = server.streams
  await until(() => stream?.writableLength === 0)
}

function anEntry(changes: Partial<WireEntry> = {}): WireEntry {
  const expires_at = new Date((NOW_SECONDS + 3_660) * 1_000).toISOString()
  return { history: TENANT_ID, target: `membership:${MEMBERSHIP_ID}`, rev: 58, expires_at, ...changes }
}

const refuseAll = (server: FeedServer, status: number): void => {
  server.answerSnapshot = (_request, response) => void response.writeHead(status).end()
  server.answerStream = (_request, response) => void response.writeHead(status).end()
}

t.test('nothing is asked for before the first token; then it catches up before it accepts anything', async (t) => {
  const { server, verifier, outcome } = await aScene(t)
  server.entries = [anEntry()]
  t.equal(verifier.staleness_seconds, Number.POSITIVE_INFINITY)
  t.equal(server.requests.length, 0)
  t.equal(await outcome(), 'stale_token')
  t.equal(await outcome({ rev: { [TENANT_ID]: 58, platform: 12 } }), 'accepted', 'the fresh token that he gets instead')
  t.equal(await outcome({ tenant_id: OTHER_TENANT_ID }), 'accepted', 'a token of another tenant')
  t.ok(verifier.staleness_seconds < 1)
})

t.test('ready catches up before the first token', async (t) => {
  const scene = await aScene(t)
  await scene.verifier.ready()
  t.equal(scene.server.count(SNAPSHOT), 1)
  t.equal(await scene.outcome(), 'accepted')
  t.equal(scene.server.count(SNAPSHOT), 1)
})

t.test('what happens is heard on the stream, and nothing is polled meanwhile', async (t) => {
  const scene = await aScene(t)
  const { server, time, outcome } = scene
  await isFollowing(scene)
  t.equal(await outcome(), 'accepted')
  server.revoke(anEntry())
  await until(async () => (await outcome()) === 'stale_token')
  for (let i = 0; i < 20; i++) {
    time.advance(5)
    server.send('alive', [])
    await until(() => scene.verifier.staleness_seconds < 5)
  }
  t.equal(server.count(SNAPSHOT), 1)
  t.equal(server.count(STREAM), 1)
  t.same(scene.faults, [])
})

t.test('the credential is sent as a Bearer token, and asked for anew each time where it is a function', async (t) => {
  let asked = 0
  const scene = await aScene(t, { api_key: async () => `${API_KEY}-${++asked}` })
  await isFollowing(scene)
  const sent = [SNAPSHOT, STREAM].map((path) => scene.server.lastHeaders(path).authorization)
  t.same(sent.sort(), [`Bearer ${API_KEY}-1`, `Bearer ${API_KEY}-2`])
})

t.test('who waits to catch up waits 3 s at most, all together, and others may try later', async (t) => {
  const { server, time, outcome, verifier } = await aScene(t)
  const answer = server.answerSnapshot
  server.answerSnapshot = () => {}
  const waiting = [outcome(), outcome(), verifier.ready().catch((error: TenantryError) => error.code)]
  await time.passUntil(() => time.delays_ms.includes(CATCH_UP_MS))
  time.advance(2.5)
  t.equal(time.delays_ms.filter((delay_ms) => delay_ms === CATCH_UP_MS).length, 1)
  const all = Promise.all(waiting)
  await until(() => {
    time.advance(0.5)
    return isSettled(all)
  })
  t.same(new Set(await all), new Set(['revocations_unavailable']))

  server.answerSnapshot = answer
  const asked = server.count(SNAPSHOT)
  await time.passUntil(() => server.count(SNAPSHOT) > asked)
  await verifier.ready()
  t.equal(await outcome(), 'accepted')
})

/** Whether a promise is settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  return (await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, pending))])) !== pending
}

t.test('a stream that is cut is resumed where it was, after a pause', async (t) => {
  const scene = await aScene(t)
  const { server, time, outcome, faults } = scene
  await isFollowing(scene)
  server.send('alive', [])
  await until(() => scene.verifier.staleness_seconds < 0.5)
  t.equal(server.lastHeaders(STREAM)['last-event-id'], undefined)
  server.cut()
  await until(() => faults.length === 1)
  server.entries.push(anEntry()) // while nobody listens
  t.equal(await outcome(), 'accepted')
  time.advance(0.4)
  t.equal(server.count(STREAM), 1)
  time.advance(0.6)
  await until(async () => (await outcome()) === 'stale_token')
  t.equal(server.count(STREAM), 2)
  t.match(server.lastHeaders(STREAM)['last-event-id'], /^[12]:[12]:$/)
  t.match(faults, [{ code: 'revocations_unavailable', status: 503, message: /cannot be read/ }])
})

t.test('a stream that ends in order is no fault, and waits as long as it was asked to', async (t) => {
  const scene = await aScene(t)
  const { server, time, faults } = scene
  await isFollowing(scene)
  server.write('retry: 20000\n\nevent: alive\nid: 9:9:\ndata: {"entries":[]}\n\n')
  for (const stream of server.streams) stream.end()
  await until(() => !time.delays_ms.includes(SILENCE_MS))
  t.ok(time.delays_ms.some((delay_ms) => delay_ms >= 10_000 && delay_ms <= 20_000))
  await time.passUntil(() => server.count(STREAM) === 2)
  t.equal(server.lastHeaders(STREAM)['last-event-id'], '9:9:')
  t.same(faults, [])
})

t.test('while the stream cannot be had, attempts become rarer, and the snapshot is polled instead', async (t) => {
  const scene = await aScene(t)
  const { server, time, verifier, outcome, faults } = scene
  const begin = server.answerStream
  server.answerStream = (_request, response) => void response.writeHead(404).end()
  await verifier.ready()
  const [start, polled_at_first] = [time.clock().getTime(), server.count(SNAPSHOT)]
  let most = 0
  await time.passUntil(() => {
    most = Math.max(most, verifier.staleness_seconds)
    return server.count(SNAPSHOT) === polled_at_first + 12
  })
  const seconds = (time.clock().getTime() - start) / 1_000
  t.ok(most < 12, `confirmed at least every 10 s: ${most}`)
  t.ok(seconds >= 100 && seconds < 140, `12 polls in ${seconds} s`)
  t.ok(server.count(STREAM) >= 5 && server.count(STREAM) <= 14, `${server.count(STREAM)} attempts at the stream`)
  t.equal(server.lastHeaders(SNAPSHOT)['if-none-match'], '"0"')
  t.match(faults[0], { message: /answered 404/ })

  server.entries.push(anEntry())
  await time.passUntil(async () => (await outcome()) === 'stale_token')
  server.answerStream = begin
  await time.passUntil(() => server.streams.size === 1)
  await until(() => verifier.staleness_seconds < 0.5)
  const polled = server.count(SNAPSHOT)
  for (let i = 0; i < 10; i++) {
    time.advance(5)
    server.send('alive', [])
    await until(() => verifier.staleness_seconds < 0.5)
  }
  t.equal(server.count(SNAPSHOT), polled, 'back on the stream, there is no polling')
})

t.test('a silent stream is polled beside, and given up after three signs of life that did not come', async (t) => {
  const scene = await aScene(t)
  const { server, time, faults, verifier } = scene
  await isFollowing(scene)
  time.advance(9.9)
  t.equal(server.count(SNAPSHOT), 1)
  time.advance(0.2)
  await until(() => server.count(SNAPSHOT) === 2 && verifier.staleness_seconds < 1)
  t.equal(server.streams.size, 1)
  server.write(': a proxy keeps the connection open\n\n'.repeat(3))
  time.advance(4.9)
  await until(() => server.streams.size === 0)
  await until(() => faults.length === 1)
  t.match(faults, [{ message: /silent for 15 s/ }])
  time.advance(1)
  await until(() => server.streams.size === 1)
})

t.test('a stream that never answers, and one whose snapshot takes its time', async (t) => {
  const scene = await aScene(t)
  const { server, time, faults, outcome } = scene
  server.answerStream = () => {}
  t.equal(await outcome(), 'accepted')
  await until(() => server.count(STREAM) === 1)
  time.advance(15)
  await until(() => faults.some(({ message }) => /silent/.test(message)))
  server.answerStream = (_request, response) => server.follow(response)
  await time.passUntil(() => server.streams.size === 1)
  for (const part of ['event: snapshot\nid: 5:5:\ndata: {"ent', 'ries": [', JSON.stringify(anEntry()), ']}']) {
    const { timers_set } = time
    server.write(part)
    await until(() => time.timers_set > timers_set)
    time.advance(9) // four times, which is more than silence may last
  }
  server.write('\n\n')
  await until(async () => (await outcome()) === 'stale_token')
  t.equal(faults.filter(({ message }) => /silent/.test(message)).length, 1)
})

t.test('entries count once, in any order, and a new snapshot takes none of them back', async (t) => {
  const scene = await aScene(t)
  const { server, time, outcome } = scene
  await isFollowing(scene)
  const entries = [anEntry({ rev: 60 }), anEntry({ rev: 58 }), anEntry({ rev: 60 })]
  for (const entry of entries) server.send('revocations', [entry])
  const at = (rev: number) => outcome({ rev: { [TENANT_ID]: rev } })
  await until(async () => (await at(59)) === 'stale_token')
  t.equal(await at(60), 'accepted')
  server.send('snapshot', [])
  server.entries = []
  server.cut()
  await until(() => server.streams.size === 0)
  await time.passUntil(() => server.streams.size === 1)
  t.equal(await at(59), 'stale_token')
})

const nonsense: [title: string, text: string][] = [
  ['no JSON', 'data: {"entries":[]'],
  ['a list', 'data: []'],
  ['no entries', 'data: {}'],
  ['a member twice', 'data: {"entries":[],"entries":[]}'],
  ['an entry without a revision', `data: ${JSON.stringify({ entries: [{ ...anEntry(), rev: undefined }] })}`],
  ['a revision as text', `data: ${JSON.stringify({ entries: [{ ...anEntry(), rev: '58' }] })}`],
  ['an instant in another form', `data: ${JSON.stringify({ entries: [anEntry({ expires_at: '2026' })] })}`],
  [
    'an instant that does not exist',
    `data: ${JSON.stringify({ entries: [anEntry({ expires_at: '2026-13-01T00:00:00Z' })] })}`,
  ],
  ['an entry that is null', 'data: {"entries":[null]}'],
]

for (const [title, text] of nonsense) {
  t.test(`a stream that says ${title} is started over`, async (t) => {
    const scene = await aScene(t)
    const { server, time, faults } = scene
    await isFollowing(scene)
    server.write(`event: revocations\nid: 7:7:\n${text}\n\n`)
    await until(() => faults.length === 1 && server.streams.size === 0)
    t.match(faults, [{ message: /malformed/ }])
    await time.passUntil(() => server.streams.size === 1)
    t.equal(server.lastHeaders(STREAM)['last-event-id'], undefined)
  })
}

const strange: [title: string, answer: (server: FeedServer) => FeedServer['answerStream'], message: RegExp][] = [
  [
    'HTML',
    () => (_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('x'),
    /event stream/,
  ],
  ['a redirect', () => (_request, response) => void response.writeHead(302, { location: '/elsewhere' }).end(), /302/],
  [
    'one that begins in the middle',
    (server) => (_request, response) => {
      server.follow(response)
      response.write('event: alive\nid: 1:1:\ndata: {"entries":[]}\n\n')
    },
    /begin with a snapshot/,
  ],
  [
    'bytes that are no text',
    (server) => (_request, response) => {
      server.follow(response)
      response.write(Uint8Array.of(0xff, 0x0a))
    },
    /cannot be read/,
  ],
]

for (const [title, answer, message] of strange) {
  t.test(`a stream that is ${title} is not followed, and not trusted as a sign of life`, async (t) => {
    const { server, faults, outcome } = await aScene(t)
    server.answerStream = answer(server)
    t.equal(await outcome(), 'accepted')
    await until(() => faults.length === 1)
    t.match(faults, [{ message }])
  })
}

t.test('an event of an unknown kind is left alone, and confirms nothing', async (t) => {
  const scene = await aScene(t)
  const { server, time, verifier, faults } = scene
  await isFollowing(scene)
  time.advance(6)
  server.write('event: weather\ndata: sunny\n\n')
  server.write('event: weather\ndata: rainy\n\n')
  const [stream] = server.streams
  await until(() => stream?.writableLength === 0)
  t.ok(verifier.staleness_seconds >= 6)
  t.same(faults, [])
})

t.test('where to resume is forgotten if the service does not like it, or no header could carry it', async (t) => {
  const scene = await aScene(t)
  const { server, time, faults } = scene
  const begin = server.answerStream
  await isFollowing(scene)
  server.answerStream = (request, response) =>
    request.headers['last-event-id'] === undefined ? begin(request, response) : void response.writeHead(400).end()
  server.cut()
  await time.passUntil(() => server.count(STREAM) === 3 && server.streams.size === 1)
  t.match(faults.at(-1), { message: /answered 400/ })
  for (const id of ['é', 'x'.repeat(8_001)]) {
    server.write(`event: alive\nid: ${id}\ndata: {"entries":[]}\n\n`)
    const streams = server.count(STREAM)
    const [stream] = server.streams
    stream?.end()
    await time.passUntil(() => server.count(STREAM) > streams && server.streams.size === 1)
    t.equal(server.lastHeaders(STREAM)['last-event-id'], undefined)
  }
})

t.test('a credential that is refused is tried again once a minute, and said aloud', async (t) => {
  const scene = await aScene(t)
  const { server, time, faults, outcome, verifier } = scene
  await isFollowing(scene)
  const [answerSnapshot, answerStream] = [server.answerSnapshot, server.answerStream]
  refuseAll(server, 401)
  for (const stream of server.streams) stream.end()
  await time.passUntil(() => faults.length === 2)
  t.match(faults, Array(2).fill({ message: /answered 401: the API key is not good for it/ }))
  const asked = server.requests.length
  time.advance(20)
  t.equal(server.requests.length, asked)
  await time.passUntil(() => server.requests.length === asked + 2)
  t.equal(await outcome(), 'revocations_unavailable')
  t.ok(verifier.staleness_seconds > 30)

  server.answerSnapshot = answerSnapshot
  server.answerStream = answerStream
  await time.passUntil(async () => (await outcome()) === 'accepted')
})

t.test('no fault contains the credential', async (t) => {
  for (const api_key of [() => `${API_KEY}\nx`, () => Promise.reject(new Error('away')), () => '', API_KEY]) {
    const { server, faults, outcome } = await aScene(t, { api_key })
    refuseAll(server, 403)
    void outcome()
    await until(() => faults.length === 2)
    for (const fault of faults) {
      const told = `${fault.message} ${fault.stack} ${fault.cause} ${JSON.stringify(fault)}`
      t.notOk(told.includes('very-secret'))
      t.equal(fault.code, 'revocations_unavailable')
    }
  }
})

const mallory = aKey('ES256', key.kid)
const unknown = aKey('ES256', 'key-2')

const hostile: [title: string, snapshot: (server: FeedServer) => string, cause: object | undefined][] = [
  ['an access token', (server) => server.snapshot({ typ: 'at+jwt' }), { reason: 'type' }],
  ['of another kind', (server) => server.snapshot({ typ: 'secevent+jwt' }), { reason: 'type' }],
  ['signed by somebody else', (server) => server.snapshot({ by: mallory }), { reason: 'signature' }],
  ['signed with an unknown key', (server) => server.snapshot({ by: unknown }), { reason: 'key' }],
  ['in another spelling', (server) => `${server.snapshot()}=`, { reason: 'malformed' }],
  ['unsigned', (server) => `${server.snapshot().split('.').slice(0, 2).join('.')}.`, { reason: 'malformed' }],
  ['empty', () => '', { reason: 'malformed' }],
  ['of another issuer', (server) => server.snapshot({ iss: 'https://evil.example.com' }), undefined],
  ['without an instant', (server) => server.snapshot({ iat: undefined }), undefined],
  ['without the tenants that it covers', (server) => server.snapshot({ tenants: undefined }), undefined],
  ['with malformed entries', (server) => server.snapshot({ entries: [{}] }), undefined],
  ['older than the last', (server) => server.snapshot({ iat: NOW_SECONDS - 1 }), undefined],
]

for (const [title, snapshot, cause] of hostile) {
  t.test(`a snapshot that is ${title} does not count`, async (t) => {
    const scene = await aScene(t)
    const { server, time, verifier, faults } = scene
    server.answerStream = (_request, response) => void response.writeHead(503).end()
    await verifier.ready()
    server.answerSnapshot = (_request, response) => void response.writeHead(200).end(snapshot(server))
    faults.length = 0
    await time.passUntil(() => faults.some(({ message }) => /snapshot|signed/.test(message)))
    t.ok(verifier.staleness_seconds >= 5)
    const fault = faults.find(({ message }) => /snapshot|signed/.test(message))
    t.match(fault, { code: 'revocations_unavailable', ...(cause === undefined ? {} : { cause }) })
  })
}

t.test('what a revoked key signed is refused, whatever revision it claims: tokens, and snapshots', async (t) => {
  const scene = await aScene(t)
  const { server, time, faults, outcome } = scene
  await isFollowing(scene)
  server.revoke(anEntry({ history: 'platform', target: `key:${key.kid}`, rev: 13 }))
  await until(async () => (await outcome({ rev: { platform: 1_000_000 } })) === 'stale_token')
  server.answerStream = (_request, response) => void response.writeHead(503).end()
  server.cut()
  await time.passUntil(() => faults.some(({ message }) => /signed with a key that was revoked/.test(message)))
})

t.test('a clock of the service that was ahead for a moment does not make later snapshots look old', async (t) => {
  const scene = await aScene(t)
  const { server, time, verifier } = scene
  server.answerStream = (_request, response) => void response.writeHead(503).end()
  server.iat = NOW_SECONDS + 3_600
  await verifier.ready()
  server.iat = NOW_SECONDS + 20
  server.entries = [anEntry()]
  time.advance(20)
  await until(() => verifier.staleness_seconds < 1)
  t.equal(await scene.outcome(), 'stale_token')
})

t.test('a 304 that was not asked for, a redirect, and half a snapshot do not count', async (t) => {
  for (const answer of [
    (_request, response) => void response.writeHead(304).end(),
    (_request, response) => void response.writeHead(302, { location: '/revocations?' }).end(),
    (_request, response) =>
      void response.writeHead(200, { 'content-length': 99 }).write('ey', () => response.destroy()),
  ] satisfies FeedServer['answerSnapshot'][]) {
    const { server, faults, time, verifier } = await aScene(t)
    server.answerSnapshot = answer
    const ready = verifier.ready().catch((error: TenantryError) => error)
    await until(() => faults.length === 1)
    time.advance(3)
    t.match(await ready, { code: 'revocations_unavailable', cause: faults.at(-1) })
  }
})

t.test("a tenant's key covers that tenant: of the others nothing is known", async (t) => {
  const { server, outcome } = await aScene(t)
  server.tenants = [TENANT_ID]
  t.equal(await outcome(), 'accepted')
  t.equal(await outcome({ tenant_id: OTHER_TENANT_ID }), 'revocations_unavailable')
})

t.test('what becomes of tokens when the feed is away, by what the verifier and the call say', async (t) => {
  const cases: [RevocationOptions['when_stale'], VerifyOptions['when_stale'], accepted_until: number][] = [
    [undefined, undefined, 30],
    ['fail_closed', undefined, 30],
    [{ accept_up_to_seconds: 600 }, undefined, 600],
    [{ accept_up_to_seconds: 600 }, 'fail_closed', 30],
    [undefined, { accept_up_to_seconds: 600 }, 600],
    [undefined, { accept_up_to_seconds: 7 }, 7],
  ]
  for (const [when_stale, of_call, accepted_until] of cases) {
    const scene = await aScene(t, { when_stale })
    const { server, time, verifier, outcome } = scene
    server.entries = [anEntry({ target: 'token:bad' })]
    await isFollowing(scene)
    await server.stop()
    time.advance(accepted_until - 0.5)
    t.equal(await outcome({}, { when_stale: of_call }), 'accepted')
    time.advance(0.6)
    t.equal(await outcome({}, { when_stale: of_call }), 'revocations_unavailable')
    t.equal(await outcome({ jti: 'bad' }, { when_stale: of_call }), 'stale_token', 'what is known stays known')
    t.ok(verifier.staleness_seconds > accepted_until)
    verifier.close()
  }
})

t.test('after an outage it catches up by itself', async (t) => {
  const scene = await aScene(t)
  const { server, time, outcome } = scene
  await isFollowing(scene)
  await server.stop()
  time.advance(31)
  t.equal(await outcome(), 'revocations_unavailable')
  server.entries.push(anEntry())
  await server.listen()
  await time.passUntil(async () => (await outcome()) === 'stale_token')
  t.equal(await outcome({ rev: { [TENANT_ID]: 58 } }), 'accepted')
})

t.test('a clock that is set back does not make old knowledge look fresh', async (t) => {
  let back_ms = 0
  const time = new ManualTime()
  const clock = () => new Date(time.clock().getTime() - back_ms)
  const scene = await aScene(t, {}, { clock })
  await isFollowing(scene)
  const start = performance.now()
  const { staleness_seconds } = scene.verifier
  back_ms = 3_600_000
  t.ok(scene.verifier.staleness_seconds >= staleness_seconds)
  await until(() => performance.now() - start > 10)
  t.ok(scene.verifier.staleness_seconds >= 0.01)
})

t.test('closed, it asks for nothing any more, and what is known ages', async (t) => {
  const scene = await aScene(t)
  const { server, time, verifier, outcome } = scene
  await isFollowing(scene)
  verifier.close()
  await until(() => server.streams.size === 0)
  const asked = server.requests.length
  await until(() => time.delays_ms.length === 0)
  t.equal(await outcome(), 'accepted')
  time.advance(31)
  t.equal(await outcome(), 'revocations_unavailable')
  t.equal(server.requests.length, asked)
  t.same(scene.faults, [])
  verifier.close()
})

t.test('closed before it began or while it catches up, it fails at once', async (t) => {
  const { server, verifier, time, outcome } = await aScene(t)
  server.answerSnapshot = () => {}
  const waiting = outcome()
  await until(() => server.count(SNAPSHOT) === 1 && server.streams.size === 1)
  verifier.close()
  t.equal(await waiting, 'revocations_unavailable')
  t.equal(await outcome(), 'revocations_unavailable')
  await until(() => time.delays_ms.length === 0)

  const { server: other, verifier: unborn } = await aScene(t)
  unborn.close()
  await t.rejects(unborn.ready(), { code: 'revocations_unavailable' })
  t.equal(other.requests.length, 0)
})

t.test('with a fetch of its own everything goes through that', async (t) => {
  const urls: string[] = []
  const fetch: typeof globalThis.fetch = (input, init) => {
    urls.push(String(input))
    return globalThis.fetch(input, init)
  }
  const scene = await aScene(t, {}, { fetch })
  const { server, outcome, verifier } = scene
  await isFollowing(scene)
  server.revoke(anEntry())
  await until(async () => (await outcome()) === 'stale_token')
  t.same(
    urls.sort(),
    ['/.well-known/jwks.json', SNAPSHOT, STREAM].map((path) => `${server.url}${path}`),
  )
  verifier.close()
  await until(() => server.streams.size === 0)
})

t.test('the addresses can be given', async (t) => {
  const server = await new FeedServer(key).start(t)
  const paths = { stream_url: `${server.url}/a?tenant_id=x`, snapshot_url: `${server.url}/b` }
  const verifier = createVerifier({ issuer: server.url, audience: AUDIENCE, revocations: { api_key: 'k', ...paths } })
  t.teardown(() => verifier.close())
  void verifier.ready().catch(() => {})
  await until(() => server.count('/a?tenant_id=x') > 0 && server.count('/b') > 0)
})

t.test('without a feed nothing is followed, and nobody may think so', async (t) => {
  const server = await new FeedServer(key).start(t)
  const verifier = createVerifier({ issuer: server.url, audience: AUDIENCE, clock: new ManualTime().clock })
  const token = aToken(key, { payload: { iss: server.url } })
  await verifier.ready()
  t.ok(await verifier.verify(token))
  t.equal(verifier.staleness_seconds, Number.POSITIVE_INFINITY)
  await t.rejects(verifier.verify(token, { when_stale: 'fail_closed' }), { code: 'configuration' })
  verifier.close()
  t.ok(await verifier.verify(token))
  t.same(
    server.requests.map(({ path }) => path),
    ['/.well-known/jwks.json'],
  )
})

t.test('wrong options do not make a verifier, and wrong wishes do not pass', async (t) => {
  const wrong: unknown[] = [
    ...[null, false, '', 'tnt_x', {}],
    ...[{ api_key: undefined }, { api_key: '' }, { api_key: 'a b' }, { api_key: 'a\n' }],
    { api_key: 'k', max_staleness_seconds: 5 },
    { api_key: 'k', max_staleness_seconds: Number.POSITIVE_INFINITY },
    { api_key: 'k', poll_seconds: 1 },
    { api_key: 'k', poll_seconds: 30 },
    { api_key: 'k', when_stale: 'open' },
    { api_key: 'k', when_stale: null },
    { api_key: 'k', when_stale: { accept_up_to_seconds: Number.POSITIVE_INFINITY } },
    { api_key: 'k', when_stale: { accept_up_to_seconds: 29 } },
    { api_key: 'k', stream_url: 'file:///etc/passwd' },
    { api_key: 'k', snapshot_url: 'nowhere' },
  ]
  for (const revocations of wrong) {
    const options = Object.assign({ issuer: 'https://tenantry.example.com', audience: AUDIENCE }, { revocations })
    t.throws(() => createVerifier(options as VerifierOptions), { code: 'configuration' }, JSON.stringify(revocations))
  }
  const { outcome } = await aScene(t)
  for (const when_stale of ['fail-closed', null, {}, { accept_up_to_seconds: '9' }]) {
    t.equal(await outcome({}, { when_stale } as VerifyOptions), 'configuration')
  }
})

t.test('memory is freed of what is over', async (t) => {
  const { Knowledge } = await import('../src/revocations/knowledge.ts')
  const time = new ManualTime()
  const knowledge = new Knowledge(time.clock, () => {})
  for (let i = 0; i < 200; i++) {
    const expires_at_ms = time.clock().getTime() + 3_660_000
    const entries = [{ history: `t${i}`, target: 'tenant', rev: 1, expires_at_ms }]
    knowledge.hear({ entries, tenants: null }, knowledge.freshness.now())
    time.advance(60)
  }
  t.ok(knowledge.revocations.size <= 62, `${knowledge.revocations.size} entries are held`)
})
