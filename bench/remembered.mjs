// What a membership in memory takes: as many as are kept at most, read from the database as many at a time as a busy service does.
import { openPostgres } from '../dist/database/connection.js'
import { Database } from '../dist/database/scope.js'
import { Cache } from '../dist/freshness/cache.js'
import { factsThrough } from '../dist/freshness/facts-source.js'
import { PolicySets } from '../dist/policies/sets.js'
import { answerWith } from './processes.mjs'

const MOST = 100_000
const AT_A_TIME = 16

const { database_url } = JSON.parse(process.argv[2])
const database = new Database(openPostgres(database_url, () => {}))

const fill = async (users) => {
  const cache = new Cache({
    ...{ most: MOST, most_bytes: 128_000_000, longest_ms: 500 },
    ...{ elapsed: () => 0, isCurrent: () => true },
  })
  const facts = factsThrough(cache, database, new PolicySets(database))
  globalThis.gc()
  const before = process.memoryUsage().heapUsed
  for (let next = 0; next < users.length; next += AT_A_TIME) {
    const some = users.slice(next, next + AT_A_TIME)
    await Promise.all(some.map(({ tenant_id, user_id }) => facts.ofUser(tenant_id, user_id)))
  }
  globalThis.gc()
  return { bytes: (process.memoryUsage().heapUsed - before) / cache.size, kept: cache.size, counted: cache.bytes }
}

answerWith('ready', ({ users }) => fill(users))
