// Measures what Tenantry costs, as ratios: each thing beside the least that could do it, in one run, the two sides taking
// turns in short rounds, so that whatever else the machine does falls on both. Nothing here passes or fails.
import { cpus, loadavg } from 'node:os'
import { ensureBuilt } from '../bin/build.mjs'
import { startCerbos, withRoles } from './cerbos.mjs'
import { footprint } from './footprint.mjs'
import { load } from './load.mjs'
import { CORE_COUNT, CORES, pinThisProcess, startModule } from './processes.mjs'
import { changeTable, footprintTable, replicaTable, row, table } from './table.mjs'

const ROUNDS = 9
const SECONDS = 1.5
const WARM_ROUNDS = 4
const WRITERS = 8

/** All, or those that are named: `npm start -- check beside`. */
const isWanted = ({ name }) => process.argv.length < 3 || process.argv.includes(name)

await ensureBuilt()
const { aPlace } = await import('./place.mjs') // imports what was just built
const { coldRow } = await import('./cold.mjs')
const { propagation } = await import('./propagation.mjs')
const { replicasUnderLoad } = await import('./replicas.mjs')

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
const replicas = [service]
const running = async (...what) => {
  const module = await startModule(...what)
  started.push(module)
  return module
}

/** One of each tenant. */
const questions = tenants.map(({ id, members }, number) => ({
  subject: { type: 'user', id: members[number % members.length].user_id },
  action: { name: 'read' },
  resource: { type: 'invoice', id: '1' },
  context: { tenant_id: id },
}))

const check = async () => {
  const bare = await running('bare.mjs')
  const silent = await place.startReplica({ TENANTRY_ACCESS_LOG: 'false' })
  started.push(silent)
  const ask = (child, address) => () =>
    load(child, SECONDS, { url: `${address}/access/v1/evaluation`, credential: secret, bodies: questions })
  const sides = [ask(service.child, service.address), ask(silent.child, silent.address), ask(bare.child, bare.ready)]
  // All equally warm: who has answered little yet is slower, and the first service has answered all that made the place.
  for (const side of sides) for (let round = 0; round < WARM_ROUNDS; round++) await side()
  const [ours, unlogged, theirs] = await alternate(...sides)
  const beside = 'a bare Fastify route with its schemas'
  return [
    row('POST /access/v1/evaluation', beside, ours, theirs),
    row('the same without access log', beside, unlogged, theirs),
  ]
}

const beside = async () => {
  const cerbos = await startCerbos()
  if (cerbos === undefined) return []
  started.push(cerbos)
  const bodies = tenants.map(({ id, members }) =>
    withRoles({
      subject: { type: 'user', id: members[1].user_id },
      action: { name: 'read' },
      resource: { type: 'invoice', id: '1' },
      context: { tenant_id: id },
    }),
  )
  const path = '/access/v1/evaluation'
  const [ours, theirs] = await alternate(
    () => load(service.child, SECONDS, { url: service.address + path, credential: secret, bodies }),
    () => load(cerbos.child, SECONDS, { url: cerbos.address + path, bodies }),
  )
  return [row('POST /access/v1/evaluation', 'the Cerbos PDP, the same AuthZEN request', ours, theirs)]
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

const EXCHANGE = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
}

const exchange = async () => {
  const cryptography = await running('cryptography.mjs', place)
  const forms = tenants.map(({ id }, number) => ({
    ...{ ...EXCHANGE, subject_token: place.subjects.tokens[number], tenant_id: id, audience: issuer },
  }))
  const [ours, theirs] = await alternate(
    () => load(service.child, SECONDS, { url: `${service.address}/oauth/token`, forms }),
    () => cryptography.ask({ way: 'verify and sign', seconds: SECONDS / 3 }),
  )
  return [row('POST /oauth/token, an exchange', 'verifying and signing alone, in process (fast-jwt)', ours, theirs)]
}

const verification = async () => {
  const cryptography = await running('cryptography.mjs', place, CORES?.all)
  const ways = ['client', 'raw', 'jose', 'fast-jwt', 'following']
  const [client, raw, jose, fast, following] = await alternate(
    ...ways.map((way) => () => cryptography.ask({ way, seconds: SECONDS / 3 })),
  )
  const cold = ['client, cold', 'fast-jwt, cold']
  const [first, fastFirst] = await alternate(
    ...cold.map((way) => () => cryptography.ask({ way, seconds: SECONDS / 3, in_flight: 1 })),
  )
  const verify = '@tenantry/client verify()'
  return [
    row(verify, 'node:crypto verify alone', client, raw),
    row(verify, 'jose', client, jose),
    row(verify, 'fast-jwt', client, fast),
    row(`${verify}, following revocations`, 'fast-jwt', following, fast),
    row(`${verify}, following revocations`, 'without', following, client),
    row(`${verify}, a new verifier each time, one by one`, 'fast-jwt, likewise', first, fastFirst),
  ]
}

