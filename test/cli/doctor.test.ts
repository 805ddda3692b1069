// The doctor's questions, on databases that are ill in one way each.
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { openPostgres } from '../../src/database/connection.ts'
import { examineDatabase } from '../../src/database/doctor.ts'
import { Database } from '../../src/database/scope.ts'
import { examineSigningKey } from '../../src/signing-keys/doctor.ts'
import { aService } from '../support/service.ts'

const s = await aService(t)
const { database, superuser, owner_url } = s.test_database
const failed = async (examined: Database = database) => (await examineDatabase(examined)).filter(({ ok }) => !ok)
const onServer = owner_url === undefined ? { skip: 'needs TEST_DATABASE_URL' } : {}

/** A database of a login role, closed with the test. */
const asRole = (t: { teardown(work: () => unknown): void }, url: string): Database => {
  const opened = new Database(openPostgres(url, () => {}))
  t.teardown(() => opened.close())
  return opened
}

t.test('a healthy database passes every check', async (t) => {
  const checks = await examineDatabase(database)
  const names = checks.map(({ name }) => name)
  t.same(names, ['database', 'login role', 'migrations', 'epoch', 'row-level security', 'clock'])
  t.same(await failed(), [])
})

t.test('a table whose row-level security somebody relaxed is named', async (t) => {
  await superuser('alter table tenantry.roles no force row level security')
  await superuser('create table tenantry.added ()')
  t.match(await failed(), [{ name: 'row-level security', detail: /: added, roles;/ }])
  await superuser('alter table tenantry.roles force row level security')
  await superuser('drop table tenantry.added')
  t.same(await failed(), [])
})

t.test('a database that lacks a migration is told from one that is current', async (t) => {
  const [newest] = await superuser(
    'delete from tenantry_migrations.applied where created_at = (select max(created_at) from tenantry_migrations.applied) returning *',
  )
  t.match(await failed(), [{ name: 'migrations', detail: /lacks migrations up to/ }])
  await superuser('insert into tenantry_migrations.applied (hash, created_at) values ($1, $2)', [
    newest?.hash,
    newest?.created_at,
  ])
  t.same(await failed(), [])
})

t.test('a signing key that another key sealed is not usable', async (t) => {
  t.match(await examineSigningKey(database, [randomBytes(32)]), {
    ok: false,
    detail: /another TENANTRY_ENCRYPTION_KEY/,
  })
  t.match(await examineSigningKey(database, []), { ok: false })
  await superuser('delete from tenantry.signing_keys')
  t.match(await examineSigningKey(database, [randomBytes(32)]), { ok: true, detail: /none yet/ })
})

t.test('a database that does not answer is all there is to say', async (t) => {
  const away = asRole(t, 'postgres://nobody@127.0.0.1:9/nowhere')
  t.match(await examineDatabase(away), [{ name: 'database', ok: false, detail: /does not answer \(.*ECONNREFUSED/ }])
})

t.test('a superuser may not be the login role, nor a role that was not let in', onServer, async (t) => {
  t.match(await failed(asRole(t, owner_url ?? '')), [{ name: 'login role', detail: /is a superuser/ }])
  const name = `tenantry_test_${randomBytes(4).toString('hex')}`
  await superuser(`create role ${name} login password 'only-for-tests'`)
  const url = new URL(owner_url ?? '')
  Object.assign(url, { username: name, password: 'only-for-tests' })
  const stranger = new Database(openPostgres(url.href, () => {}))
  t.match(await failed(stranger), [{ name: 'login role', detail: /--grant-to/ }])
  await stranger.close()
  await superuser(`drop role ${name}`)
})
