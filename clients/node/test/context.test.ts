// The tenant context outside of any framework: who enters it, how far it reaches, and how it travels in a job.

import { EventEmitter } from 'node:events'
import t from 'tap'
import {
  currentTenant,
  findContext,
  getContext,
  runWithContext,
  runWithoutContext,
  type SerializedContext,
  serializeContext,
} from '../src/context.ts'
import { tenantry } from '../src/fetch.ts'
import { MEMBERSHIP_ID, NOW, OTHER_TENANT_ID, TENANT_ID } from './support/tokens.ts'
import { bearer, ofOtherTenant, options } from './support/two-tenants.ts'

const protect = tenantry(options)
const clock = () => NOW
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1_000)

/** What the work gives, done in a request with that token. */
async function inRequest<T>(work: () => T, headers = bearer()): Promise<Awaited<T>> {
  return await new Promise((resolve, reject) => {
    const handler = protect(async () => {
      resolve(await work())
      return new Response()
    })
    handler(new Request('http://127.0.0.1/', { headers })).catch(reject)
  })
}

const serialized = await inRequest(() => serializeContext())
const ofOther = await inRequest(() => serializeContext(), ofOtherTenant)

t.test('outside of a request there is no tenant, and asking for one says so', async (t) => {
  t.equal(findContext(), undefined)
  t.throws(() => getContext(), { code: 'no_context', message: /outside/ })
  t.throws(() => currentTenant(), { code: 'no_context' })
  t.throws(() => serializeContext(), { code: 'no_context' })
})

t.test('a context tells who it is, and what they may do', async (t) => {
  const context = await inRequest(getContext)
  t.match(context, { source: 'request', tenant_id: TENANT_ID, user_id: 'alice', membership_id: MEMBERSHIP_ID })
  t.ok(context.holds('invoice:read'))
  t.throws(() => context.requirePermission('billing:read'), { code: 'permission_missing' })
  t.throws(() => context.requireTenant(OTHER_TENANT_ID), { code: 'tenant_mismatch' })
})

t.test('a job carries what it needs and no token, as JSON', async (t) => {
  t.same(JSON.parse(JSON.stringify(serialized)), {
    ...{
      v: 1,
      tenant_id: TENANT_ID,
      user_id: 'alice',
      membership_id: MEMBERSHIP_ID,
      client_id: 'client-1',
      actor: null,
    },
    roles: ['member'],
    grants: [{ permissions: ['*:read', '*:write', 'tenantry.tenant:read'], excludes: ['billing:*'] }],
    ask: [],
    rev: { [TENANT_ID]: 57, platform: 12 },
    ...{ token_id: 'token-1', expires_at: '2026-01-15T12:05:00.000Z', deadline: null },
  })
  const token = bearer().authorization.slice('Bearer '.length)
  for (const part of token.split('.')) t.notOk(JSON.stringify(serialized).includes(part))
})

t.test('a worker does the job in its context, which says that it is restored', async (t) => {
  const job: unknown = JSON.parse(JSON.stringify(serialized))
  const seen = await runWithContext(
    job,
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      return getContext()
    },
    { clock },
  )
  t.match(seen, { source: 'job', tenant_id: TENANT_ID, user_id: 'alice', token_id: 'token-1' })
  t.ok(seen.holds('invoice:read'))
  t.equal(findContext(), undefined)
})

t.test('a machine has a context as well', async (t) => {
  const grants = [{ permissions: ['invoice:read'], excludes: [] }]
  const headers = bearer({ sub: 'api_key:k1', membership_id: null, roles: [], grants })
  const job = await inRequest(() => serializeContext(), headers)
  const context = await runWithContext(job, getContext, { clock })
  t.match(context, { user_id: null, membership_id: null })
  t.ok(context.holds('invoice:read'))
})

t.test('jobs one after the other, at once, and one that fails leave nothing to the next', async (t) => {
  const work = async () => {
    const before = currentTenant()
    await new Promise((resolve) => setImmediate(resolve))
    return [before, currentTenant()]
  }
  for (const job of [serialized, ofOther, serialized]) {
    t.same(await runWithContext(job, work, { clock }), [job.tenant_id, job.tenant_id])
    t.equal(findContext(), undefined)
  }
  const many = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? serialized : ofOther))
  const seen = await Promise.all(many.map((job) => runWithContext(job, work, { clock })))
  t.same(
    seen,
    many.map(({ tenant_id }) => [tenant_id, tenant_id]),
  )
  await t.rejects(
    runWithContext(serialized, () => Promise.reject(new RangeError('failed')), { clock }),
    RangeError,
  )
  t.equal(findContext(), undefined)
})

t.test('a worker that lives within a request does each job for the tenant of the job', async (t) => {
  const queue = new EventEmitter()
  const done: Promise<[string, string | undefined]>[] = []
  await inRequest(() => {
    queue.on('job', (job: SerializedContext) => {
      done.push(
        runWithContext(job, currentTenant, { clock }).then((tenant_id) => [tenant_id, findContext()?.tenant_id]),
      )
    })
    queue.emit('job', ofOther)
  })
  queue.emit('job', serialized)
  t.same(await Promise.all(done), [
    [OTHER_TENANT_ID, TENANT_ID],
    [TENANT_ID, undefined],
  ])
})

t.test('what belongs to no tenant can be begun within a request', async (t) => {
  const seen = await inRequest(async () => {
    const outside = runWithoutContext(
      () => new Promise<unknown>((resolve) => setTimeout(() => resolve(findContext() ?? null), 1)),
    )
    return { outside: await outside, inside: currentTenant() }
  })
  t.same(seen, { outside: null, inside: TENANT_ID })
})

