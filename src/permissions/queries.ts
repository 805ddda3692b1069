// SQL of the catalogue; private to this slice.
import { sql } from 'drizzle-orm'
import { catalogues, PLATFORM, roles } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'

type Row = typeof catalogues.$inferSelect
export type CatalogueRow = Omit<Row, 'history_id' | 'updated_at'> & { updated_at: string | null }

const NONE: CatalogueRow = { permissions: [], keys: [], by_name: [], strict: false, revision: 0, updated_at: null }

/** The catalogue; an empty one until it is first put there. */
export const findCatalogue = async (tx: Tx): Promise<CatalogueRow> => {
  const [row] = await tx.select().from(catalogues)
  return row ?? NONE
}

export const upsertCatalogue = async (tx: Tx, catalogue: Omit<Row, 'history_id'>): Promise<void> => {
  await tx
    .insert(catalogues)
    .values({ history_id: PLATFORM, ...catalogue })
    .onConflictDoUpdate({ target: catalogues.history_id, set: catalogue })
}

/** The product's permissions that roles list and the catalogue does not, with how many roles do; the most used first. */
export const listUnknownPermissions = async (
  tx: Tx,
  keys: string[],
  limit: number,
): Promise<{ key: string; roles: number }[]> => {
  const { rows } = (await tx.execute(sql`
    select p.key, count(*)::int as roles from ${roles} r, unnest(r.permissions) as p(key)
    where position('*' in p.key) = 0 and p.key !~ '^tenantry[.:]' and p.key <> all (${sql.param(keys)}::text[])
    group by p.key order by 2 desc, 1 limit ${limit}`)) as unknown as { rows: { key: string; roles: number }[] } // the shape both drivers answer
  return rows
}
