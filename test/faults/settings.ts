// What the processes of these tests are started with, on a database of their own.

import { ISSUER, someSecrets } from '../operations/replicas.ts'
import { openTestDatabase, type TestDatabase } from '../support/databases.ts'

export interface Ground {
  test_database: TestDatabase
  root: string
  /** For `serve`; another address of the same database may be given. */
  settings(more?: Record<string, string>): Record<string, string>
}

export const aGround = async (): Promise<Ground> => {
  const test_database = await openTestDatabase()
  await test_database.database.close() // the processes have connections of their own
  const { root_api_key: root, encryption_key } = someSecrets()
  const settings = (more: Record<string, string> = {}) => ({
    DATABASE_URL: test_database.url ?? '',
    TENANTRY_ISSUER: ISSUER,
    TENANTRY_ROOT_API_KEY: root,
    TENANTRY_ENCRYPTION_KEY: encryption_key.toString('base64'),
    TENANTRY_MAX_EVENT_LOOP_DELAY_MS: '0', // a machine that is busy with tests must not look like one that is overloaded
    LOG_LEVEL: 'info',
    ...more,
  })
  return { test_database, root, settings }
}
