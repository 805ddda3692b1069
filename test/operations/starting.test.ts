// A service whose database is not what it needs yet: it stays, says why it is not ready, and serves as soon as it can.
import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import { migratePostgres } from '../../src/database/migrations.ts'
import { openTestDatabase, SERVICE_ROLE } from '../support/databases.ts'
import { addressOf, request, serve, stop } from './processes.ts'
import { ISSUER, someSecrets } from './replicas.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : false
const secrets = someSecrets()

/** A port that is free now: the process is asked there before it says where it listens. */
const freePort = async (): Promise<number> => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const started = async (t: Test, DATABASE_URL: string) => {
  const PORT = String(await freePort())
  const running = serve(t, {
    ...{ DATABASE_URL, PORT, TENANTRY_ISSUER: ISSUER, TENANTRY_ROOT_API_KEY: secrets.root_api_key },
    TENANTRY_ENCRYPTION_KEY: secrets.encryption_key.toString('base64'),
  })
  return { running, address: `http://127.0.0.1:${PORT}` }
}

/** What it says of itself while it cannot start. */
const answerWhileWaiting = async (
  { running, address }: Awaited<ReturnType<typeof started>>,
  path = '/readyz',
): Promise<{ status: number; body: unknown }> => {
  await running.logged(/answering probes/)
  const answer = await fetch(`${address}${path}`)
  return { status: answer.status, body: await answer.json() }
}

const aDatabase = async () => {
  const test_database = await openTestDatabase()
  await test_database.database.close()
  return test_database
}

t.test('before anybody has migrated it is alive and not ready, and afterwards it serves', { skip }, async (t) => {
  const { url = '', owner_url = '', superuser } = await aDatabase()
  await superuser('drop schema tenantry cascade')
  await superuser('drop schema tenantry_migrations cascade')
  const waiting = await started(t, url)
  const { running, address } = waiting
  t.match(await answerWhileWaiting(waiting), {
    status: 503,
    body: {
      status: 'unavailable',
      checks: [{ name: 'schema', ok: false, detail: /lacks migrations.*tenantry migrate/ }],
    },
  })
  t.match(await answerWhileWaiting(waiting, '/livez'), { status: 200 })
  t.equal((await fetch(`${address}/tenants`)).status, 503)

  await migratePostgres(owner_url, SERVICE_ROLE)
  t.equal(await addressOf(running), address)
  t.equal((await request(address, secrets.root_api_key, 'POST /tenants', { name: 'Acme' })).status, 201)
  t.match(await stop(running), { code: 0 })
})

t.test('it can be told to stop while it waits for the newest migration', { skip }, async (t) => {
  const { url = '', superuser } = await aDatabase()
  await superuser(
    'delete from tenantry_migrations.applied where created_at = (select max(created_at) from tenantry_migrations.applied)',
  )
  const waiting = await started(t, url)
  t.match(await answerWhileWaiting(waiting), { status: 503, body: { checks: [{ name: 'schema' }] } })
  t.match(await stop(waiting.running), { code: 1, signal: null, stderr: /told to stop/ })
})

t.test('it waits for a database that is not there yet', { skip }, async (t) => {
  const { url = '' } = await aDatabase()
  const [place, port] = [new URL(url), await freePort()]
  const waiting = await started(t, Object.assign(new URL(url), { port }).href)
  const { running, address } = waiting
  t.match(await answerWhileWaiting(waiting), {
    status: 503,
    body: { checks: [{ name: 'database', detail: /ECONNREFUSED/ }] },
  })
  const door = net.createServer((socket) => {
    const behind = net.connect(Number(place.port), place.hostname)
    socket.pipe(behind).pipe(socket)
    for (const each of [socket, behind]) each.on('error', () => {})
  })
  t.teardown(() => door.close())
  door.listen(port, '127.0.0.1')
  t.equal(await addressOf(running), address)
  t.match(await stop(running), { code: 0 })
})

t.test('a schema that a newer version made is no obstacle', { skip }, async (t) => {
  const { url = '', superuser } = await aDatabase()
  await superuser(`insert into tenantry_migrations.applied (hash, created_at) values ('of a later one', 9000000000000)`)
  const { running } = await started(t, url)
  await addressOf(running)
  t.match(await stop(running), { code: 0 })
})
