// What a membership in memory takes: as many as are kept at most, each with one of the built-in roles, as the database tells it.
import { Cache } from '../dist/freshness/cache.js'
import { factsThrough } from '../dist/freshness/facts-source.js'
import { newId } from '../dist/ids.js'
import { answerWith } from './processes.mjs'

const MOST = 100_000

/** Stands for the database: each answer is parsed anew, as pg does. */
const database = {
  call: async (_, tenant_id, user_id) =>
    JSON.parse(
      JSON.stringify({
        tenant: { id: tenant_id, slug: 'a-tenant-of-many', status: 'active' },
        ...{ revision: 1_000, platform_revision: 10, by_name: [] },
        membership: {
          ...{ id: newId(), user_id, status: 'active', expires_at: null, signed_out_at: null },
          roles: [
            { key: 'member', permissions: ['*:read', '*:write', 'tenantry.tenant:read'], excludes: ['billing:*'] },
          ],
        },
      }),
    ),
}

const fill = async (count) => {
  const cache = new Cache({
    most: MOST,
    most_bytes: 128_000_000,
    elapsed: () => 0,
    isCurrent: () => true,
    longest_ms: 500,
  })
  const facts = factsThrough(cache, database, undefined)
  globalThis.gc()
  const before = process.memoryUsage().heapUsed
  const tenants = Array.from({ length: count / 100 }, newId)
  for (let number = 0; number < count; number++) await facts.ofUser(tenants[number % tenants.length], `user_${number}`)
  globalThis.gc()
  return { bytes: (process.memoryUsage().heapUsed - before) / cache.size, kept: cache.size }
}

answerWith('ready', ({ count }) => fill(count))
