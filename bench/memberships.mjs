// What is asked of a database with so many memberships: `npm run memberships --prefix bench -- 100000 10000000` measures at both
// numbers. Ten million take 10 GB of disk and a quarter of an hour.
import { loadavg } from 'node:os'
import { ensureBuilt } from '../bin/build.mjs'
import { addMembers, addTenants } from './filling.mjs'
import { aligned } from './table.mjs'

await ensureBuilt()
const { aPlace, onServer } = await import('./place.mjs') // imports what was just built
const { postmasterOf, questionsFor, sizes, timeOf } = await import('./at-size.mjs')

const COUNTS = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [20_000, 200_000]
const [EACH, SEVERAL] = [100, 3] // requests; some take seconds
const READ_EVERYTHING = /without a tenant|nobody holds/

const place = await aPlace({ more_settings: { TENANTRY_STALENESS_MS: '0' } })
const sql = (text) => onServer(place.owner_url, text)
const asked = {
  address: place.service.address,
  secret: place.root,
  postmaster: await postmasterOf(place.owner_url),
}

const measure = async (large) => {
  const people = await sql(`select tenant_id, id, user_id, email from tenantry.memberships
    where user_id like 'bench_%' and tenant_id <> '${large}' order by md5(id::text) limit 5000`)
  const lines = []
  for (const [name, request] of Object.entries(questionsFor(people, large))) {
    const count = READ_EVERYTHING.test(name) ? SEVERAL : EACH
    const { ms, cpu_ms, refused } = await timeOf(asked, count, request)
    lines.push([name, `${cpu_ms.toFixed(2)} ms`, `${ms.toFixed(1)} ms`, refused === 0 ? '' : `${refused} × 503`])
  }
  return lines
}

const inMb = (bytes) => `${Math.round(bytes / 1e6)} MB`

try {
  await addTenants(sql)
  const [{ id: large }] = await sql('select id from public.bench_tenants where n = 1')
  let filled = 0
  for (const count of COUNTS) {
    await addMembers(sql, filled, count)
    filled = count
    await sql('vacuum analyze')
    const lines = await measure(large)
    const tables = (await sizes(sql)).map(({ name, rows, heap, indexes }) => [name, rows, inMb(heap), inMb(indexes)])
    process.stdout.write(`
${count.toLocaleString('en')} memberships, load average ${loadavg()[0].toFixed(0)}

${aligned(['request', "PostgreSQL's CPU", 'took', ''], ...lines)}

${aligned(['table', 'rows', 'heap', 'indexes'], ...tables)}
`)
  }
} finally {
  await place.stop()
}
