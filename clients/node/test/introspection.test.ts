// What becomes of a token when the feed is away and the service can be asked about it: a real server, time in the test's
// hands.

import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { createVerifier, type RevocationOptions, TenantryError } from '../src/index.ts'
import { FeedServer, sendJson } from './support/feed-server.ts'
import { ManualTime, until } from './support/manual-time.ts'
import { AUDIENCE, aKey, aToken, MEMBERSHIP_ID, NOW_SECONDS, TENANT_ID } from './support/tokens.ts'

const INTROSPECT = '/oauth/introspect'
const key = aKey()

/** A verifier that has caught up, and then lost its feed for 31 s; the introspection endpoint still answers. */
async function aScene(
  t: Test,
  { isCaughtUp = true, ...more }: Partial<RevocationOptions> & { isCaughtUp?: boolean } = {},
) {
  const server = await new FeedServer(key).start(t)
  const time = new ManualTime()
  const faults: TenantryError[] = []
  const verifier = createVerifier({
    ...{ issuer: server.url, audience: AUDIENCE, clock: time.clock },
    revocations: {
      ...{ api_key: 'tnt_secret', timer: time.timer, when_stale: 'introspect' },
      ...{ on_fault: (fault) => faults.push(fault), ...more },
    },
  })
  t.teardown(() => verifier.close())
  const tokenOf = (payload: object = {}) =>
    aToken(key, { payload: { iss: server.url, exp: NOW_SECONDS + 10_000, ...payload } })
  const outcome = async (token = tokenOf(), options = {}): Promise<string> => {
    try {
      await verifier.verify(token, options)
      return 'accepted'
    } catch (error) {
      return error instanceof TenantryError ? error.code : String(error)
    }
  }
  const loseFeed = () => {
    server.answerSnapshot = (_request, response) => void response.writeHead(500).end()
    server.answerStream = (_request, response) => void response.writeHead(500).end()
  }
  const scene = { server, time, verifier, faults, tokenOf, outcome, loseFeed }
  if (!isCaughtUp) {
    loseFeed()
    return scene
  }
  await verifier.ready()
  await until(() => server.streams.size === 1)
  const [stream] = server.streams
  await until(() => stream?.writableLength === 0)
  t.equal(await outcome(), 'accepted')
  loseFeed()
  server.cut()
  await until(() => faults.length > 0)
  time.advance(31)
  await until(() => verifier.staleness_seconds > 30)
  return scene
}

t.test('while the feed is current nothing is asked', async (t) => {
  const { server, outcome, verifier, time } = await aScene(t)
  t.equal(server.count(INTROSPECT), 0)
  t.equal(await outcome(), 'accepted')
  t.equal(server.count(INTROSPECT), 1)
  server.answerSnapshot = (_request, response) => response.writeHead(200).end(server.snapshot())
  await time.passUntil(() => verifier.staleness_seconds < 5)
  t.equal(await outcome(), 'accepted')
  t.equal(server.count(INTROSPECT), 1)
})

t.test('the token is asked about in a form, with the key as Bearer credential, and each time anew', async (t) => {
  const { server, outcome, tokenOf } = await aScene(t)
  const forms: string[] = []
  server.answerIntrospection = async (request, response) => {
    forms.push(await text(request))
    sendJson(response, { active: true })
  }
  t.equal(await outcome(), 'accepted')
  t.equal(await outcome(), 'accepted')
  t.match(server.lastHeaders(INTROSPECT), {
    authorization: 'Bearer tnt_secret',
    'content-type': 'application/x-www-form-urlencoded',
  })
  t.equal(forms.length, 2)
  t.equal(new URLSearchParams(forms[0]).get('token')?.length, tokenOf().length)
})

t.test('what the service does not take for good any more is stale', async (t) => {
  const { server, outcome } = await aScene(t)
  server.answerIntrospection = (_request, response) => sendJson(response, { active: false })
  t.equal(await outcome(), 'stale_token')
})

t.test('what is known to be stale, or is no good by itself, is not asked about', async (t) => {
  const { server, outcome, tokenOf, time, verifier } = await aScene(t)
  const expires_at = new Date((NOW_SECONDS + 9_000) * 1_000).toISOString()
  server.entries = [{ history: TENANT_ID, target: `membership:${MEMBERSHIP_ID}`, rev: 58, expires_at }]
  server.answerSnapshot = (_request, response) => response.writeHead(200).end(server.snapshot())
  await time.passUntil(() => verifier.staleness_seconds < 5)
  server.answerSnapshot = (_request, response) => void response.writeHead(500).end()
  time.advance(40)
  t.equal(await outcome(), 'stale_token')
  t.equal(await outcome(tokenOf({ exp: NOW_SECONDS })), 'invalid_token')
  t.equal(await outcome(`${tokenOf().slice(0, -4)}AAAA`), 'invalid_token')
  t.equal(server.count(INTROSPECT), 0)
  t.equal(await outcome(tokenOf({ rev: { [TENANT_ID]: 58 } })), 'accepted')
})

