// A database of its own for every test file: a clone of one migrated template. On PGlite the template is a snapshot in the
// temporary directory; on a server (TEST_DATABASE_URL, a superuser's) it is a template database.
import { createHash, randomBytes } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import pg from 'pg'
import t from 'tap'
import { embeddedConnection, openPostgres } from '../../src/database/connection.ts'
import { migrateEmbedded, migratePostgres } from '../../src/database/migrations.ts'
import { Database } from '../../src/database/scope.ts'

const MIGRATIONS = fileURLToPath(new URL('../../drizzle', import.meta.url))

/** The role that the service logs in as, as `tenantry migrate --grant-to` makes it. */
export const SERVICE_ROLE = { name: 'tenantry_test_service', password: 'only-for-tests-on-loopback' }

const fingerprint = (): string => {
  const hash = createHash('sha256')
  for (const name of readdirSync(MIGRATIONS).sort()) {
    if (name.endsWith('.sql')) hash.update(name).update(readFileSync(join(MIGRATIONS, name)))
  }
  return hash.digest('hex').slice(0, 16)
}

export interface TestDatabase {
  database: Database
  /** A superuser's DSN on this database; undefined on PGlite. */
  owner_url: string | undefined
  /** The service role's DSN on this database; undefined on PGlite. */
  url: string | undefined
  /** Runs SQL as the superuser, past row-level security: for looking behind the service's back. */
  superuser(text: string, parameters?: unknown[]): Promise<Record<string, unknown>[]>
}

export const openTestDatabase = (): Promise<TestDatabase> => {
  const server = process.env.TEST_DATABASE_URL
  return server === undefined ? onPglite() : onServer(server)
}

/** Whatever several processes make at once, each makes elsewhere and moves into place. */
const madeOnce = async (name: string, make: (fresh: string) => Promise<void>): Promise<string> => {
  const place = join(tmpdir(), `tenantry-test-${fingerprint()}${name}`)
  if (existsSync(place)) return place
  const fresh = `${place}.${randomBytes(4).toString('hex')}`
  await make(fresh)
  try {
    renameSync(fresh, place)
  } catch (error) {
    if (!existsSync(place)) throw error // else another was first, and a directory is not replaced
    rmSync(fresh, { recursive: true, force: true })
  }
  return place
}

/** PostgreSQL's own templates are two thirds of what would be unpacked for every test file. */
const snapshot = (): Promise<string> =>
  madeOnce('.tar', async (fresh) => {
    const client = await PGlite.create()
    await migrateEmbedded(client)
    await client.exec('update pg_database set datistemplate = false')
    for (const name of ['template0', 'template1']) await client.exec(`drop database ${name}`)
    await client.exec('checkpoint')
    const dump = await client.dumpDataDir('none')
    await client.close()
    writeFileSync(fresh, new Uint8Array(await dump.arrayBuffer()))
  })

/** Puts a migrated database into a data directory, for processes whose first start is not what is tested. */
export const prepareDirectory = async (directory: string): Promise<void> => {
  const template = await madeOnce('', async (fresh) => {
    const loadDataDir = new Blob([readFileSync(await snapshot())])
    await (await PGlite.create({ dataDir: fresh, loadDataDir })).close()
  })
  cpSync(template, join(directory, 'database'), { recursive: true })
}

/** What was closed and waits to be opened again: to empty one costs a tenth of a start, and no memory. */
const idle: PGlite[] = []
t.teardown(() => Promise.all(idle.map((client) => client.close()))) // else the process would not end

const startPglite = async (): Promise<PGlite> =>
  PGlite.create({ loadDataDir: new Blob([readFileSync(await snapshot())]) })

/** As the migrations leave it: they put no rows into these tables. */
const empty = async (client: PGlite): Promise<PGlite> => {
  const { rows } = await client.query<{ names: string }>(
    `select string_agg(format('%I.%I', schemaname, tablename), ', ') as names from pg_tables where schemaname = 'tenantry'`,
  )
  await client.exec(`truncate ${rows[0]?.names} restart identity`)
  return client
}

const onPglite = async (): Promise<TestDatabase> => {
  const used = idle.pop()
  const client = used === undefined ? await startPglite() : await empty(used)
  let closed = false
  const get = (target: PGlite, name: string | symbol): unknown => {
    if (closed) throw new Error('PGlite is closed') // what it says itself to whoever still holds it
    return memberOf(target, name)
  }
  const proxy = new Proxy(client, { get })
  const close = async (): Promise<void> => {
    if (!closed) idle.push(client)
    closed = true
  }
  return {
    database: new Database({ ...embeddedConnection(proxy), close }),
    owner_url: undefined,
    url: undefined,
    superuser: async (text, parameters = []) => (await proxy.query<Record<string, unknown>>(text, parameters)).rows,
  }
}

const memberOf = (target: object, name: string | symbol): unknown => {
  const member: unknown = Reflect.get(target, name, target)
  return typeof member === 'function' ? member.bind(target) : member
}

const withPath = (url: string, database: string): string => {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}

const onServer = async (server: string): Promise<TestDatabase> => {
  const template = `tenantry_template_${fingerprint()}`
  const name = `tenantry_test_${randomBytes(8).toString('hex')}`
  const admin = new pg.Client({ connectionString: server })
  await admin.connect()
  try {
    await admin.query('select pg_advisory_lock(42)') // test files start together; one makes the template
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [template])
    if (rowCount === 0) {
      await admin.query(`create database ${template}_new`)
      await migratePostgres(withPath(server, `${template}_new`), SERVICE_ROLE)
      await admin.query(`alter database ${template}_new rename to ${template}`)
    }
    await admin.query(`create database ${name} template ${template}`)
  } finally {
    await admin.end()
  }
  const owner_url = withPath(server, name)
  const service = new URL(owner_url)
  service.username = SERVICE_ROLE.name
  service.password = SERVICE_ROLE.password
  const superuser = async (text: string, parameters: unknown[] = []): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client({ connectionString: owner_url })
    await client.connect()
    try {
      const { rows } = await client.query(text, parameters)
      return rows
    } finally {
      await client.end()
    }
  }
  return { database: new Database(openPostgres(service.href, () => {})), owner_url, url: service.href, superuser }
}
