// What the tests of outages share: a service on a database of its own, and what it may answer meanwhile.
import type { Test } from 'tap'
import { openTestDatabase, type TestDatabase } from '../support/databases.ts'
import { type Answer, made } from '../support/service.ts'
import { aReplica, type Replica, someSecrets } from './replicas.ts'

/** @param address the DSN to use, from the database's own; any DATABASE_URL may carry settings of its connections */
export const onDatabase = async (t: Test, address = (url: string) => url): Promise<[Replica, TestDatabase]> => {
  const test_database = await openTestDatabase()
  await test_database.database.close() // the replica has connections of its own
  return [await aReplica(t, address(test_database.url ?? ''), someSecrets()), test_database]
}

export const aTenant = async ({ root }: Replica): Promise<{ id: string }> =>
  made(await root.post('/tenants', { name: 'Acme' }))

export const join = ({ root }: Replica, tenant_id: string, user_id: string): Promise<Answer> =>
  root.post('/memberships', { tenant_id, user_id })

export const isUnavailable = ({ status, body, headers }: Answer): boolean =>
  status === 503 && body.code === 'database.unavailable' && Number(headers['retry-after']) > 0

/** Until the service says that it is ready, which it says as soon as it can. */
export const untilReady = async ({ root }: Replica): Promise<void> => {
  for (const deadline = Date.now() + 20_000; (await root.get('/readyz')).status !== 200; ) {
    if (Date.now() > deadline) throw new Error('not ready within 20 s')
  }
}
