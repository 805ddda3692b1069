// "At least as new as my write": demands by revision, in the header and in a check; and the wait for them.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import {
  type Demand,
  demandsIn,
  type Revisions,
  readAtLeast,
  type Stopwatch,
} from '../../src/authorization/consistency.ts'
import { PLATFORM } from '../../src/database/schema.ts'
import { type Answer, aService } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const other = await s.aTenant({ owner: { user_id: 'user_olga' } })
const key = s.as((await s.anApiKey({ tenant_id })).secret)

type Json = { [key: string]: unknown }

const check = (context?: Json, more: Json = {}): Json => ({
  subject: { type: 'user', id: 'user_olga' },
  action: { name: 'read' },
  resource: { type: 'invoice', id: 'inv_1' },
  ...(context && { context }),
  ...more,
})
const demanding = (min_revision: string) => ({ 'tenantry-min-revision': min_revision })
const written = ({ headers }: Answer): string => String(headers['tenantry-revision'])

t.test('what a write answered can be demanded of every check and search after it', async (t) => {
  const invited = await s.root.post('/memberships', { tenant_id, user_id: 'user_new', roles: ['viewer'] })
  const shared = await s.root.post('/roles', { key: 'shared', name: 'Shared', permissions: ['invoice:read'] })
  t.match([written(invited), written(shared)], [new RegExp(`^${tenant_id}:\\d+$`), /^platform:\d+$/])
  for (const min_revision of [written(invited), written(shared), `${written(invited)}, ${written(shared)}`]) {
    for (const [path, body] of [
      ['evaluation', check()],
      ['evaluations', check(undefined, { evaluations: [{}] })],
      ['evaluations', check()],
      ['search/subject', check()],
      ['search/resource', check()],
      ['search/action', check()],
    ] as const) {
      for (const prefix of ['', `/t/${tenant_id}`]) {
        const url = `${prefix}/access/v1/${path}`
        t.equal((await key.post(url, body, demanding(min_revision))).status, 200, url)
        t.equal((await key.post(url, { ...body, context: { min_revision } })).status, 200, url)
      }
    }
  }
})

t.test('and of every read, of a tenant or of all', async (t) => {
  const revision = written(await s.root.patch(`/tenants/${tenant_id}`, { name: 'Renamed' }))
  const role = await s.aRole({ tenant_id })
  const membership = await s.aMembership(tenant_id)
  for (const url of [
    `/tenants/${tenant_id}`,
    '/memberships',
    `/memberships/${membership.id}`,
    '/roles',
    `/roles/${role.id}`,
    '/roles/catalogue',
    '/permissions',
    '/api-keys',
    '/issuers',
    '/events',
  ]) {
    t.equal((await key.get(url, demanding(revision))).status, 200, url)
    t.match(await key.get(url, demanding('nonsense')), { status: 400, body: { code: 'request.invalid' } }, url)
  }
  t.equal((await s.root.get('/memberships', demanding(`${revision},platform:1`))).status, 200, 'in all tenants')
  t.equal((await s.root.get('/tenants', demanding(revision))).status, 200)
  t.equal(
    (await s.root.get(`/tenants/${tenant_id}`, demanding(`${other.id}:1`))).status,
    400,
    'of the one that is named',
  )
})

const REFUSED: [string, string][] = [
  ['a word', 'latest'],
  ['a number alone', '7'],
  ['a tenant alone', tenant_id],
  ['nothing after the colon', `${tenant_id}:`],
  ['no number after it', `${tenant_id}:x`],
  ['a number below nothing', `${tenant_id}:-1`],
  ['a number that is too large', `${tenant_id}:${'9'.repeat(16)}`],
  ['more than one colon', `${tenant_id}:1:1`],
  ['capital letters', `${tenant_id.toUpperCase()}:1`],
  ['the platform in another spelling', 'Platform:1'],
  ['the platform by its id', `${PLATFORM}:1`],
  ['an empty place in the list', 'platform:1,,platform:1'],
  ['more than ten', Array.from({ length: 11 }, () => 'platform:1').join()],
  ['another tenant', `${other.id}:1`],
  ['a tenant that is nowhere', `${randomUUID()}:1`],
]

t.test('what is no revision, or one of a tenant that the request is not about, is refused', async (t) => {
  const body = check()
  const about = { evaluations: [{}, {}] }
  for (const [name, value] of REFUSED) {
    for (const [answer, pointer] of [
      [await key.post('/access/v1/evaluation', body, demanding(value)), 'header/Tenantry-Min-Revision'],
      [await key.post('/access/v1/evaluation', check({ min_revision: value })), '/context/min_revision'],
      [
        await key.post('/access/v1/evaluations', { ...body, ...about }, demanding(value)),
        'header/Tenantry-Min-Revision',
      ],
      [await key.post('/access/v1/search/subject', check({ min_revision: value })), '/context/min_revision'],
      [await key.get('/memberships', demanding(value)), 'header/Tenantry-Min-Revision'],
    ] as const) {
      t.match(answer, { status: 400, body: { code: 'request.invalid', errors: [{ pointer }] } }, name)
    }
    const { body: batch } = await key.post('/access/v1/evaluations', {
      ...body,
      evaluations: [{ context: { min_revision: value } }, {}],
    })
    t.match(batch.evaluations, [{ decision: false, context: { error: { status: 400 } } }, { decision: true }], name)
  }
})