/** Goes last: its policies stay. */
const conditions = async () => {
  const [without, onContext, onResource] = [0, 1, 2].map((part) => tenants.filter((_, number) => number % 3 === part))
  const policies = [
    [onContext, 'principal.properties has banned || context.amount > 1000'],
    [onResource, 'resource.properties has locked && resource.properties.locked'],
  ]
  for (const [some, condition] of policies) {
    const text = `forbid (principal, action == Action::"invoice:read", resource) when { ${condition} };`
    for (const { id: tenant_id } of some) await place.post('/policies', { tenant_id, key: 'bench', text })
  }
  const checksIn = (some) => () => {
    const bodies = some.map(({ id, members }, number) => ({
      subject: { type: 'user', id: members[number % members.length].user_id },
      action: { name: 'read' },
      resource: { type: 'invoice', id: '1' },
      context: { tenant_id: id, amount: 10 },
    }))
    return load(service.child, SECONDS, { url: `${service.address}/access/v1/evaluation`, credential: secret, bodies })
  }
  const [plain, context, resource] = await alternate(...[without, onContext, onResource].map(checksIn))
  return [
    row('a hot check under a policy on member and context', 'one without policies', context, plain),
    row('a check under a policy on the stored resource', 'one without policies', resource, plain),
  ]
}

/** Only when it is named: it fills the database. */
const cold = () => (process.argv.includes('cold') ? coldRow(place, running, { seconds: SECONDS, alternate }) : [])

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

/** Each number of replicas, as they are and with none of them keeping facts in memory. */
const replicasOf = async (counts) => {
  const lines = []
  const kinds = { 'from memory': {}, 'from the database': { TENANTRY_STALENESS_MS: '0' } }
  for (const [name, settings] of Object.entries(kinds)) {
    const some = []
    for (const count of counts) {
      while (some.length < count) some.push(await place.startReplica(settings))
      lines.push(await replicasUnderLoad(place, some, questions, name))
    }
    await Promise.all(some.map(({ stop }) => stop()))
  }
  return lines
}

try {
  const rows = []
  for (const measure of [check, beside, tokens, exchange, verification, memberships, conditions, cold].filter(
    isWanted,
  )) {
    rows.push(...(await measure()))
    await Promise.all(started.splice(0).map(({ stop }) => stop()))
  }
  const changes = []
  for (const count of isWanted(propagation) ? [1, 3] : []) {
    while (replicas.length < count) replicas.push(await place.startReplica())
    changes.push(await propagation(place, replicas))
  }
  const shared = isWanted({ name: 'replicas' }) ? await replicasOf([1, 3]) : []
  const taken = isWanted(footprint) ? await footprint(place, questions) : []
  const tables = [
    ...(rows.length === 0 ? [] : [table(rows)]),
    ...(changes.length === 0 ? [] : [changeTable(changes)]),
    ...(shared.length === 0 ? [] : [replicaTable(shared)]),
    ...(taken.length === 0 ? [] : [footprintTable(taken)]),
  ]
  process.stdout.write(`${tables.join('\n\n')}

A ratio is the median of ${ROUNDS} rounds' ratios; [from–to] are the quarters around it. Both sides of a row take turns in one
run. CPU is what each side's own process spent on one request, whatever else the machine did. A change is a member's suspension;
its time runs from when it is sent until a verifier that follows the last replica refuses the member's token, looked at each
millisecond. Idle is what one replica spends on its streams while nothing happens, of one core. Ready is from the process's start
until /readyz says so; memory is resident; per 100 MB is of memory under load, of the rate and of what a core alone would answer.

Node.js ${process.version}, PostgreSQL ${place.postgres_version} (fsync off), ${CORE_COUNT} × ${cpus()[0]?.model ?? 'unknown'}, load average ${loadavg()[0].toFixed(0)}
${CORES ? `The service or its other side on core ${CORES.measured}, load on core ${CORES.load}, PostgreSQL and verification on any.` : 'Nothing is pinned to a core (no taskset, or one core).'}
Issuer ${issuer}; platform API key; log level info; ${tenants.length} tenants; 16 connections, ${WRITERS} for writes.
`)
} finally {
  await Promise.all([...started, ...replicas.slice(1)].map(({ stop }) => stop()))
  await place.stop()
}
