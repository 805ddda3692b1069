// The servers that other tests rely on, when they do.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import t, { type Test } from 'tap'
import { findPostgres, startPostgres } from './postgres-server.mjs'

const script = fileURLToPath(new URL('with-postgres.mjs', import.meta.url))
const skip =
  process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : !findPostgres() && 'needs the binaries of a server'

function aPlaceForServers(t: Test) {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'tenantry-with-postgres-'))
  fs.chmodSync(folder, 0o755) // as root the server runs as another user, who must get through
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

function withPostgres(t: Test, folder: string, command: string) {
  const env = { PATH: process.env.PATH, TMPDIR: folder }
  const child = spawn(process.execPath, [script, process.execPath, '--input-type=module', '--eval', command], {
    env,
    cwd: path.dirname(script),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  return { child, lines: readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
}

function serversIn(folder: string) {
  return fs.readdirSync(folder).filter((name) => name.startsWith('tenantry-postgres-'))
}

async function eventually(condition: () => boolean) {
  for (const deadline = Date.now() + 20_000; !condition(); await delay(20)) {
    if (Date.now() > deadline) throw new Error('it did not happen within 20 s')
  }
}

const askAndLeave = `
  import pg from 'pg'
  const client = new pg.Client(process.env.TEST_DATABASE_URL)
  await client.connect()
  const { rows } = await client.query('select usesuper, current_setting($1) as fsync from pg_user', ['fsync'])
  console.log(JSON.stringify(rows[0]))
  await client.end()
  process.exitCode = 7
`
// Stays for as long as its connection does.
const announceAndStay = `
  import pg from 'pg'
  const client = new pg.Client(process.env.TEST_DATABASE_URL)
  client.on('error', () => {})
  await client.connect()
  console.log(process.env.TEST_DATABASE_URL)
`

t.test('the command gets a superuser, its exit code is passed on, nothing is left', { skip }, async (t) => {
  const folder = aPlaceForServers(t)
  const { child, lines } = withPostgres(t, folder, askAndLeave)
  t.strictSame(JSON.parse((await lines.next()).value), { usesuper: true, fsync: 'off' })
  t.strictSame(await once(child, 'exit'), [7, null])
  t.strictSame(serversIn(folder), [])
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  t.test(`${signal} ends the server too`, { skip }, async (t) => {
    const folder = aPlaceForServers(t)
    const { child, lines } = withPostgres(t, folder, announceAndStay)
    const url = (await lines.next()).value
    t.equal(serversIn(folder).length, 1)
    child.kill(signal)
    await eventually(() => serversIn(folder).length === 0)
    await t.rejects(new pg.Client(url).connect(), { code: 'ECONNREFUSED' })
  })
}

t.test('a given TEST_DATABASE_URL is used as it is', async (t) => {
  const env = { PATH: process.env.PATH, TEST_DATABASE_URL: 'postgresql://given.example/db' }
  const show = 'process.stdout.write(process.env.TEST_DATABASE_URL)'
  const child = spawn(process.execPath, [script, process.execPath, '--eval', show], { env })
  const [said] = await once(child.stdout, 'data')
  t.equal(String(said), 'postgresql://given.example/db')
})

t.test('a killed server comes back with what was committed', { skip }, async (t) => {
  const server = await startPostgres({ durable: true })
  t.teardown(() => server.stop())
  const query = async (sql: string) => {
    const client = new pg.Client(server.url)
    await client.connect()
    try {
      return (await client.query(sql)).rows
    } finally {
      await client.end()
    }
  }
  t.strictSame(await query('show fsync'), [{ fsync: 'on' }])
  await query('create table kept as select 1 as id')
  await server.kill9()
  await t.rejects(query('select 1'), { code: 'ECONNREFUSED' })
  await server.restart()
  t.strictSame(await query('select id from kept'), [{ id: 1 }])
  await server.restart()
  t.strictSame(await query('select id from kept'), [{ id: 1 }], 'and after an orderly restart')
})
