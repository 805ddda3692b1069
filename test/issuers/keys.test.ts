// Asking a trusted issuer for its keys: seldom, not for long, nowhere else than it said, and taking none that are unsound.
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import {
  AUDIENCE,
  anIdentityProvider,
  aPair,
  type IdentityProvider,
  jwkOf,
  signedWith,
} from '../support/identity-provider.ts'
import { aLoopback } from '../support/loopback.ts'
import { type Answer, aService, made } from '../support/service.ts'

const DISCOVERY = '/.well-known/openid-configuration'

const s = await aService(t, { allow_loopback_issuers: true })
const acme = await s.aTenant()
await s.aMembership(acme.id, { user_id: 'alice' })

const exchange = (token: string): Promise<Answer> => s.exchange(token, { tenant_id: acme.id })

const aTrusted = async (t: Test, input: object = {}): Promise<IdentityProvider> => {
  const idp = await anIdentityProvider(t, () => s.now)
  made(await s.root.post('/issuers', { issuer: idp.issuer, audiences: [AUDIENCE], shares_user_ids: true, ...input }))
  return idp
}

const isAway = async (t: Test, answer: Promise<Answer>, name = 'away'): Promise<void> => {
  t.match(await answer, { status: 503, body: { error: 'temporarily_unavailable' } }, name)
}

t.test('however many come at once, an issuer is asked once', async (t) => {
  const idp = await aTrusted(t)
  const all = async (count: number): Promise<void> => {
    const answers = await Promise.all(Array.from({ length: count }, () => exchange(idp.token())))
    t.ok(answers.every(({ status }) => status === 200))
  }
  await all(20)
  t.same(Object.fromEntries(idp.asked), { [DISCOVERY]: 1, '/jwks': 1 }, 'when nothing is known of it yet')
  s.advance(3_600)
  await all(20)
  t.same(Object.fromEntries(idp.asked), { [DISCOVERY]: 2, '/jwks': 2 }, 'and when what is known is old')
})

t.test('strangers cannot have an issuer asked again and again that does not say where its keys are', async (t) => {
  const idp = await aTrusted(t)
  for (const answer of [500, 404, 302]) {
    idp.asked.clear()
    idp.answers.set(DISCOVERY, (_, response) => void response.writeHead(answer, { location: '/jwks' }).end())
    for (let i = 0; i < 20; i++) await isAway(t, exchange(idp.token()))
    t.equal(idp.asked.get(DISCOVERY), 1, String(answer))
    s.advance(5)
  }
  idp.answers.clear()
  t.equal((await exchange(idp.token())).status, 200, 'it is back soon after it is')
})

t.test('an issuer that is known goes on while its discovery document is away', async (t) => {
  const idp = await aTrusted(t)
  t.equal((await exchange(idp.token())).status, 200)
  s.advance(3_600)
  idp.answers.set(DISCOVERY, (_, response) => void response.writeHead(500).end())
  t.equal((await exchange(idp.token())).status, 200)
  idp.asked.clear()
  for (let i = 0; i < 5; i++) t.equal((await exchange(idp.token())).status, 200)
  t.equal(idp.asked.get(DISCOVERY), undefined)
  idp.answers.set(DISCOVERY, (_, response) => {
    response.end(JSON.stringify({ issuer: idp.issuer, jwks_uri: `${idp.issuer}/moved` }))
  })
  idp.answers.set('/moved', (_, response) => void response.end(JSON.stringify(idp.jwks)))
  s.advance(30)
  // Nobody waits for that, so it is a later exchange that finds the new place.
  for (let i = 0; i < 100 && !idp.asked.has('/moved'); i++) t.equal((await exchange(idp.token())).status, 200)
  t.equal(idp.asked.get('/moved'), 1, 'and is soon asked again')
})

