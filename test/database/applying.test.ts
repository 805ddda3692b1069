// Migrations beside those who use the database: who holds what a migration needs is waited for, and holds nobody else up.
import pg from 'pg'
import t from 'tap'
import { applyPending } from '../../src/database/applying.ts'
import { newestApplied, readMigrations } from '../../src/database/journal.ts'
import { openTestDatabase } from '../support/databases.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? 'needs a server' : false

/** A database whose two newest migrations are to be applied again; both are replaced by statements that need a lock. */
const behind = async () => {
  const { database, owner_url, superuser } = await openTestDatabase()
  await database.close()
  const client = new pg.Client({ connectionString: owner_url })
  await client.connect()
  return { client, owner_url, superuser }
}

t.test(
  'a lock that is held is tried for again and again, and those who come after it pass meanwhile',
  { skip },
  async (t) => {
    const { client, owner_url, superuser } = await behind()
    const newest = readMigrations().at(-1)?.when ?? 0
    const added = {
      name: 'next',
      hash: 'of the next',
      when: newest + 1,
      statements: ['alter table tenantry.tenants add column note text'],
    }
    const reader = new pg.Client({ connectionString: owner_url })
    await reader.connect()
    t.teardown(() => Promise.all([client.end(), reader.end()]))
    await reader.query('begin')
    await reader.query('select from tenantry.tenants')

    let waits = 0
    let letGo = () => {}
    const waitedTwice = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const onWait = (name: string) => {
      t.equal(name, 'next')
      waits++
      if (waits === 2) letGo()
    }
    const applied = applyPending(client, { migrations: [added], onWait })
    await waitedTwice
    t.same(
      await superuser('select count(*)::int as count from tenantry.tenants'),
      [{ count: 0 }],
      'reads pass between tries',
    )
    await reader.query('commit')
    t.equal(await applied, newest)
    t.equal(await newestApplied(client), newest + 1)
  },
)

t.test('it gives up in the end, and nothing of that step is done', { skip }, async (t) => {
  const { client, owner_url } = await behind()
  const newest = readMigrations().at(-1)?.when ?? 0
  const added = (step: number, sql: string) => ({
    name: `step ${step}`,
    hash: '',
    when: newest + step,
    statements: [sql],
  })
  const reader = new pg.Client({ connectionString: owner_url })
  await reader.connect()
  t.teardown(() => Promise.all([client.end(), reader.end()]))
  await reader.query('begin')
  await reader.query('select from tenantry.tenants')
  const migrations = [
    added(1, 'alter table tenantry.roles add column note text'),
    added(2, 'alter table tenantry.tenants add column note text'),
  ]
  await t.rejects(applyPending(client, { migrations, give_up_ms: 100 }), { code: '55P03' })
  t.equal(await newestApplied(client), newest + 1, 'what came before is done')
})
