// Applies the numbered SQL files of drizzle/, and tells whether a database has them.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { PGlite } from '@electric-sql/pglite'
import { sql } from 'drizzle-orm'
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres'
import { migrate as migratePg } from 'drizzle-orm/node-postgres/migrator'
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite'
import { migrate as migratePglite } from 'drizzle-orm/pglite/migrator'
import pg from 'pg'
import { ConfigError } from '../config.ts'
import type { Database } from './scope.ts'

const FOLDER = fileURLToPath(new URL('../../drizzle', import.meta.url))
// A schema of its own: the application that shares the database may use drizzle too.
const OPTIONS = { migrationsFolder: FOLDER, migrationsSchema: 'tenantry_migrations', migrationsTable: 'applied' }

// Any number that nobody else in the database is likely to lock.
const ADVISORY_LOCK = 7_305_116_839

interface Journal {
  entries: { tag: string; when: number }[]
}

const journal = (): Journal['entries'] => {
  const { entries }: Journal = JSON.parse(readFileSync(`${FOLDER}/meta/_journal.json`, 'utf8')) // drizzle's own format
  return entries
}

/** The service reads which migrations are applied, to refuse a schema that it does not know. */
const LET_SERVICE_READ = sql`grant usage on schema tenantry_migrations to tenantry_platform`
const LET_SERVICE_SELECT = sql`grant select on tenantry_migrations.applied to tenantry_platform`

export const migrateEmbedded = async (client: PGlite): Promise<void> => {
  const database = drizzlePglite(client)
  await migratePglite(database, OPTIONS)
  await database.execute(LET_SERVICE_READ)
  await database.execute(LET_SERVICE_SELECT)
}

/** A role that the service logs in as; with a password it is made if it does not exist. */
export interface ServiceRole {
  name: string
  password: string | undefined
}

/** Where a database was, where it is now, and the migrations between: names of files in drizzle/. */
export interface Migrated {
  /** Null for a database that had none. */
  from: string | null
  to: string
  applied: string[]
}

/**
 * Migrates as the owner, one process at a time, and lets the service's role switch to the roles it works as.
 * @throws ConfigError when the role does not exist and there is no password to make it with
 */
export const migratePostgres = async (url: string, role: ServiceRole | undefined): Promise<Migrated> => {
  const client = new pg.Client({ connectionString: url, application_name: 'tenantry migrate' })
  await client.connect()
  try {
    await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK])
    const database = drizzlePg(client)
    if (role) await ensureServiceRole(client, role)
    const before = await countApplied(client)
    await migratePg(database, OPTIONS)
    await database.execute(LET_SERVICE_READ)
    await database.execute(LET_SERVICE_SELECT)
    const names = new Set([...(role ? [role.name] : []), ...(await admittedBefore(client))])
    for (const name of names) await admitServiceRole(client, name)
    const tags = journal().map(({ tag }) => tag)
    const from = tags[Math.min(before, tags.length) - 1] ?? null // a newer version may have been here
    return { from, to: tags.at(-1) ?? '', applied: tags.slice(before) }
  } finally {
    await client.end() // releases the lock
  }
}

const countApplied = async (client: pg.Client): Promise<number> => {
  const { rows } = await client.query<{ there: boolean }>(
    `select to_regclass('tenantry_migrations.applied') is not null as there`,
  )
  if (!rows[0]?.there) return 0
  const { rows: counts } = await client.query<{ count: number }>(
    'select count(*)::int as count from tenantry_migrations.applied',
  )
  return counts[0]?.count ?? 0
}

// What the login role may do without switching: only the functions that carry their own scope.
export const SERVICE_FUNCTIONS = [
  'read_facts(uuid, text, uuid)',
  'read_facts(uuid, text, uuid, text, text)',
  'read_api_key_facts(uuid, uuid)',
  'find_api_key(bytea)',
  'locate(text, uuid)',
  'read_revocations(text, uuid, timestamptz)',
  'find_revoked(uuid, bigint, bigint, text[], timestamptz)',
  'holds_api_key(uuid, uuid, timestamptz)',
  'locate_slug(text)',
  'find_issuers(text, uuid)',
  'find_issuers_of(text, text[], integer)',
  'holds_login(uuid, bigint, boolean)',
  'read_catalogue_keys()',
  'read_resource_roles(uuid, text)',
  'read_changes(text)',
  'read_member_facts(uuid, uuid, integer)',
  'read_member_facts(uuid, uuid, integer, text, text)',
  'read_revisions(uuid[])',
]

