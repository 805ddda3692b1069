// Clients that mean harm or are broken: too slow, too large, too many, or with made-up credentials. The service is a process of
// its own, so that its memory and its connections are nobody else's.
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import t from 'tap'
import { makeSecret } from '../../src/api-keys/secrets.ts'
import { addressOf, request, serve, stop } from '../operations/processes.ts'
import { aCountingProxy } from './counting-proxy.ts'
import { aGround } from './settings.ts'
import { answered, connect, type RawClient } from './sockets.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : false

const WITHIN_MS = 45_000 // 30 s for a whole request, 5 s until that is looked at, and a busy machine

/** What the service must not wait for longer than it says. */
const SLOW: Record<string, { says: string; goesOn?: string }> = {
  'says nothing at all': { says: '' },
  'sends a header a second': { says: 'GET /livez HTTP/1.1\r\nHost: tenantry\r\n', goesOn: 'X-Slow: 1\r\n' },
  'sends a byte of its body a second': {
    says: 'POST /oauth/token HTTP/1.1\r\nHost: tenantry\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n',
    goesOn: 'a',
  },
  'sends what is no HTTP and then holds on': { says: 'SSH-2.0-OpenSSH_9\r\n' },
  'sends a header that is too long and then holds on': { says: `GET / HTTP/1.1\r\nX-Long: ${'x'.repeat(20_000)}\r\n` },
}

const goOn = ({ socket }: RawClient, text: string | undefined): void => {
  if (text === undefined) return
  const timer = setInterval(() => socket.write(text), 1_000)
  socket.on('close', () => clearInterval(timer))
}

const within = async <T>(promise: Promise<T>, ms: number): Promise<T | 'still there'> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'still there'>((resolve) => {
    timer = setTimeout(resolve, ms, 'still there')
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** In megabytes, as the kernel counts. */
const residentMemory = (pid: number | undefined): number =>
  Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

const openFiles = (pid: number | undefined): number => fs.readdirSync(`/proc/${pid}/fd`).length

/** How many files a process may have open here. */
const mostFiles = (): number =>
  Number(/Max open files\s+\d+\s+(\d+)/.exec(fs.readFileSync('/proc/self/limits', 'utf8'))?.[1])

t.test('clients', { skip }, async (t) => {
  const { test_database, root, settings } = await aGround()
  const proxy = await aCountingProxy(t, test_database.url ?? '')
  // Nothing is followed, so whatever is said to the database is said because of a request.
  const running = serve(t, settings({ DATABASE_URL: proxy.url, TENANTRY_STALENESS_MS: '0' }))
  const address = await addressOf(running)
  const { pid } = running.child
  t.equal((await request(address, root, 'POST /tenants', { name: 'Acme' })).status, 201)

  const slow = await Promise.all(
    Object.entries(SLOW).map(async ([what, { says, goesOn }]) => {
      const client = await connect(address)
      client.socket.write(says)
      goOn(client, goesOn)
      return { what, end: within(answered(client), WITHIN_MS) }
    }),
  )

  t.test('a header of a megabyte is refused in words', async (t) => {
    const client = await connect(address)
    client.socket.write(`GET /livez HTTP/1.1\r\nHost: tenantry\r\nX-Long: ${'x'.repeat(1_048_576)}\r\n\r\n`)
    const answer = await answered(client)
    client.socket.destroy()
    t.match(answer, /^HTTP\/1.1 431 /)
    t.match(answer, /headers.too_large/)
  })

  t.test('a body of 64 KiB and a byte is refused, one of 64 KiB is read', async (t) => {
    const body = (bytes: number) => ({ name: 'x'.repeat(bytes - JSON.stringify({ name: '' }).length) })
    t.match(await request(address, root, 'POST /tenants', body(65_537)), {
      status: 413,
      body: { code: 'body.too_large' },
    })
    t.match(await request(address, root, 'POST /tenants', body(65_536)), {
      status: 400,
      body: { code: 'request.invalid' },
    })
  })

  t.test('bad credentials cost the database nothing', async (t) => {
    const kid = (await request(address, root, 'GET /signing-keys')).body.data[0].kid
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = part({
      iss: settings().TENANTRY_ISSUER,
      aud: settings().TENANTRY_ISSUER,
      exp: 9_999_999_999,
      sub: 'x',
    })
    const forged = (header: object) => `${part(header)}.${claims}.${randomBytes(64).toString('base64url')}`
    const KINDS: Record<string, () => string> = {
      'any text': () => randomBytes(30).toString('base64url'),
      'the shape of a key': () => `${makeSecret().slice(0, -1)}_`,
      'a key with a typo': () => makeSecret().replace(/.{6}$/, '000000'),
      'no JSON in a token': () => `eyJ${createHash('sha256').update(randomBytes(8)).digest('hex')}`,
      'a token without a signature': () => `${part({ alg: 'none', typ: 'at+jwt' })}.${claims}.`,
      'a token that somebody else signed': () => forged({ alg: 'ES256', typ: 'at+jwt', kid }),
      'a token signed with the public key as a secret': () => forged({ alg: 'HS256', typ: 'at+jwt', kid }),
    }
    for (const [what, make] of Object.entries(KINDS)) {
      const before = proxy.said
      const tries = Array.from({ length: 50 }, () => request(address, make(), 'GET /tenants'))
      const statuses = new Set((await Promise.all(tries)).map(({ status }) => status))
      t.same(
        [...statuses].filter((status) => status !== 429),
        [401],
        what,
      )
      t.equal(proxy.said, before, what)
    }
    const flood = (make: () => string, count: number) =>
      Promise.all(Array.from({ length: count }, () => request(address, make(), 'GET /tenants')))
    await flood(makeSecret, 150) // their checksum fits: what is over the limit is not looked up
    const over = proxy.said
    await flood(makeSecret, 50)
    t.equal(proxy.said, over, 'keys that could be some')
    const before = proxy.said
    const unknown = () => forged({ alg: 'ES256', typ: 'at+jwt', kid: randomBytes(8).toString('hex') })
    for (let round = 0; round < 5; round++)
      await Promise.all(Array.from({ length: 50 }, () => request(address, unknown(), 'GET /tenants')))
    t.ok(proxy.said - before < 50, `made-up key ids made it speak ${proxy.said - before} times in 250 tries`)
  })

  t.test('10,000 idle connections take memory that is bounded, and a request is answered beside them', async (t) => {
    const WANTED = 10_000
    const count = Math.min(WANTED, mostFiles() - 500)
    if (count < WANTED) t.comment(`ONLY ${count} CONNECTIONS: this machine allows ${mostFiles()} open files`)
    const before = residentMemory(pid)
    const clients: RawClient[] = []
    while (clients.length < count)
      clients.push(...(await Promise.all(Array.from({ length: 250 }, () => connect(address)))))
    t.equal((await request(address, root, 'GET /tenants')).status, 200)
    const taken = residentMemory(pid) - before
    t.ok(openFiles(pid) > count * 0.9, `${openFiles(pid)} connections are open`)
    t.ok(taken < count * 0.02, `they take ${taken.toFixed(0)} MB`)
    for (const { socket } of clients) socket.destroy()
  })

  t.test('slow clients are let go', async (t) => {
    for (const { what, end } of slow) t.not(await end, 'still there', `one that ${what}`)
  })

  t.test('and none of them holds up a stop, though none has closed its own side', async (t) => {
    t.match(await stop(running), { code: 0, signal: null })
  })
})