t.test(
  'a discovery document that is suddenly another issuer’s is not believed (OpenID Connect Discovery §4.3)',
  async (t) => {
    const idp = await aTrusted(t)
    t.equal((await exchange(idp.token())).status, 200)
    s.advance(3_600)
    idp.answers.set(DISCOVERY, (_, response) => {
      response.end(JSON.stringify({ issuer: 'https://evil.example', jwks_uri: `${idp.issuer}/jwks` }))
    })
    let answer = await exchange(idp.token()) // does not wait for the document that it has asked for
    for (let i = 0; i < 100 && answer.status === 200; i++) answer = await exchange(idp.token())
    t.match(answer, { status: 400, body: { error: 'invalid_request' } })
  },
)

t.test('a discovery document does not lead into our own network (RFC 8725 §3.10)', async (t) => {
  const inside = await aLoopback(t)
  let asked = 0
  inside.serve((_, response) => {
    asked++
    response.end(JSON.stringify({ keys: [] }))
  })
  const port = new URL(inside.url).port
  for (const jwks_uri of [
    ...['http://10.0.0.1/jwks', 'http://169.254.169.254/latest/meta-data', 'https://[::ffff:10.0.0.1]/jwks'],
    ...['https://[fd00::1]/jwks', 'https://0x0a000001/jwks', 'https://user:password@login.example.com/jwks'],
    ...['file:///etc/passwd', 'data:application/json,{"keys":[]}', 'gopher://127.0.0.1/', '/jwks', ''],
    ...[`https://127.0.0.1.:${port}x/jwks`, `ftp://127.0.0.1:${port}/jwks`, `http://0.0.0.0:${port}/jwks`],
  ]) {
    const idp = await aTrusted(t)
    idp.answers.set(DISCOVERY, (_, response) => response.end(JSON.stringify({ issuer: idp.issuer, jwks_uri })))
    await isAway(t, exchange(idp.token()), jwks_uri)
  }
  t.equal(asked, 0)
})

t.test('a redirect is not followed, neither from the document nor from the keys', async (t) => {
  for (const path of [DISCOVERY, '/jwks']) {
    const [idp, other] = [await aTrusted(t), await anIdentityProvider(t, () => s.now)]
    other.jwks.keys = [jwkOf(idp.key)]
    idp.answers.set(path, (_, response) => void response.writeHead(302, { location: `${other.issuer}/jwks` }).end())
    await isAway(t, exchange(idp.token()), path)
    t.equal(other.asked.size, 0)
  }
})

t.test('an issuer whose name ends with a slash, or has a path, is found as others name theirs', async (t) => {
  const idp = await anIdentityProvider(t, () => s.now)
  for (const [path, at] of [
    ['/', DISCOVERY],
    ['/realms/acme', `/realms/acme${DISCOVERY}`],
    ['/oauth2/default/', `/oauth2/default${DISCOVERY}`],
  ] as const) {
    const iss = `${idp.issuer}${path}`
    made(await s.root.post('/issuers', { issuer: iss, audiences: [AUDIENCE], shares_user_ids: true }))
    idp.answers.set(at, (_, response) => response.end(JSON.stringify({ issuer: iss, jwks_uri: `${idp.issuer}/jwks` })))
    t.equal((await exchange(idp.token({ iss }))).status, 200, iss)
  }
})

