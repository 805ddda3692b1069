// A process and its embedded database: stopping, looking into it, and who may. The tests follow one service through its life.
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { prepareDirectory } from '../support/databases.ts'
import { aDirectory, holdRequest, run, serve, untilReadyz } from './command.ts'

const data_dir = aDirectory(t)
await prepareDirectory(data_dir)
const embedded = { TENANTRY_DATA_DIR: data_dir }
const service = await serve(t, embedded, '--seed')

t.test('the embedded database in use is not opened by a second process', async (t) => {
  t.match(await run(['verify-history'], embedded), { code: 78, err: /is in use by another Tenantry process/ })
  const doctor = await run(['doctor', '--json'], { ...embedded, TENANTRY_URL: service.url })
  t.match(JSON.parse(doctor.out), {
    ok: true,
    checks: [{ name: 'settings' }, { name: 'database' }, { name: 'readiness', ok: true }],
  })
  t.match(await run(['doctor'], { ...embedded, TENANTRY_URL: 'http://127.0.0.1:9' }), {
    code: 1,
    out: /FAIL {2}readiness/,
  })
})

t.test('an address in use is named', async (t) => {
  const end = await run(['serve'], {
    TENANTRY_DATA_DIR: aDirectory(t),
    PORT: new URL(service.url).port,
    LOG_LEVEL: 'silent',
  })
  t.match(end, { code: 1, out: '', err: /Cannot listen on 127.0.0.1, port \d+: another program listens there already/ })
})

t.test('told to stop, it is not ready any more, finishes what is under way, and ends', async (t) => {
  const key = readFileSync(join(data_dir, 'root-api-key'), 'utf8').trim()
  const held = await holdRequest(service.url, key)
  const exit = once(service.child, 'exit')
  service.child.kill('SIGTERM')
  const { checks } = await untilReadyz(service.url, 503)
  t.match(checks, [
    { name: 'database', ok: true },
    { name: 'draining', ok: false },
  ])
  t.match(await held.finish(), /^HTTP\/1.1 201/)
  t.strictSame(await exit, [0, null])
  t.notOk(existsSync(join(data_dir, 'lock')), 'the directory is free again')
})

t.test('when nobody else uses it, the embedded database is looked into', async (t) => {
  const doctor = await run(['doctor'], embedded)
  t.match(doctor, { code: 0, out: /ok {4}row-level security: forced[\s\S]*ok {4}signing key: \S+ can be unsealed/ })
  t.match(await run(['verify-history'], embedded), { code: 0, out: /^4 histories hold, \d+ events in all/ })
  t.match(await run(['verify-history', '--tenant', 'acme'], embedded), {
    code: 0,
    out: /^ok {2}\S+:5 {2}[0-9a-f]{64}\n1 history holds/,
  })
  t.match(await run(['verify-history', '--tenant', 'nobody'], embedded), { code: 1, err: /no tenant with the slug/ })
  t.match(await run(['migrate'], embedded), { code: 78, err: /migrates the embedded database .* by itself/ })
})

t.test('looking at a database that is not there makes none', async (t) => {
  const missing = join(aDirectory(t), 'missing')
  t.match(await run(['verify-history'], { TENANTRY_DATA_DIR: missing }), { code: 78, err: /holds no database/ })
  const doctor = await run(['doctor'], { TENANTRY_DATA_DIR: missing, PORT: 'x', LOG_LEVEL: 'loud' })
  t.match(doctor, {
    code: 1,
    out: /FAIL {2}settings: PORT[\s\S]*FAIL {2}settings: LOG_LEVEL[\s\S]*FAIL {2}database: .* holds no database/,
  })
  t.notOk(existsSync(missing))
})
