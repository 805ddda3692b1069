// What exists once is made once, by however many requests at the same moment. Uniqueness is the database's job.
import t, { type Test } from 'tap'
import { type Answer, aService } from '../support/service.ts'

const s = await aService(t)
/** In process nothing runs at the same time anyway. */
const TIMES = process.env.TEST_DATABASE_URL === undefined ? 6 : 20

const atOnce = <T>(request: (number: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: TIMES }, (_, number) => request(number)))

/** `{ '201': 1, '409 tenant.slug_taken': 19 }` */
const tally = (answers: Answer[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { status, body } of answers) {
    const said = status < 300 ? String(status) : `${status} ${body.code}`
    counts[said] = (counts[said] ?? 0) + 1
  }
  return counts
}

t.test('a slug that many tenants claim at once goes to one of them', async (t) => {
  const answers = await atOnce((number) => s.root.post('/tenants', { name: `Acme ${number}`, slug: 'acme' }))
  t.same(tally(answers), { 201: 1, '409 tenant.slug_taken': TIMES - 1 })
  const { body } = await s.root.get('/tenants?slug=acme')
  t.equal(body.data.length, 1)
})

t.test('tenants of one name that are made at once all get a slug of their own', async (t) => {
  const answers = await atOnce(() => s.root.post('/tenants', { name: 'Globex' }))
  t.same(tally(answers), { 201: TIMES })
  const slugs = answers.map(({ body }) => body.slug)
  t.equal(new Set(slugs).size, TIMES)
  t.equal(slugs.filter((slug) => slug === 'globex').length, 1, 'one of them has it plain')
  t.ok(slugs.every((slug) => /^globex(-[2-9a-z]{6})?$/.test(slug)))
})

t.test('a slug that tenants want to change to at once goes to one of them, and none gives up its own', async (t) => {
  const tenants = await Promise.all(Array.from({ length: TIMES }, () => s.aTenant()))
  const answers = await Promise.all(tenants.map(({ id }) => s.root.patch(`/tenants/${id}`, { slug: 'initech' })))
  t.same(tally(answers), { 200: 1, '409 tenant.slug_taken': TIMES - 1 })
  const losers = tenants.filter((_, index) => answers[index]?.status === 409)
  const kept = await Promise.all(losers.map(({ slug }) => s.root.post('/tenants', { name: 'Thief', slug })))
  t.same(tally(kept), { '409 tenant.slug_taken': TIMES - 1 })
})

t.test('a user who is made a member many times at once has one membership', async (t) => {
  const tenant = await s.aTenant()
  const answers = await atOnce(() => s.root.post('/memberships', { tenant_id: tenant.id, user_id: 'user_vera' }))
  t.same(tally(answers), { 201: 1, '409 membership.exists': TIMES - 1 })
  t.equal(await s.revisionOf(tenant.id), 2, 'those refused took no revision')
})

// Besides the answer of the request that did it, only a repetition of that very answer or a word to wait may come.
const sendMany = async (t: Test, url: string, body: object, key: string): Promise<Answer> => {
  const send = () => s.root.post(url, body, { 'Idempotency-Key': key })
  const answers = await atOnce(send)
  const { 201: done = 0, '409 idempotency.in_progress': waiting = 0, ...others } = tally(answers)
  t.same(others, {})
  t.ok(done >= 1)
  t.equal(done + waiting, TIMES)
  const later = await send()
  t.equal(later.status, 201)
  for (const answer of answers.filter(({ status }) => status === 201)) {
    t.same(answer.body, later.body, 'the same answer')
    t.equal(answer.headers['tenantry-revision'], later.headers['tenantry-revision'])
  }
  return later
}

t.test('a membership that is asked for with one Idempotency-Key many times at once is made once', async (t) => {
  const tenant = await s.aTenant()
  const { body } = await sendMany(t, '/memberships', { tenant_id: tenant.id, user_id: 'user_mia' }, 'join-mia')
  const list = await s.root.get(`/memberships?tenant_id=${tenant.id}`)
  t.same(list.body.data, [body])
  t.equal(await s.revisionOf(tenant.id), 2)
})

t.test('a tenant that is asked for with one Idempotency-Key many times at once is made once', async (t) => {
  const { body } = await sendMany(t, '/tenants', { name: 'Umbrella', owner: { user_id: 'user_olga' } }, 'make-umbrella')
  const list = await s.root.get('/tenants?q=umbrella')
  t.same(list.body.data, [body])
})