t.test('an issuer that answers what is no answer is away, and harms nobody', async (t) => {
  const raw =
    (head: string) =>
    (_: unknown, { socket }: { socket: Socket | null }) =>
      void socket?.end(head)
  const ways: [string, Parameters<IdentityProvider['answers']['set']>[1]][] = [
    ...[199, 204, 205, 304, 418, 600, 999].map((status): (typeof ways)[number] => [
      `status ${status}`,
      raw(`HTTP/1.1 ${status} Odd\r\nContent-Length: 0\r\n\r\n`),
    ]),
    ['another protocol', raw('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')],
    ['no HTTP', raw('SSH-2.0-OpenSSH_9.6\r\n')],
    ['nothing', raw('')],
    ['half a body', raw('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"keys":[')],
    ['headers without an end', raw(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`)],
    ['odd headers', raw('HTTP/1.1 200 OK\r\nX: \x01\xff\r\nCache-Control: max-age=1e9, max-age=-1\r\n\r\nx')],
  ]
  for (const [name, answer] of ways) {
    for (const path of [DISCOVERY, '/jwks']) {
      const idp = await aTrusted(t)
      idp.answers.set(path, answer)
      await isAway(t, exchange(idp.token()), `${name}: ${path}`)
    }
  }
})

t.test('an issuer that is slow, or never ends, is given up', async (t) => {
  type Response = Parameters<Parameters<IdentityProvider['answers']['set']>[1]>[1]
  const drip = (response: Response): void => {
    const timer = setInterval(() => response.write(' '), 50)
    response.on('close', () => clearInterval(timer))
  }
  const flood = (response: Response): void => {
    while (!response.destroyed && response.write(' '.repeat(65_536)));
    response.once('drain', () => flood(response))
  }
  const ways: [string, (response: Response) => void][] = [
    ['no answer', () => {}],
    ['a byte at a time', drip],
    ['without an end', flood],
    ['an error without an end', (response) => flood(response.writeHead(404))],
  ]
  await Promise.all(
    ways.flatMap(([name, answer]) =>
      [DISCOVERY, '/jwks'].map(async (path) => {
        const idp = await aTrusted(t)
        const closed = new Promise<void>((resolve) => {
          idp.answers.set(path, (_, response) => {
            response.on('close', resolve)
            answer(response)
          })
        })
        await isAway(t, exchange(idp.token()), `${name}: ${path}`)
        await closed
      }),
    ),
  )
})

t.test('keys of an issuer that are unsound verify nothing (RFC 8725 §3.2, §3.4, §3.5)', async (t) => {
  const idp = await aTrusted(t)
  const claims = { iss: idp.issuer, aud: AUDIENCE, sub: 'alice', iat: 0, exp: 0 }
  const seconds = Math.floor(s.now.getTime() / 1_000)
  Object.assign(claims, { iat: seconds, exp: seconds + 300 })
  type Keys = { privateKey: KeyObject; publicKey: KeyObject }
  const named = (kid: string, alg: 'RS256' | 'ES256', keys: Keys) => ({ kid, alg, ...keys })
  const odd = [
    named('short', 'RS256', generateKeyPairSync('rsa', { modulusLength: 1024 })),
    named('exponent', 'RS256', generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 })),
    named('p384', 'ES256', generateKeyPairSync('ec', { namedCurve: 'P-384' })),
    named('k256', 'ES256', generateKeyPairSync('ec', { namedCurve: 'secp256k1' })),
    aPair('twin'),
    aPair('encrypts'),
    aPair('another-algorithm'),
    aPair('leaked'),
  ]
  const list = (pair: (typeof odd)[number]) => ({
    ...jwkOf(pair),
    ...(pair.kid === 'encrypts' && { use: 'enc' }),
    ...(pair.kid === 'another-algorithm' && { alg: 'ES384' }),
    ...(pair.kid === 'leaked' && pair.privateKey.export({ format: 'jwk' })),
  })
  const secret = 'a secret that all the world can read'
  const oct = { kty: 'oct', kid: 'oct', alg: 'HS256', k: Buffer.from(secret).toString('base64url') }
  idp.jwks.keys.push(oct, ...odd.map(list), jwkOf(aPair('twin')), {}, { kty: 'unknown', kid: 'unknown' })
  const refused = { status: 400, body: { error: 'invalid_request' } }
  for (const pair of odd) t.match(await exchange(signedWith(pair, claims)), refused, pair.kid)
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${encode({ alg: 'HS256', kid: 'oct', typ: 'JWT' })}.${encode(claims)}`
  t.match(await exchange(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`), refused)
  t.equal((await exchange(idp.token())).status, 200, 'and the sound one beside them does')
})
