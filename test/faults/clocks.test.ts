// The clock of one of two replicas jumps a day ahead, and a day back: it then judges by its own time what ends and begins, which
// nothing can help; but what was taken away stays taken away, nothing of the others' is harmed, and nothing fails.
import fs from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { faultsOfHistories } from '../database/chain.ts'
import { addressOf, aFolder, request, serve, stop } from '../operations/processes.ts'
import { eventually } from '../support/downstream.ts'
import { aGround } from './settings.ts'

const HOUR_MS = 3_600_000

/** Debian's libfaketime: what a process takes for the time is read from a file. */
const LIBRARY = ['x86_64-linux-gnu', 'aarch64-linux-gnu']
  .map((machine) => `/usr/lib/${machine}/faketime/libfaketimeMT.so.1`)
  .find((file) => fs.existsSync(file))

const skip =
  process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : !LIBRARY && 'NOT TESTED: apt-get install libfaketime'

const aClock = (t: Test) => {
  const file = path.join(aFolder(t), 'clock')
  // Replaced as a whole: read at any moment, it says one thing or the other.
  const jump = (offset: string): void => {
    fs.writeFileSync(`${file}.new`, `${offset}\n`)
    fs.renameSync(`${file}.new`, file)
  }
  jump('+0')
  const settings = {
    LD_PRELOAD: LIBRARY ?? '',
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1', // no jump of a clock moves that one
    DONT_FAKE_MONOTONIC: '1',
  }
  return { jump, settings }
}

t.test('the clock of one replica jumps', { skip }, async (t) => {
  const { test_database, root, settings } = await aGround()
  const clock = aClock(t)
  const steady_process = serve(t, settings())
  const steady_address = await addressOf(steady_process)
  const wayward_process = serve(t, settings(clock.settings))
  const wayward_address = await addressOf(wayward_process)
  const steady = (target: string, body?: object, credential = root) => request(steady_address, credential, target, body)
  const wayward = (target: string, body?: object, credential = root) =>
    request(wayward_address, credential, target, body)

  const tenant_id = (await steady('POST /tenants', { name: 'Acme', owner: { user_id: 'user_olga' } })).body.id
  const token = async (of = steady, user_id = 'user_olga') =>
    (await of('POST /tokens', { tenant_id, user_id, ttl_seconds: 3_600 })).body.access_token
  const aKey = async (expires_at: string | null) =>
    (await steady('POST /api-keys', { name: 'key', permissions: ['tenantry.tenant:read'], expires_at })).body
  const check = (user_id: string) => ({
    ...{ subject: { type: 'user', id: user_id }, action: { name: 'read' } },
    ...{ resource: { type: 'invoice', id: '1' }, context: { tenant_id } },
  })
  const looks = async (of: typeof steady, credential: string) =>
    (await of(`GET /tenants/${tenant_id}`, undefined, credential)).status
  const isReady = async () => (await wayward('GET /readyz')).status

  const in_an_hour = new Date(Date.now() + HOUR_MS).toISOString()
  const [ending, revoked, lasting] = [await aKey(in_an_hour), await aKey(null), await aKey(null)]
  await steady('POST /memberships', { tenant_id, user_id: 'user_guest', expires_at: in_an_hour })
  const suspended = (await steady('POST /memberships', { tenant_id, user_id: 'user_vera' })).body.id
  const [old, of_vera] = [await token(), await token(steady, 'user_vera')]
  for (const credential of [old, of_vera, ending.secret, revoked.secret, lasting.secret])
    t.equal(await looks(wayward, credential), 200, 'while the clocks agree')

  const takeAway = async () => {
    t.equal((await steady(`POST /memberships/${suspended}/suspend`)).status, 200)
  }

  await t.test('a day ahead', async (t) => {
    clock.jump('+1d')
    t.equal(await looks(wayward, old), 401, 'a token is over')
    t.equal(await looks(wayward, ending.secret), 401, 'a key is over')
    t.equal(await looks(wayward, lasting.secret), 200)
    t.match(await wayward('POST /access/v1/evaluation', check('user_guest')), {
      status: 200,
      body: { decision: false },
    })
    t.match(await steady('POST /access/v1/evaluation', check('user_guest')), { status: 200, body: { decision: true } })
    t.equal(await looks(steady, old), 200, 'not for others')
    await takeAway()
    t.match(await wayward('POST /access/v1/evaluation', check('user_vera')), { status: 200, body: { decision: false } })
    t.equal((await wayward('POST /memberships', { tenant_id, user_id: 'user_ahead' })).status, 201)
    t.equal(await isReady(), 200)
  })

  await t.test('a day back', async (t) => {
    clock.jump('-1d')
    t.equal(await looks(wayward, lasting.secret), 200)
    t.match(await wayward('POST /access/v1/evaluation', check('user_vera')), { status: 200, body: { decision: false } })
    t.not(await looks(wayward, of_vera), 200, 'what was taken away stays taken away')
    await request(steady_address, root, `DELETE /api-keys/${revoked.id}`).catch(() => {}) // 204 has no body to read
    t.equal(await looks(wayward, revoked.secret), 401, 'a key that is revoked meanwhile too')
    t.equal((await wayward('POST /memberships', { tenant_id, user_id: 'user_back' })).status, 201)
    t.equal(
      await looks(steady, await token(wayward)),
      401,
      'a token that is over when it is made is taken by nobody else',
    )
    t.equal((await steady('POST /signing-keys/rotate')).status, 200)
    const keys = async (of: typeof steady) => (await of('GET /.well-known/jwks.json')).body.keys.length
    await eventually(async () => (await keys(wayward)) === (await keys(steady))) // what others make is followed
    t.equal(await isReady(), 200)
  })

  await t.test('and right again', async (t) => {
    clock.jump('+0')
    t.equal(await looks(wayward, old), 200)
    t.equal(await looks(wayward, ending.secret), 200)
    t.equal(await looks(steady, await token(wayward)), 200)
    t.same(await faultsOfHistories(test_database.superuser), [])
    for (const each of [steady_process, wayward_process]) t.match(await stop(each), { code: 0 })
  })
})
