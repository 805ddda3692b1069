// What a migration would do, said before it does it: each statement, and whom its lock keeps waiting. Read from the text; of
// what cannot be read there it says so.
import type { Migration } from './journal.ts'

/** `nobody`: nothing that is in use is locked. `writers`: reading goes on. `everybody`: for a moment, nothing goes on. */
export type Waits = 'nobody' | 'writers' | 'everybody' | 'unknown'

export interface PlannedStatement {
  /** Its first words. */
  does: string
  table: string | null
  waits: Waits
  sql: string
}

export interface PlannedMigration {
  name: string
  statements: PlannedStatement[]
}

const NAME = String.raw`(?:only\s+)?("?[\w]+"?(?:\."?[\w]+"?)?)`
const match = (beginning: string): RegExp => new RegExp(`^${beginning}`, 'i')

/** The first that fits. The table is what the parentheses find. https://www.postgresql.org/docs/current/explicit-locking.html */
const KINDS: [RegExp, Waits][] = [
  [match(String.raw`create\s+table\s+(?:if\s+not\s+exists\s+)?${NAME}`), 'nobody'],
  [match(String.raw`alter\s+table\s+(?:if\s+exists\s+)?${NAME}\s+validate\s+constraint`), 'nobody'],
  [match(String.raw`alter\s+table\s+(?:if\s+exists\s+)?${NAME}\s+add\s+constraint\s+\S+\s+foreign\s+key`), 'writers'],
  [match(String.raw`(?:alter|drop)\s+table\s+(?:if\s+exists\s+)?${NAME}`), 'everybody'],
  [match(String.raw`create\s+(?:unique\s+)?index\s+concurrently[\s\S]*?\son\s+${NAME}`), 'nobody'],
  [match(String.raw`create\s+(?:unique\s+)?index[\s\S]*?\son\s+${NAME}`), 'writers'],
  [match(String.raw`drop\s+index(?!\s+concurrently)`), 'everybody'],
  [match(String.raw`(?:create|alter|drop)\s+policy\s+\S+\s+on\s+${NAME}`), 'everybody'],
  [match(String.raw`create\s+(?:constraint\s+)?trigger[\s\S]*?\son\s+${NAME}`), 'writers'],
  [match(String.raw`(?:insert\s+into|update|delete\s+from)\s+${NAME}`), 'nobody'],
  [match(String.raw`(?:create|alter|drop|grant|revoke|comment|set|select)\s`), 'nobody'],
]

const withoutComments = (sql: string): string => sql.replace(/^(?:\s*--[^\n]*\n)+/, '').trim()

const planStatement = (sql: string): PlannedStatement => {
  const text = withoutComments(sql)
  const does = text.replace(/\s+/g, ' ').slice(0, 72)
  for (const [kind, waits] of KINDS) {
    const found = kind.exec(text)
    if (found) return { does, table: found[1]?.replaceAll('"', '') ?? null, waits, sql: text }
  }
  return { does, table: null, waits: 'unknown', sql: text }
}

/** A table that comes with these migrations is not in use yet. */
export const planOf = (migrations: Migration[]): PlannedMigration[] => {
  const fresh = new Set<string | null>()
  return migrations.map(({ name, statements }) => ({
    name,
    statements: statements.map(planStatement).map((planned) => {
      if (/^create table/i.test(planned.does)) fresh.add(planned.table)
      return fresh.has(planned.table) ? { ...planned, waits: 'nobody' as const } : planned
    }),
  }))
}