t.test('what becomes known to be stale while it is asked about is refused', async (t) => {
  const { server, outcome, verifier, time } = await aScene(t)
  const expires_at = new Date((NOW_SECONDS + 9_000) * 1_000).toISOString()
  let answer = () => {}
  server.answerIntrospection = (_request, response) => {
    answer = () => sendJson(response, { active: true })
  }
  const asked = outcome()
  await until(() => server.count(INTROSPECT) === 1)
  server.entries = [{ history: TENANT_ID, target: 'tenant', rev: 58, expires_at }]
  server.answerSnapshot = (_request, response) => response.writeHead(200).end(server.snapshot())
  await time.passUntil(() => verifier.staleness_seconds < 5)
  answer()
  t.equal(await asked, 'stale_token')
})

t.test('many who bring the same token share one question, and others have their own', async (t) => {
  const { server, outcome, tokenOf, faults } = await aScene(t)
  const answers: (() => void)[] = []
  const open: { destroy(): void }[] = []
  server.answerIntrospection = (_request, response) => {
    open.push(response)
    answers.push(() => sendJson(response, { active: true }))
  }
  const token = tokenOf()
  const asked = [outcome(token), outcome(token), outcome(token), outcome(tokenOf({ jti: 'another' }))]
  await until(() => answers.length === 2)
  for (const answer of answers) answer()
  t.same(await Promise.all(asked), ['accepted', 'accepted', 'accepted', 'accepted'])
  t.equal(server.count(INTROSPECT), 2)
  const told = faults.length
  const refused = [outcome(token), outcome(token), outcome(token)]
  await until(() => answers.length === 3)
  for (const response of open) response.destroy()
  t.same([...new Set(await Promise.all(refused))], ['revocations_unavailable'])
  t.equal(faults.length, told + 1, 'and a failure is told once')
})

const troubles: [title: string, trouble: (server: FeedServer) => FeedServer['answerIntrospection']][] = [
  ['an error', () => (_request, response) => sendJson(response, { error: 'server_error' }, 500)],
  ['a refused key', () => (_request, response) => sendJson(response, { error: 'invalid_client' }, 401)],
  [
    'a redirect',
    (server) => (_request, response) => {
      response.writeHead(307, { location: `${server.url}/elsewhere` }).end()
    },
  ],
  ['a text that is no JSON', () => (_request, response) => response.writeHead(200).end('active')],
  ['a document without the word', () => (_request, response) => sendJson(response, { active: 'true' })],
  [
    'a document without end',
    () => (_request, response) => {
      response.writeHead(200)
      const pour = (): void => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
      }
      response.on('drain', pour)
      pour()
    },
  ],
  ['a cut connection', () => (_request, response) => response.destroy()],
]

for (const [title, trouble] of troubles) {
  t.test(`no answer: ${title}`, async (t) => {
    const { server, outcome, faults } = await aScene(t)
    server.answerIntrospection = trouble(server)
    t.equal(await outcome(), 'revocations_unavailable')
    t.equal(server.count('/elsewhere'), 0)
    t.match(faults.at(-1)?.message, /introspection endpoint/)
    t.notMatch(JSON.stringify(faults.map(({ message, stack }) => [message, stack])), /tnt_secret/)
  })
}

t.test('no answer within 3 s is none, and many questions at once are enough', async (t) => {
  const { server, outcome, time, tokenOf } = await aScene(t)
  server.answerIntrospection = () => {}
  const asked = Array.from({ length: 100 }, (_, i) => outcome(tokenOf({ jti: `token-${i}` })))
  await until(() => server.count(INTROSPECT) === 100)
  t.equal(await outcome(tokenOf({ jti: 'one more' })), 'revocations_unavailable')
  t.equal(server.count(INTROSPECT), 100)
  time.advance(3)
  t.same([...new Set(await Promise.all(asked))], ['revocations_unavailable'])
})

t.test('a feed that never was there is asked around as soon as that is known', async (t) => {
  const { server, outcome } = await aScene(t, { isCaughtUp: false })
  t.equal(await outcome(), 'accepted')
  t.equal(server.count(INTROSPECT), 1)
})

t.test('one route may ask where the others refuse, and one refuse where the others ask', async (t) => {
  const { outcome, tokenOf, server } = await aScene(t)
  t.equal(await outcome(tokenOf(), { when_stale: 'fail_closed' }), 'revocations_unavailable')
  t.equal(await outcome(tokenOf(), { when_stale: { accept_up_to_seconds: 600 } }), 'accepted')
  t.equal(server.count(INTROSPECT), 0)
  const other = await aScene(t, { when_stale: 'fail_closed' })
  t.equal(await other.outcome(), 'revocations_unavailable')
  t.equal(await other.outcome(other.tokenOf(), { when_stale: 'introspect' }), 'accepted')
})
