// Who may migrate, how often, and how many at a time. On a server of its own: roles belong to the whole cluster, and here
// they must not be there yet.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t, { type Test } from 'tap'
import { migratePostgres, planMigrations } from '../../src/database/migrations.ts'
import { aReplica, someSecrets } from '../operations/replicas.ts'
import { findPostgres, startPostgres } from '../support/postgres-server.mjs'
import { made } from '../support/service.ts'

const skip =
  process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : !findPostgres() && 'needs a cluster of its own'

const server = skip ? undefined : await startPostgres()
t.teardown(() => server?.stop())

const asSuperuser = async (...statements: string[]): Promise<void> => {
  const client = new pg.Client({ connectionString: server?.url })
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

const urlOf = (database: string, username: string, password: string): string => {
  const url = new URL(server?.url ?? '')
  return Object.assign(url, { pathname: `/${database}`, username, password }).href
}

interface Owner {
  name: string
  password: string
}

/** No superuser: what a managed database gives. */
const anOwner = async (attributes: string): Promise<Owner> => {
  const owner = { name: `owner_${randomBytes(4).toString('hex')}`, password: randomBytes(12).toString('hex') }
  await asSuperuser(`create role ${owner.name} login nosuperuser ${attributes} password '${owner.password}'`)
  return owner
}

const aDatabaseOf = async ({ name, password }: Owner): Promise<{ database: string; url: string }> => {
  const database = `database_${randomBytes(4).toString('hex')}`
  await asSuperuser(`create database ${database} owner ${name}`)
  return { database, url: urlOf(database, name, password) }
}

const secrets = someSecrets()
const SERVICE = { name: 'tenantry_service', password: 'only-for-tests-on-loopback' }

/** The service starts there and does its work. */
const isServed = async (t: Test, database: string): Promise<void> => {
  const { root, stop } = await aReplica(t, urlOf(database, SERVICE.name, SERVICE.password), secrets)
  const tenant = made(await root.post('/tenants', { name: 'Acme', owner: { user_id: 'user_olga' } }))
  t.equal((await root.get(`/memberships?tenant_id=${tenant.id}`)).body.data.length, 1)
  await stop()
}

t.test('an owner who may neither make the roles nor has them is refused, and nothing is done', { skip }, async (t) => {
  const { database, url } = await aDatabaseOf(await anOwner('nocreaterole'))
  await t.rejects(migratePostgres(url, undefined), { message: /permission denied to create role/ })
  const client = new pg.Client({ connectionString: urlOf(database, 'postgres', new URL(server?.url ?? '').password) })
  await client.connect()
  const { rows } = await client.query("select to_regnamespace('tenantry') as tenantry")
  await client.end()
  t.same(rows, [{ tenantry: null }])
})

t.test('an owner who may make roles migrates, two databases of one cluster at once', { skip }, async (t) => {
  const owner = await anOwner('createrole')
  const [one, other] = await Promise.all([aDatabaseOf(owner), aDatabaseOf(owner)])
  const both = await Promise.all([migratePostgres(one.url, undefined), migratePostgres(other.url, undefined)])
  t.ok(both.every(({ from, applied }) => from === null && applied.length > 0))
  await migratePostgres(one.url, SERVICE)
  await isServed(t, one.database)
  t.same((await migratePostgres(one.url, SERVICE)).applied, [], 'again, which does nothing')
  await isServed(t, one.database)
})

t.test('of two that migrate a database at once one does it and the other waits', { skip }, async (t) => {
  const { database, url } = await aDatabaseOf(await anOwner('createrole'))
  const both = await Promise.all([migratePostgres(url, SERVICE), migratePostgres(url, SERVICE)])
  t.same(both.map(({ applied }) => applied.length).sort(), [0, both[0]?.applied.length || both[1]?.applied.length])
  await isServed(t, database)
})

t.test('an owner who may not make roles migrates with those that it was granted', { skip }, async (t) => {
  const owner = await anOwner('nocreaterole')
  const { database, url } = await aDatabaseOf(owner)
  await asSuperuser(`grant tenantry_tenant, tenantry_platform to ${owner.name}`)
  t.not((await migratePostgres(url, SERVICE)).applied.length, 0, 'the service role has them already')
  await isServed(t, database)
})

const onDatabase = async (t: Test, database: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: urlOf(database, 'postgres', new URL(server?.url ?? '').password) })
  await client.connect()
  t.teardown(() => client.end())
  return client
}

t.test('a plan names what is pending, and nothing is done', { skip }, async (t) => {
  const { database, url } = await aDatabaseOf(await anOwner('createrole'))
  const plan = await planMigrations(url)
  t.equal(plan.from, null)
  t.equal(plan.pending.at(-1)?.name, plan.to)
  const client = await onDatabase(t, database)
  t.same((await client.query("select to_regnamespace('tenantry_migrations') as it")).rows, [{ it: null }])
  await migratePostgres(url, SERVICE)
  t.match(await planMigrations(url), { from: plan.to, to: plan.to, pending: [] })
})

t.test('it waits for a database that is not there yet, and not for ever', { skip }, async (t) => {
  const { url } = await aDatabaseOf(await anOwner('createrole'))
  const waited: string[] = []
  const onWait = (what: string) => waited.push(what)
  const nowhere = Object.assign(new URL(url), { port: '9' }).href
  await t.rejects(planMigrations(nowhere, { wait_ms: 600, onWait }), { code: 'ECONNREFUSED' })
  t.ok(waited.length > 0)
  await t.rejects(planMigrations(Object.assign(new URL(url), { password: 'wrong' }).href, { wait_ms: 60_000 }), {
    code: '28P01',
  })
})
