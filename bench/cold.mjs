// A check of a member never asked about before, beside one prepared select through pg: `npm start --prefix bench -- cold`. The same
// row as in large.mjs, in a database that is filled in seconds, and with all processor time that either side takes, PostgreSQL's
// included: two cores are shared by all of them, so the rates follow from it. And beside somebody's own route, which asks the
// same of the database through the same HTTP.
import { postgresCpuMs, postmasterOf } from './at-size.mjs'
import { addMembers, addTenants } from './filling.mjs'
import { load } from './load.mjs'
import { onServer } from './place.mjs'
import { cpuSeconds } from './processes.mjs'
import { row } from './table.mjs'

const MEMBERSHIPS = 300_000 // more than are asked about
const ASKED = 250_000
const WARM_ROUNDS = 4

const fill = async (sql) => {
  await addTenants(sql)
  await addMembers(sql, 0, MEMBERSHIPS)
  await sql('vacuum analyze')
  return sql(`select tenant_id, user_id from tenantry.memberships where user_id like 'bench_%' order by md5(id::text)`)
}

const questionOf = ({ tenant_id, user_id }) => ({
  subject: { type: 'user', id: user_id },
  action: { name: 'read' },
  resource: { type: 'invoice', id: '1' },
  context: { tenant_id },
})

/** What a side answers, with the processor time of its process and of PostgreSQL for each. */
const measured = (child, postmaster, seconds, run) => async () => {
  const used = () => cpuSeconds(child) * 1e6 + postgresCpuMs(postmaster) * 1e3
  const before = used()
  const rate = await run()
  return { rate, cpu_us: (used() - before) / (rate * seconds) }
}

export const coldRow = async ({ service, secret, owner_url }, running, { seconds, alternate }) => {
  const users = await fill((text) => onServer(owner_url, text))
  const select = await running('select.mjs', { owner_url, in_flight: 16 })
  const route = await running('bare-pg.mjs', { owner_url })
  const postmaster = await postmasterOf(owner_url)
  let next = 0
  const bodyOf = () => questionOf(users[next++ % ASKED])
  const asking = ({ child }, address) => {
    const what = { url: `${address}/access/v1/evaluation`, credential: secret, bodyOf }
    return measured(child, postmaster, seconds, async () => (await load(child, seconds, what)).rate)
  }
  const others = users.slice(ASKED, ASKED + 20_000)
  const sides = [
    asking(service, service.address),
    measured(select.child, postmaster, seconds, () => select.ask({ users: others, seconds })),
    asking(route, route.ready),
  ]
  for (const side of sides) for (let round = 0; round < WARM_ROUNDS; round++) await side()
  const [ours, selects, theirs] = await alternate(...sides)
  const what = 'a member never asked about before; CPU with PostgreSQL’s'
  return [
    row(what, 'one prepared select through pg, without HTTP', ours, selects),
    row(what, 'a Fastify route that makes one prepared select', ours, theirs),
  ]
}
