// The numbered SQL files of drizzle/, in drizzle-kit's own format, and which of them a database has. A database that has a
// newer one than we know is one that a newer version has migrated.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readMigrationFiles } from 'drizzle-orm/migrator'

const FOLDER = fileURLToPath(new URL('../../drizzle', import.meta.url))

export interface Migration {
  /** The file's name without `.sql`. */
  name: string
  statements: string[]
  hash: string
  /** Orders them; what the database remembers. */
  when: number
}

/** What runs SQL, one statement at a time: a client of either driver. */
export interface Session {
  query(text: string, parameters?: unknown[]): Promise<{ rows: unknown[] }>
}

export interface JournalEntry {
  tag: string
  when: number
}

/** In their order. */
export const readJournal = (): JournalEntry[] => {
  const { entries } = JSON.parse(readFileSync(`${FOLDER}/meta/_journal.json`, 'utf8')) as { entries: JournalEntry[] }
  return entries
}

export const readMigrations = (): Migration[] => {
  const names = readJournal().map(({ tag }) => tag)
  return readMigrationFiles({ migrationsFolder: FOLDER }).map(({ sql, hash, folderMillis }, index) => ({
    name: names[index] ?? '',
    statements: sql.map((statement) => statement.trim()).filter((statement) => statement !== ''),
    hash,
    when: folderMillis,
  }))
}

/** The newest that the database has, as `when` says it; 0 for a database that has none. */
export const newestApplied = async (session: Session): Promise<number> => {
  const { rows: places } = await session.query(`select to_regclass('tenantry_migrations.applied') is not null as there`)
  if (!(places as { there: boolean }[])[0]?.there) return 0
  const { rows } = await session.query('select max(created_at)::text as newest from tenantry_migrations.applied')
  return Number((rows as { newest: string | null }[])[0]?.newest ?? 0)
}

/** What a database is missing that has everything up to `newest`. */
export const pendingAfter = (newest: number, migrations = readMigrations()): Migration[] =>
  migrations.filter(({ when }) => when > newest)

/** The name of the newest that the database has, as far as we know it. */
export const nameOf = (newest: number): string | null =>
  readJournal().findLast(({ when }) => when <= newest)?.tag ?? null
