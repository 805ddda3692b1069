// Brings a database to the schema of this version, lets the service's role in, and tells whether a database is what this
// version needs.
import type { PGlite } from '@electric-sql/pglite'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { ConfigError } from '../config.ts'
import { persist } from '../patience.ts'
import { applyPending } from './applying.ts'
import { LIMITS } from './connection.ts'
import { isStarting, wordsOf } from './faults.ts'
import { nameOf, newestApplied, pendingAfter, readJournal } from './journal.ts'
import { type PlannedMigration, planOf } from './planning.ts'
import type { Database } from './scope.ts'

// Any number that nobody else in the database is likely to lock.
const ADVISORY_LOCK = 7_305_116_839

/** The service reads which migrations are applied, to refuse a schema that it does not know. */
const LET_SERVICE_READ = [
  'grant usage on schema tenantry_migrations to tenantry_platform',
  'grant select on tenantry_migrations.applied to tenantry_platform',
]

export const migrateEmbedded = async (client: PGlite): Promise<void> => {
  await applyPending(client)
  for (const statement of LET_SERVICE_READ) await client.query(statement)
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

interface Progress {
  /** How long the database may take to answer: it may be starting, too. */
  wait_ms?: number
  onWait?(what: string): void
}

/**
 * Migrates as the owner, one process at a time, and lets the service's role switch to the roles it works as.
 * @throws ConfigError when the role does not exist and there is no password to make it with
 */
export const migratePostgres = async (
  url: string,
  role: ServiceRole | undefined,
  { wait_ms = 0, onWait }: Progress = {},
): Promise<Migrated> => {
  const client = await connect(url, wait_ms, onWait)
  try {
    await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK])
    if (role) await ensureServiceRole(client, role)
    const before = await applyPending(client, {
      onWait: (name, tries) => onWait?.(`${name} did not get its lock, ${tries} times now`),
    })
    for (const statement of LET_SERVICE_READ) await client.query(statement)
    const names = new Set([...(role ? [role.name] : []), ...(await admittedBefore(client))])
    for (const name of names) await admitServiceRole(client, name)
    return migrated(before)
  } finally {
    await client.end() // releases the lock
  }
}

/** What would be done, and how. Nothing is. */
export interface Plan extends Omit<Migrated, 'applied'> {
  pending: PlannedMigration[]
}

export const planMigrations = async (url: string, { wait_ms = 0, onWait }: Progress = {}): Promise<Plan> => {
  const client = await connect(url, wait_ms, onWait)
  try {
    const before = await newestApplied(client)
    const { from, to } = migrated(before)
    return { from, to, pending: planOf(pendingAfter(before)) }
  } finally {
    await client.end()
  }
}

const migrated = (before: number): Migrated => {
  const applied = readJournal().filter(({ when }) => when > before)
  return { from: nameOf(before), to: readJournal().at(-1)?.tag ?? '', applied: applied.map(({ tag }) => tag) }
}

const connect = (url: string, within_ms: number, onWait: Progress['onWait']): Promise<pg.Client> =>
  persist(
    async () => {
      const client = new pg.Client({ connectionString: url, application_name: 'tenantry migrate' })
      client.on('error', () => {}) // the statement under way fails, and says so
      await client.connect()
      return client
    },
    {
      ...{ isWorthIt: isStarting, within_ms },
      onFailure: (error) => onWait?.(`the database does not answer yet (${wordsOf(error)})`),
    },
  )

// What the login role may do without switching: only the functions that carry their own scope.
export const SERVICE_FUNCTIONS = [
  'read_facts(uuid, text, uuid)',
  'read_facts(uuid, text, uuid, text, text)',
  'read_facts_of_users(uuid[], text[], text[], text[])',
  'read_api_key_facts(uuid, uuid)',
  'read_api_key_facts(uuid, uuid, text, text)',
  'read_policies(uuid)',
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
  'read_epoch()',
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
  for (const [setting, value] of Object.entries(LIMITS))
    await client.query(`alter role ${client.escapeIdentifier(name)} set ${setting} = ${value}`)
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
  const newest = readJournal().at(-1)
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