/** Before anything is migrated: a role that cannot be made should stop the whole. */
const ensureServiceRole = async (client: pg.Client, { name, password }: ServiceRole): Promise<void> => {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [name])
  if (rowCount !== 0) return
  if (password === undefined)
    throw new ConfigError([`TENANTRY_SERVICE_PASSWORD is needed to make the role ${name}, which does not exist`])
  await client.query(
    `create role ${client.escapeIdentifier(name)} login noinherit password ${client.escapeLiteral(password)}`,
  )
}

/** Who works as the service already: an upgrade must not leave them without the functions that it brings. */
const admittedBefore = async (client: pg.Client): Promise<string[]> => {
  const { rows } = await client.query<{ name: string }>(
    `select r.rolname as name from pg_roles r
     where r.rolcanlogin and not r.rolsuper and r.rolname <> current_user
       and pg_has_role(r.oid, 'tenantry_tenant', 'member') and pg_has_role(r.oid, 'tenantry_platform', 'member')
       and has_function_privilege(r.oid, 'tenantry.read_facts(uuid, text, uuid)', 'execute')
       and not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'tenantry' and c.relowner = r.oid)`,
  )
  return rows.map(({ name }) => name)
}

const admitServiceRole = async (client: pg.Client, name: string): Promise<void> => {
  const role = client.escapeIdentifier(name)
  for (const granted of ['tenantry_tenant', 'tenantry_platform']) {
    const { rows } = await client.query<{ has: boolean }>(`select pg_has_role($1, $2, 'member') as has`, [
      name,
      granted,
    ])
    // An owner to whom somebody else granted these roles may work with them, but not grant them on.
    if (!rows[0]?.has) await client.query(`grant ${granted} to ${role}`)
  }
  await client.query(`grant usage on schema tenantry to ${role}`)
  for (const signature of SERVICE_FUNCTIONS)
    await client.query(`grant execute on function tenantry.${signature} to ${role}`)
}

/** What is wrong with the schema for this version of the service; undefined when nothing is. */
export const schemaFault = async (database: Database): Promise<string | undefined> => {
  const newest = journal().at(-1)
  const applied = await database
    .asPlatform('compare the schema with this version', async (tx) => {
      const { rows } = (await tx.execute(
        sql`select max(created_at)::text as newest from tenantry_migrations.applied`,
      )) as unknown as { rows: { newest: string | null }[] } // the shape both drivers answer
      return Number(rows[0]?.newest ?? 0)
    })
    .catch((error: unknown) => {
      if (isMissing(error)) return 0
      throw error
    })
  if (newest === undefined || applied >= newest.when) return undefined
  return `the database lacks migrations up to ${newest.tag}; run \`tenantry migrate\` with the owner's DATABASE_URL`
}

// Undefined role, schema, table, function, or no right to them: `tenantry migrate` has not been here.
const isMissing = (error: unknown): boolean => {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const code = (cause as { code?: unknown }).code
  return typeof code === 'string' && ['42704', '3F000', '42P01', '42883', '42501', '22023'].includes(code)
}

/** Why this login role must not be used: row-level security would not bind it. Undefined when it is fine. */
export const roleFault = async (database: Database): Promise<string | undefined> => {
  const fault = await database.call({
    name: 'role_fault',
    text: `select case when r.rolsuper then 'is a superuser' when r.rolbypassrls then 'has BYPASSRLS'
      when exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'tenantry' and c.relowner = r.oid) then 'owns the tables' end as value
      from pg_roles r where r.rolname = session_user`,
  })
  if (typeof fault !== 'string') return undefined
  return `DATABASE_URL logs in as a role that ${fault}, so row-level security would not protect tenants; use a role made with \`tenantry migrate --grant-to <role>\``
}
