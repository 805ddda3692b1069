// `tenantry migrate` and what follows it, on an empty database of a server.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { run } from './command.ts'

const server = process.env.TEST_DATABASE_URL
const role = `tenantry_test_${randomBytes(4).toString('hex')}`
const TENANTRY_SERVICE_PASSWORD = 'only-for-tests'

const onServer = async (connectionString: string | undefined, ...statements: string[]): Promise<void> => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

const dsn = (login?: { username: string; password: string }): string => {
  const url = new URL(server ?? '')
  url.pathname = `/${role}`
  return Object.assign(url, login).href
}

t.test(
  'migrates, makes the role of the service, and does nothing the second time',
  { skip: server ? false : 'needs TEST_DATABASE_URL' },
  async (t) => {
    await onServer(server, `create database ${role}`)
    t.teardown(() => onServer(server, `drop database ${role}`, `drop role if exists ${role}`))
    const owner = { DATABASE_URL: dsn() }
    const migrate = ['migrate', '--grant-to', role]

    t.match(await run(['verify-history'], owner), { code: 78, err: /lacks migrations/ })
    t.match(await run(['migrate', '--plan'], owner), { code: 0, out: /^\(nothing\) → \d{4}_\w+\n\n0000_tables\n/ })
    t.match(await run(migrate, owner), { code: 78, err: /TENANTRY_SERVICE_PASSWORD is needed/ })
    t.match(await run(migrate, { ...owner, TENANTRY_SERVICE_PASSWORD }), {
      code: 0,
      out: /^\(nothing\) → \d{4}_\w+\n.* may work as the service\n$/,
    })
    const again = await run([...migrate, '--json'], owner)
    t.match(JSON.parse(again.out), { applied: [], granted_to: role })

    const service = { DATABASE_URL: dsn({ username: role, password: TENANTRY_SERVICE_PASSWORD }) }
    t.match(await run(['verify-history'], service), { code: 0, out: /^0 histories hold/ })
    const settings = {
      TENANTRY_ISSUER: 'https://tenantry.example',
      TENANTRY_ROOT_API_KEY: randomBytes(24).toString('hex'),
      TENANTRY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    }
    const right = 'function tenantry.find_revoked(uuid, bigint, bigint, text[], timestamptz)'
    await onServer(dsn(), `revoke execute on ${right} from ${role}`)
    t.match(await run(['doctor'], { ...service, ...settings }), { code: 1, out: /FAIL {2}login role/ })
    t.match(await run(['migrate'], owner), { code: 0, out: /nothing to do/ }, 'an upgrade admits who was admitted')
    t.match(await run(['doctor'], { ...service, ...settings }), { code: 0, out: /^(ok .*\n)+$/ })
    t.match(await run(['doctor'], service), {
      code: 1,
      out: /FAIL {2}settings: TENANTRY_ISSUER[\s\S]*ok {4}login role[\s\S]*FAIL {2}signing key/,
    })
    t.match(await run(['doctor'], { ...owner, ...settings }), { code: 1, out: /FAIL {2}login role: .*superuser/ })
    t.match(await run(['migrate', '--wait', '1'], { DATABASE_URL: 'postgres://nobody@127.0.0.1:9/x' }), {
      code: 1,
      err: /ECONNREFUSED/,
    })
  },
)