t.test('where the tenants differ nothing is waited for: it is a deny', async (t) => {
  const context = { tenant_id: other.id, min_revision: `${other.id}:999` }
  t.same((await key.post('/access/v1/evaluation', check(context))).body, { decision: false })
})

t.test('a batch over tenants takes a revision of any of them', async (t) => {
  const of = (id: string): Json => ({ context: { tenant_id: id } })
  const batch = check(undefined, { evaluations: [of(tenant_id), of(other.id)] })
  for (const id of [tenant_id, other.id]) {
    const revision = `${id}:${await s.revisionOf(id)}`
    t.equal((await s.root.post('/access/v1/evaluations', batch, demanding(revision))).status, 200)
  }
  t.equal((await s.root.post('/access/v1/evaluations', batch, demanding(`${randomUUID()}:1`))).status, 400)
})

t.test('what is not reached within a second is a 503 that says when to try again', async (t) => {
  const ahead = `${tenant_id}:${(await s.revisionOf(tenant_id)) + 1}`
  const began = performance.now()
  const answers = await Promise.all([
    key.post('/access/v1/evaluation', check({ explain: true }), demanding(ahead)),
    key.post('/access/v1/evaluation', check({ min_revision: ahead })),
    key.post('/access/v1/evaluations', check(undefined, { evaluations: [{}] }), demanding(ahead)),
    key.post('/access/v1/search/subject', check(), demanding(ahead)),
    key.post('/access/v1/search/action', check({ min_revision: ahead })),
    key.get('/memberships', demanding(ahead)),
    s.root.post('/access/v1/evaluation', check({ tenant_id: PLATFORM, min_revision: 'platform:1' })),
  ])
  for (const answer of answers) {
    t.match(answer, { status: 503, body: { code: 'revision.not_reached' }, headers: { 'retry-after': '2' } })
  }
  t.ok(performance.now() - began >= 1_000, 'and not before')
})

t.test('a revision that is reached meanwhile is answered with it', async (t) => {
  const next = `${tenant_id}:${(await s.revisionOf(tenant_id)) + 1}`
  const asked = check({ min_revision: next, explain: true }, { subject: { type: 'user', id: 'user_awaited' } })
  const answer = key.post('/access/v1/evaluation', asked)
  await s.aMembership(tenant_id, { user_id: 'user_awaited', roles: ['viewer'] })
  t.match(await answer, { status: 200, body: { decision: true, context: { reason: { role: 'viewer' } } } })
})

// The wait itself, on a time of its own.

const aStopwatch = (): Stopwatch & { paused: number[] } => {
  const paused: number[] = []
  let time = 0
  return {
    paused,
    now: () => time,
    pause: async (milliseconds) => {
      paused.push(milliseconds)
      time += milliseconds
    },
  }
}

const DEMAND: Demand[] = [
  { history: tenant_id, revision: 3 },
  { history: 'platform', revision: 2 },
]
const same = (revisions: Revisions): Revisions => revisions
const states = (...revisions: Revisions[]) => {
  const reads: boolean[] = []
  const read = async (fresh: boolean): Promise<Revisions> => {
    reads.push(fresh)
    return revisions[Math.min(reads.length, revisions.length) - 1] ?? {}
  }
  return { reads, read }
}

t.test('what is new enough is read once, and nothing demanded is never too old', async (t) => {
  const stopwatch = aStopwatch()
  const { reads, read } = states({ [tenant_id]: 3, platform: 7 })
  t.same(await readAtLeast(DEMAND, read, same, stopwatch), { [tenant_id]: 3, platform: 7 })
  t.same(await readAtLeast([], states({}).read, same, stopwatch), {})
  t.same([reads, stopwatch.paused], [[false], []])
})

t.test('what was kept and is too old is read afresh at once', async (t) => {
  const stopwatch = aStopwatch()
  const { reads, read } = states({ [tenant_id]: 2, platform: 2 }, { [tenant_id]: 3, platform: 2 })
  await readAtLeast(DEMAND, read, same, stopwatch)
  t.same([reads, stopwatch.paused], [[false, true], []])
})

t.test('every history that is demanded must be there, and between two reads there is a pause', async (t) => {
  const stopwatch = aStopwatch()
  const { reads, read } = states(
    {},
    { [tenant_id]: 3 },
    { [tenant_id]: 3, platform: 1 },
    { [tenant_id]: 4, platform: 2 },
  )
  t.same(await readAtLeast(DEMAND, read, same, stopwatch), { [tenant_id]: 4, platform: 2 })
  t.same(reads, [false, true, true, true])
  t.same(stopwatch.paused, [50, 50])
})

t.test('it is given up after a second', async (t) => {
  const stopwatch = aStopwatch()
  const { read } = states({ [tenant_id]: 2, platform: 2 })
  await t.rejects(async () => readAtLeast(DEMAND, read, same, stopwatch), { code: 'revision.not_reached' })
  t.equal(stopwatch.now(), 1_000)
})

t.test('a fault of what is read ends the wait', async (t) => {
  const fault = new Error('away')
  const read = (): Promise<Revisions> => Promise.reject(fault)
  await t.rejects(async () => readAtLeast(DEMAND, read, same, aStopwatch()), fault)
})

t.test('nothing demanded is no demand', async (t) => {
  t.same(
    demandsIn(undefined, '', () => false),
    [],
  )
  t.same(
    demandsIn(`platform:0 , ${tenant_id}:12`, '', () => true),
    [
      { history: 'platform', revision: 0 },
      { history: tenant_id, revision: 12 },
    ],
  )
})
