// Checks in a large installation: 10,000 tenants, one of 200,000 members, with 10,000 and then 1,000,000 memberships in all.
// Like run.mjs it compares and decides nothing; it takes about three minutes, one of them to fill the database.
import { readFileSync } from 'node:fs'
import { ensureBuilt } from '../bin/build.mjs'
import { addMembers, addTenants } from './filling.mjs'
import { load } from './load.mjs'
import { paced } from './paced.mjs'
import { pinThisProcess, startModule } from './processes.mjs'
import { quantilesOf, row, table } from './table.mjs'

const [FEW, MANY] = [10_000, 1_000_000]
const [ROUNDS, SECONDS, HOT, IN_FLIGHT] = [7, 1, 1_000, 16]
const PATH = '/access/v1/evaluation'

await ensureBuilt()
const { aPlace, onServer } = await import('./place.mjs') // imports what was just built

const place = await aPlace()
const { service, secret, owner_url, post } = place
pinThisProcess()
const sql = (text) => onServer(owner_url, text)

const someUsers = (count, where = 'true') =>
  sql(`select tenant_id, user_id from tenantry.memberships where user_id like 'bench_%' and ${where}
    order by md5(id::text) limit ${count}`)

const questionOf = ({ tenant_id, user_id }) => ({
  subject: { type: 'user', id: user_id },
  action: { name: 'read' },
  resource: { type: 'invoice', id: '1' },
  context: { tenant_id },
})

const ask = (more, seconds = SECONDS) =>
  load(service.child, seconds, { url: service.address + PATH, credential: secret, ...more })

const alternate = async (...sides) => {
  const results = sides.map(() => [])
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [side, run] of sides.entries()) {
      const result = await run()
      if (round > 0) results[side].push(typeof result === 'number' ? { rate: result } : result)
    }
  }
  return results
}

const rss = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${service.child.pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
const inMb = (bytes) => `${Math.round(bytes / 1e6)} MB`

/** Writes in the tenant while `work` goes on, so many a second. */
const withWrites = async (tenant_id, per_second, work) => {
  let number = 0
  const timer = setInterval(() => {
    const user_id = `written_${process.pid}_${performance.now()}_${number++}`
    post('/memberships', { tenant_id, user_id }).catch((error) => console.error(error))
  }, 1_000 / per_second)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

try {
  const rows = []
  const notes = []
  const bare = await startModule('bare.mjs')
  const hotAmong = async (what) => {
    const bodies = (await someUsers(HOT)).map(questionOf)
    const [ours, theirs] = await alternate(
      () => ask({ bodies }),
      () => load(bare.child, SECONDS, { url: bare.ready + PATH, credential: secret, bodies }),
    )
    rows.push(row(`${HOT} hot members of ${what}`, 'a bare Fastify route', ours, theirs))
    return quantilesOf(ours.map(({ rate }) => rate)).p50
  }
  await addTenants(sql)
  await addMembers(sql, 0, FEW)
  await sql('vacuum analyze')
  await hotAmong('10,000 memberships')
  const began = performance.now()
  await addMembers(sql, FEW, MANY)
  await sql('vacuum analyze')
  notes.push(`Filling it took ${Math.round((performance.now() - began) / 1000)} s.`)
  const peak = await hotAmong('1,000,000 memberships')
  const half = {
    rate: Math.round(peak / 2),
    seconds: 10,
    bodies: (await someUsers(HOT)).map(questionOf),
    credential: secret,
  }
  for (const [name, address] of [
    ['a check', service.address],
    ['the bare route', bare.ready],
  ]) {
    const { p50, p99, max } = await paced({ url: address + PATH, ...half })
    const [typical, slow, slowest] = [p50, p99, max].map((ms) => `${ms.toFixed(2)} ms`)
    notes.push(
      `At half the peak rate (${half.rate}/s) ${name} takes ${typical}, 99 of 100 ${slow} at most, the slowest ${slowest}.`,
    )
  }
  await bare.stop()

  const all = await someUsers(400_000)
  const [first, second] = [all.slice(0, 200_000), all.slice(200_000)]
  const select = await startModule('select.mjs', { owner_url, in_flight: IN_FLIGHT })
  let next = 0
  const bodyOf = () => questionOf(first[next++ % first.length])
  const before = rss()
  const [cold, selected] = await alternate(
    () => ask({ bodyOf }),
    () => select.ask({ users: second.slice(0, 20_000), seconds: SECONDS }),
  )
  rows.push(row('members never asked about before', 'one prepared select through pg', cold, selected))
  await select.stop()
  notes.push(`The process: ${inMb(before)} before ${next} more memberships were read, ${inMb(rss())} after.`)
  const remembered = await startModule('remembered.mjs', { database_url: place.database_url }, undefined, [
    '--expose-gc',
  ])
  for (const count of [100_000, 200_000]) {
    const { bytes, kept, counted } = await remembered.ask({ users: all.slice(0, count) })
    const each = `${Math.round(bytes)} bytes each, counted as ${Math.round(counted / kept)}`
    notes.push(`Of ${count} memberships ${kept} are kept, ${each}.`)
  }
  await remembered.stop()

  const [{ tenant_id }] = await sql('select id as tenant_id from public.bench_tenants where n = 1')
  const bodies = (await someUsers(HOT, `tenant_id = '${tenant_id}'`)).map(questionOf)
  const trickle = (per_second) => () => withWrites(tenant_id, per_second, () => ask({ bodies }))
  const [few, many, quiet] = await alternate(trickle(5), trickle(20), () => ask({ bodies }))
  rows.push(row('a tenant of 200,000, 5 writes a second', 'without writes', few, quiet))
  rows.push(row('a tenant of 200,000, 20 writes a second', 'without writes', many, quiet))

  process.stdout.write(`${table(rows)}\n\n${notes.join('\n')}\n`)
} finally {
  await place.stop()
}
