// The database that a command looks at without a service: PostgreSQL, or the embedded one while nobody else uses it.
import type { Config } from '../config.ts'
import type { Database } from '../database/scope.ts'

export interface LookedAt {
  database: Database
  /** The key that the embedded directory keeps; undefined on PostgreSQL, where the environment gives it. */
  encryption_key: Buffer | undefined
}

/** @throws DirectoryInUse, ConfigError */
export const openToLook = async ({
  database_url,
  database_direct_url,
  data_dir,
}: Pick<Config, 'database_url' | 'database_direct_url' | 'data_dir'>): Promise<LookedAt> => {
  const { Database } = await import('../database/scope.ts')
  if (database_url === undefined) {
    const { openExistingDirectory } = await import('../database/directory.ts')
    const { connection, encryption_key } = await openExistingDirectory(data_dir)
    return { database: new Database(connection), encryption_key }
  }
  const { openPostgres } = await import('../database/connection.ts')
  // A connection that breaks while idle is replaced; the next query says so if the database is gone.
  return {
    database: new Database(openPostgres(database_url, () => {}, { direct_url: database_direct_url })),
    encryption_key: undefined,
  }
}
