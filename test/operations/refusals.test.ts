// What the service does not start with. Each is said in words, all at once where there are several, with exit status 78:
// starting again will not help.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t, { type Test } from 'tap'
import { openTestDatabase, SERVICE_ROLE } from '../support/databases.ts'
import { type End, serve } from './processes.ts'
import { aReplica, ISSUER, someSecrets } from './replicas.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : false
const secrets = someSecrets()

const settingsFor = (url: string): Record<string, string> => ({
  DATABASE_URL: url,
  TENANTRY_ISSUER: ISSUER,
  TENANTRY_ROOT_API_KEY: secrets.root_api_key,
  TENANTRY_ENCRYPTION_KEY: secrets.encryption_key.toString('base64'),
})

const isRefusal = (t: Test, { code, stderr }: End, ...words: RegExp[]): void => {
  t.equal(code, 78)
  for (const each of words) t.match(stderr, each)
  t.notMatch(stderr, /\n +at /, 'words, not a stack')
}

const withLogin = (url: string | undefined, username: string, password: string): string => {
  const changed = new URL(url ?? '')
  changed.username = username
  changed.password = password
  return changed.href
}

/** A login role with these attributes, which may do what the service may; gone when the test ends. */
const aRole = async (t: Test, attributes: string): Promise<{ name: string; password: string }> => {
  const [name, password] = [`tenantry_test_${randomBytes(4).toString('hex')}`, randomBytes(12).toString('hex')]
  const admin = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL })
  await admin.connect()
  await admin.query(`create role ${name} login ${attributes} password '${password}'`)
  await admin.query(`grant ${SERVICE_ROLE.name} to ${name}`)
  t.teardown(async () => {
    await admin.query(`drop role ${name}`)
    await admin.end()
  })
  return { name, password }
}

const aDatabase = async () => {
  const test_database = await openTestDatabase()
  await test_database.database.close()
  return test_database
}

t.test('as a superuser', { skip }, async (t) => {
  const { owner_url } = await aDatabase()
  isRefusal(t, await serve(t, settingsFor(owner_url ?? '')).ended, /DATABASE_URL.*is a superuser/, /--grant-to/)
})

t.test('as a role that row-level security does not bind', { skip }, async (t) => {
  const { url } = await aDatabase()
  const { name, password } = await aRole(t, 'bypassrls')
  isRefusal(t, await serve(t, settingsFor(withLogin(url, name, password))).ended, /DATABASE_URL.*has BYPASSRLS/)
})

t.test('as the owner of the tables', { skip }, async (t) => {
  const { url, superuser } = await aDatabase()
  const { name, password } = await aRole(t, 'nosuperuser')
  await superuser(`alter table tenantry.tenants owner to ${name}`)
  isRefusal(t, await serve(t, settingsFor(withLogin(url, name, password))).ended, /DATABASE_URL.*owns the tables/)
  await superuser('alter table tenantry.tenants owner to postgres')
})

t.test('with another encryption key than the one that sealed the signing key', { skip }, async (t) => {
  const { url } = await aDatabase()
  await (await aReplica(t, url, secrets)).stop()
  const settings = { ...settingsFor(url ?? ''), TENANTRY_ENCRYPTION_KEY: randomBytes(32).toString('base64') }
  isRefusal(t, await serve(t, settings).ended, /TENANTRY_ENCRYPTION_KEY/)
})

t.test('without settings that it needs, several at once', async (t) => {
  const { TENANTRY_ISSUER: _, ...settings } = settingsFor('postgres://somebody@db.example/app')
  const wrong = { TENANTRY_ROOT_API_KEY: 'too short', TENANTRY_ENCRYPTION_KEY: 'dG9vIHNob3J0', LOG_LEVEL: 'loud' }
  const end = await serve(t, { ...settings, ...wrong }).ended
  isRefusal(
    t,
    end,
    /TENANTRY_ISSUER is required/,
    /TENANTRY_ROOT_API_KEY must/,
    /TENANTRY_ENCRYPTION_KEY must/,
    /LOG_LEVEL must/,
  )
})
