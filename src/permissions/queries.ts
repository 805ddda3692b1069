// SQL of the catalogue; private to this slice.
import { getTableColumns, sql } from 'drizzle-orm'
import { apiKeys, catalogues, PLATFORM, roles } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'

type Row = typeof catalogues.$inferSelect
export type CatalogueRow = Omit<Row, 'history_id' | 'step_up' | 'updated_at'> & { updated_at: string | null }

const NONE: CatalogueRow = { permissions: [], keys: [], by_name: [], strict: false, revision: 0, updated_at: null }

/** The catalogue; an empty one until it is first put there. */
export const findCatalogue = async (tx: Tx): Promise<CatalogueRow> => {
  const { history_id, step_up, ...shown } = getTableColumns(catalogues)
  const [row] = await tx.select(shown).from(catalogues)
  return row ?? NONE
}

export const upsertCatalogue = async (tx: Tx, catalogue: Omit<Row, 'history_id' | 'step_up'>): Promise<void> => {
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

/** Of these, what tenants' own roles and keys name, with how many do: they may have been made while wildcards still reached it. */
export const listNamedByTenants = async (tx: Tx, keys: string[]): Promise<{ key: string; holders: number }[]> => {
  const { rows } = (await tx.execute(sql`
    select p.key, count(*)::int as holders
    from (select permissions, tenant_id from ${roles} union all select permissions, tenant_id from ${apiKeys}) named,
      unnest(named.permissions) as p(key)
    where named.tenant_id is not null and p.key = any (${sql.param(keys)}::text[])
    group by p.key order by 1`)) as unknown as { rows: { key: string; holders: number }[] } // the shape both drivers answer
  return rows
}