t.test('the rights in a job end with the token that they come from; the tenant does not', async (t) => {
  const context = await runWithContext(serialized, getContext, { clock: () => later(300) })
  t.equal(context.tenant_id, TENANT_ID)
  t.ok(context.isExpired)
  t.notOk(context.holds('invoice:read'))
  t.notOk(context.hasRole('member'))
  t.throws(() => context.requirePermission('invoice:read'), { code: 'context_expired', status: 403 })
  t.throws(() => context.requireRole('member'), { code: 'context_expired' })
  t.doesNotThrow(() => context.requireTenant(TENANT_ID))
  const asking = { ...serialized, ask: ['billing:*'] }
  const answerAt = (seconds: number) =>
    runWithContext(asking, () => getContext().answerTo('billing:read'), { clock: () => later(seconds) })
  t.same([await answerAt(299), await answerAt(300)], ['ask', 'no'], 'nor is there anything left to ask')
  const before = await runWithContext(serialized, getContext, { clock: () => later(299) })
  t.ok(before.holds('invoice:read'))
})

t.test('a clock that does not know the time gives no rights, and no more time', async (t) => {
  const clock = () => new Date(Number.NaN)
  t.notOk((await runWithContext(serialized, getContext, { clock })).holds('invoice:read'))
  const job = await inRequest(() => serializeContext({ deadline: later(600) }))
  await t.rejects(
    runWithContext(job, () => t.fail('was done'), { clock }),
    { code: 'context_expired' },
  )
})

t.test('a job past its deadline is not done, and a job of a job has no later one', async (t) => {
  const job = await inRequest(() => serializeContext({ deadline: later(600) }))
  t.equal(await runWithContext(job, currentTenant, { clock: () => later(599) }), TENANT_ID)
  const done: string[] = []
  const late = runWithContext(job, () => done.push('job'), { clock: () => later(600) })
  await t.rejects(late, { code: 'context_expired' })
  t.same(done, [])
  const deadlineOf = (deadline?: Date) =>
    runWithContext(job, () => serializeContext({ deadline }).deadline, { clock: () => later(1) })
  t.equal(await deadlineOf(), later(600).toISOString())
  t.equal(await deadlineOf(later(900)), later(600).toISOString())
  t.equal(await deadlineOf(later(60)), later(60).toISOString())
  await t.rejects(
    inRequest(() => serializeContext({ deadline: new Date(Number.NaN) })),
    { code: 'configuration' },
  )
})

t.test('a worker may ask again before it begins, in the context of the job', async (t) => {
  const asked: string[] = []
  const recheck = async () => void asked.push(currentTenant())
  t.equal(await runWithContext(serialized, () => 'done', { clock, recheck }), 'done')
  t.same(asked, [TENANT_ID])
  const done: string[] = []
  const refused = runWithContext(serialized, () => done.push('job'), {
    clock,
    recheck: () => Promise.reject(new RangeError('no longer a member')),
  })
  await t.rejects(refused, RangeError)
  t.same(done, [])
})

t.test('nothing but what was serialised is restored', async (t) => {
  const wrong: [title: string, value: unknown][] = [
    ['nothing', undefined],
    ['null', null],
    ['a text', JSON.stringify(serialized)],
    ['a list', [serialized]],
    ['another version', { ...serialized, v: 2 }],
    ['a member that is not known', { ...serialized, source: 'request' }],
    ['no tenant', { ...serialized, tenant_id: undefined }],
    ['an empty tenant', { ...serialized, tenant_id: '' }],
    ['a list of tenants', { ...serialized, tenant_id: [TENANT_ID] }],
    ['a user without a membership', { ...serialized, membership_id: null }],
    ['a membership without a user', { ...serialized, user_id: null }],
    ["a user who has a machine's name", { ...serialized, user_id: 'api_key:k1' }],
    ['roles as text', { ...serialized, roles: 'owner' }],
    ['a grant that cannot be read', { ...serialized, grants: [{ permissions: ['*'], excludes: ['bill*'] }] }],
    ['a pattern that is none', { ...serialized, ask: ['invoice'] }],
    ['a grant without excludes', { ...serialized, grants: [{ permissions: ['*'] }] }],
    ['a negative revision', { ...serialized, rev: { platform: -1 } }],
    ['an end that is no instant', { ...serialized, expires_at: 'tomorrow' }],
    ['no end', { ...serialized, expires_at: null }],
    ['a deadline as a number', { ...serialized, deadline: 1 }],
    ['no deadline', { ...serialized, deadline: undefined }],
  ]
  for (const [title, value] of wrong) {
    await t.rejects(
      runWithContext(value, () => t.fail(title), { clock }),
      { code: 'context_invalid' },
      title,
    )
  }
  for (const member of Object.keys(serialized)) {
    const { [member]: _, ...rest } = { ...serialized } as Record<string, unknown>
    await t.rejects(
      runWithContext(rest, () => t.fail(member), { clock }),
      { code: 'context_invalid' },
      member,
    )
  }
})

t.test('a payload that is changed while the job runs changes nothing', async (t) => {
  const job = structuredClone(serialized)
  const context = await runWithContext(
    job,
    () => {
      Object.assign(job, { tenant_id: OTHER_TENANT_ID })
      Object.assign(job.grants[0] ?? {}, { excludes: [], permissions: ['*'] })
      return getContext()
    },
    { clock },
  )
  t.equal(context.tenant_id, TENANT_ID)
  t.notOk(context.holds('billing:read'))
})
