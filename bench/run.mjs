// Measures what Tenantry costs, as ratios: each thing beside the least that could do it, in one run, the two sides taking
// turns in short rounds, so that whatever else the machine does falls on both. Nothing here passes or fails.
import { cpus } from 'node:os'
import { ensureBuilt } from '../bin/build.mjs'
import { load } from './load.mjs'
import { CORE_COUNT, CORES, pinThisProcess, startModule } from './processes.mjs'
import { row, table } from './table.mjs'

const ROUNDS = 9
const SECONDS = 1.5
const WRITERS = 8

await ensureBuilt()
const { aPlace } = await import('./place.mjs') // imports what was just built

/** Both sides in turn, each round in the other order; the first is for warming up and does not count. */
const alternate = async (...sides) => {
  const results = sides.map(() => [])
  for (let round = 0; round <= ROUNDS; round++) {
    const order = round % 2 ? [...sides.keys()] : [...sides.keys()].reverse()
    for (const side of order) {
      const result = await sides[side]()
      if (round > 0) results[side].push(typeof result === 'number' ? { rate: result } : result)
    }
  }
  return results
}

const place = await aPlace()
const { service, secret, tenants, issuer } = place
pinThisProcess()
const started = []
const running = async (...what) => {
  const module = await startModule(...what)
  started.push(module)
  return module
}

const check = async () => {
  const bare = await running('bare.mjs')
  const bodies = tenants.map(({ id, members }, number) => ({
    subject: { type: 'user', id: members[number % members.length].user_id },
    action: { name: 'read' },
    resource: { type: 'invoice', id: '1' },
    context: { tenant_id: id },
  }))
  const path = '/access/v1/evaluation'
  const [ours, theirs] = await alternate(
    () => load(service.child, SECONDS, { url: service.address + path, credential: secret, bodies }),
    () => load(bare.child, SECONDS, { url: bare.ready + path, credential: secret, bodies }),
  )
  return [row('POST /access/v1/evaluation', 'a bare Fastify route with its schemas', ours, theirs)]
}

const tokens = async () => {
  const cryptography = await running('cryptography.mjs', place)
  const bodies = tenants.map(({ members }) => members[1])
  const [ours, theirs] = await alternate(
    () => load(service.child, SECONDS, { url: `${service.address}/tokens`, credential: secret, bodies }),
    () => cryptography.ask({ way: 'sign', seconds: SECONDS / 3 }),
  )
  return [row('POST /tokens', 'signing alone, in process (fast-jwt)', ours, theirs)]
}

const verification = async () => {
  const cryptography = await running('cryptography.mjs', place, CORES?.all)
  const ways = ['client', 'raw', 'jose', 'fast-jwt']
  const [client, raw, ...libraries] = await alternate(
    ...ways.map((way) => () => cryptography.ask({ way, seconds: SECONDS / 3 })),
  )
  return [
    row('@tenantry/client verify()', 'node:crypto verify alone', client, raw),
    ...libraries.map((results, index) => row('@tenantry/client verify()', ways[index + 2], client, results)),
  ]
}

const memberships = async () => {
  const byHand = await running('by-hand.mjs', { database_url: place.database_url, tenants, writers: WRITERS })
  let number = 0
  const bodyOf = () => ({ tenant_id: tenants[number++ % WRITERS].id, user_id: `through_the_api_${number}` })
  const what = { url: `${service.address}/memberships`, credential: secret, bodyOf, connections: WRITERS }
  const [ours, theirs] = await alternate(
    () => load(service.child, SECONDS, what),
    () => byHand.ask({ seconds: SECONDS }),
  )
  return [row('POST /memberships', 'its SQL alone, by hand through pg', ours, theirs)]
}

try {
  const rows = []
  for (const measure of [check, tokens, verification, memberships]) {
    rows.push(...(await measure()))
    await Promise.all(started.splice(0).map(({ stop }) => stop()))
  }
  process.stdout.write(`${table(rows)}

A ratio is the median of ${ROUNDS} rounds' ratios; [from–to] are the quarters around it. Both sides of a row take turns in one
run. CPU is what each side's own process spent on one request, whatever else the machine did.

Node.js ${process.version}, PostgreSQL ${place.postgres_version} (fsync off), ${CORE_COUNT} × ${cpus()[0]?.model ?? 'unknown'}
${CORES ? `The service or its other side on core ${CORES.measured}, load on core ${CORES.load}, PostgreSQL and verification on any.` : 'Nothing is pinned to a core (no taskset, or one core).'}
Issuer ${issuer}; platform API key; log level info; ${tenants.length} tenants; 16 connections, ${WRITERS} for writes.
`)
} finally {
  await Promise.all(started.map(({ stop }) => stop()))
  await place.stop()
}
