// Pages: nothing twice, nothing left out, whatever happens between two of them.
import t from 'tap'
import { aService, type Caller, made } from '../support/service.ts'

const s = await aService(t)

interface Row {
  id: string
}

/** Follows `next_cursor` to the end. */
const all = async (
  caller: Caller,
  url: string,
  limit: number,
  between = async (): Promise<void> => {},
): Promise<Row[]> => {
  const rows: Row[] = []
  let cursor: string | null = ''
  for (let pages = 0; cursor !== null && pages < 100; pages++) {
    const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const { body } = await caller.get(`${url}${url.includes('?') ? '&' : '?'}limit=${limit}${more}`)
    if (body.data.length > limit) throw new Error('more than asked for')
    rows.push(...body.data)
    cursor = body.next_cursor
    await between()
  }
  return rows
}

const idsOf = (rows: Row[]): string[] => rows.map(({ id }) => id)

t.test('pages of one show what one page shows, in the same order', async (t) => {
  const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
  for (let i = 0; i < 4; i++) {
    await s.aMembership(tenant_id)
    await s.anApiKey({ tenant_id })
    await s.aTenant()
  }
  const { caller } = await s.aMember(tenant_id, 'owner')
  const lists: [Caller, string][] = [
    [s.root, '/tenants'],
    [s.root, '/tenants?status=active'],
    [s.root, '/memberships'],
    [s.root, '/api-keys'],
    [s.root, '/roles'],
    [s.root, `/memberships?tenant_id=${tenant_id}`],
    [s.root, `/memberships?tenant_id=${tenant_id}&role=member`],
    [caller, '/memberships?status=active'],
    [caller, '/api-keys'],
    [caller, '/roles'],
  ]
  for (const [of, url] of lists) {
    const whole = await of.get(`${url}${url.includes('?') ? '&' : '?'}limit=200`)
    t.ok(whole.body.data.length >= 4, url)
    t.equal(whole.body.next_cursor, null)
    const ids = idsOf(whole.body.data)
    t.same(idsOf(await all(of, url, 1)), ids, url)
    t.same(idsOf(await all(of, url, ids.length)), ids, 'a page that is just full is the last')
    t.same(ids, [...ids].sort(), 'oldest first')
  }
})

t.test('what is made while pages are read comes later, and moves nothing', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const before: string[] = []
  for (let i = 0; i < 4; i++) before.push((await s.aMembership(tenant_id)).id)
  const added: string[] = []
  const rows = await all(s.root, `/memberships?tenant_id=${tenant_id}`, 2, async () => {
    if (added.length < 2) added.push((await s.aMembership(tenant_id)).id)
  })
  t.same(idsOf(rows), [...before, ...added])
})

t.test('what is removed while pages are read takes nothing else with it', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const ids: string[] = []
  for (let i = 0; i < 5; i++) ids.push((await s.aMembership(tenant_id)).id)
  const doomed = [ids[1], ids[4]] // where the first page ended, and one that was not shown yet
  const rows = await all(s.root, `/memberships?tenant_id=${tenant_id}`, 2, async () => {
    const id = doomed.shift()
    if (id !== undefined) await s.root.delete(`/memberships/${id}`)
  })
  t.same(idsOf(rows), ids.slice(0, 4))
})

t.test('a limit is a whole number from 1 to 200', async (t) => {
  for (const limit of ['0', '-1', '201', '1.5', 'ten', '1e9', '', '%20']) {
    t.match(
      await s.root.get(`/tenants?limit=${limit}`),
      { status: 400, body: { errors: [{ pointer: 'query/limit' }] } },
      limit,
    )
  }
  t.equal((await s.root.get('/tenants?limit=200')).status, 200)
  t.equal((await s.root.get('/tenants?limit=1')).body.data.length, 1)
})

t.test('a cursor that is none of ours is refused at once', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const ofRevision = encoded(3)
  const hostile: [string, string[]][] = [
    ['nothing', ['x', 'bnVsbA', '....', 'a'.repeat(500)]],
    ['other JSON', [encoded(null), encoded([]), encoded({}), encoded('x'), encoded(-1), encoded(1.5), encoded(true)]],
    ['SQL', [encoded("' or 1=1 --"), encoded(`${tenant_id}' or '1'='1`), encoded(tenant_id.toUpperCase())]],
  ]
  for (const url of ['/tenants', '/memberships', '/api-keys', '/roles', '/events', `/events?tenant_id=${tenant_id}`]) {
    for (const [name, cursors] of hostile) {
      for (const cursor of cursors) {
        const answer = await s.root.get(`${url}${url.includes('?') ? '&' : '?'}cursor=${cursor}`)
        t.match(answer, { status: 400, body: { code: 'cursor.invalid' } }, `${url}, ${name}: ${cursor}`)
      }
    }
  }
  t.equal((await s.root.get(`/tenants?cursor=${ofRevision}`)).status, 400, "another list's cursor")
  t.equal((await s.root.get(`/tenants?cursor=${'a'.repeat(501)}`)).status, 400)
})

t.test(
  'a cursor for all events holds a snapshot, which is judged before PostgreSQL sees it and in no time',
  async (t) => {
    const { next_cursor } = made(await s.root.get('/events?limit=1'))
    const { epoch } = JSON.parse(Buffer.from(next_cursor, 'base64url').toString())
    const encoded = (snapshot: unknown, after: unknown = 0, of: unknown = epoch): string =>
      Buffer.from(JSON.stringify({ epoch: of, snapshot, after })).toString('base64url')
    const refused = [
      ...[
        '',
        '1',
        '1:2',
        '2:1:',
        '0:5:',
        '1:5:6',
        '1:5:3,2',
        '1:5:2,2',
        '1:5:2,',
        '1:5:,2',
        'a:b:',
        '1:5:x',
        ' 1:5:',
        "1:5:'",
      ],
      `1:5:${'1'.repeat(300)}x`, // a pattern that tries every way to cut this up would not come back
      `1:${'9'.repeat(20)}:`,
    ]
    for (const snapshot of refused) {
      t.equal((await s.root.get(`/events?cursor=${encoded(snapshot)}`)).status, 400, snapshot)
    }
    for (const after of [-1, 1.5, '0', null, 2 ** 60]) {
      t.equal((await s.root.get(`/events?cursor=${encoded('1:5:', after)}`)).status, 400, String(after))
    }
    for (const of of [epoch + 1, 0, -1, '1', null]) {
      t.equal((await s.root.get(`/events?cursor=${encoded('1:5:', 0, of)}`)).status, 400, `of the epoch ${of}`)
    }
    t.equal((await s.root.get(`/events?cursor=${encoded('1:5:2,3')}`)).status, 200)
    t.equal((await s.root.get(`/events?cursor=${encoded(`1:${'9'.repeat(19)}:`, 2 ** 53 - 1)}`)).status, 200)
  },
)

t.test("a cursor carries no right: another tenant's cursor shows one's own rows only", async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  const mine = await s.aMember(acme.id, 'owner')
  await s.aMembership(globex.id)
  await s.aMembership(globex.id)
  const { body } = await s.root.get(`/memberships?tenant_id=${globex.id}&limit=1`)
  const answer = await mine.caller.get(`/memberships?cursor=${body.next_cursor}`)
  t.same(
    answer.body.data.filter(({ tenant_id }: { tenant_id: string }) => tenant_id !== acme.id),
    [],
  )
})
