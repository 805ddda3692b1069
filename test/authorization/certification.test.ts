// The public certification scenario of AuthZEN 1.0, loaded into a tenant and asked with the tenant's key: Basic Core, Batch
// Core, Search Core and Discovery, at both addresses of the decision point. The levels with properties need conditions, and are
// asked of the applied file (test/cli/apply.test.ts).
import t from 'tap'
import { aService, made } from '../support/service.ts'

const s = await aService(t, { issuer: 'https://pdp.example' })
await s.root.put('/permissions', {
  permissions: ['record:read', 'record:write', 'record:delete'].map((key) => ({ key })),
})
const { id: tenant_id } = await s.aTenant()
const readers = await s.aRole({ tenant_id, key: 'records-reader', permissions: ['record:read'] })
const editors = await s.aRole({ tenant_id, key: 'records-editor', permissions: ['record:read', 'record:write'] })
await s.aMembership(tenant_id, { user_id: 'alice', roles: [editors.key] })
await s.aMembership(tenant_id, { user_id: 'bob', roles: [readers.key], properties: { role: 'admin' } })
for (const id of ['record-1', 'record-2']) {
  made(await s.root.put(`/resources/record/${id}?tenant_id=${tenant_id}`, { properties: {} }))
}
const permissions = ['tenantry.access:check', 'tenantry.membership:read']
const pdp = s.as((await s.anApiKey({ tenant_id, permissions })).secret)

type Json = { [key: string]: unknown }

const [alice, bob] = [
  { type: 'user', id: 'alice' },
  { type: 'user', id: 'bob' },
]
const [read, write] = [{ name: 'read' }, { name: 'write' }]
const [record1, record2] = [
  { type: 'record', id: 'record-1' },
  { type: 'record', id: 'record-2' },
]
const context = { time: '2025-06-27T18:03-07:00', ip: '192.168.1.1' }

/** Both addresses of the decision point: the service's, where the key knows its tenant, and the tenant's own. */
for (const base of ['', `/t/${tenant_id}`]) {
  const post = (path: string, body: unknown, headers?: Record<string, string>) =>
    pdp.post(`${base}/access/v1/${path}`, body, headers)
  const evaluation = (body: unknown, headers?: Record<string, string>) => post('evaluation', body, headers)

  t.test(`Basic Core at "${base}"`, async (t) => {
    for (const [subject, action, decision] of [
      [alice, read, true],
      [alice, write, true],
      [bob, read, true],
      [bob, write, false],
    ] as const) {
      for (const more of [
        {},
        { context },
        { foo: 'bar', futureField: { nested: true } },
        { subject: { ...subject, properties: { department: 'Sales', role: 'manager' } } },
        { action: { ...action, properties: { method: 'GET' } } },
        { resource: { ...record1, properties: { status: 'active', owner: 'bob' } } },
      ]) {
        for (const again of [1, 2]) {
          const answer = await evaluation({ subject, action, resource: record1, ...more })
          t.match(answer.headers['content-type'], /^application\/json/)
          t.same([answer.status, answer.body], [200, { decision }], `${subject.id} ${action.name} ${again}`)
        }
      }
    }
  })

  t.test(`errors and headers of Basic Core at "${base}"`, async (t) => {
    const whole: Json = { subject: alice, action: read, resource: record1 }
    for (const broken of [
      ...['subject', 'action', 'resource'].map((name) => ({ ...whole, [name]: undefined })),
      { ...whole, subject: { id: 'alice' } },
      { ...whole, subject: { type: 'user' } },
      { ...whole, action: {} },
      { ...whole, resource: { id: 'record-1' } },
      { ...whole, resource: { type: 'record' } },
      { ...whole, subject: 'alice' },
      { ...whole, action: { name: 123 } },
    ]) {
      t.equal((await evaluation(broken)).status, 400, JSON.stringify(broken))
    }
    const json = { 'content-type': 'application/json' }
    for (const malformed of ['', '{', '[]', '{"subject":}']) t.equal((await evaluation(malformed, json)).status, 400)
    t.equal((await evaluation(JSON.stringify(whole), { 'content-type': 'text/plain' })).status, 415)
    const utf8 = { 'content-type': 'application/json; charset=utf-8' }
    t.equal((await evaluation(JSON.stringify(whole), utf8)).status, 200)
    for (const path of ['evaluation', 'evaluations', 'search/subject', 'search/resource', 'search/action']) {
      const answer = await post(path, whole, { 'x-request-id': 'bfe9eb29-ab87-4ca3-be83-a1d5d8305716' })
      t.equal(answer.headers['x-request-id'], 'bfe9eb29-ab87-4ca3-be83-a1d5d8305716', path)
      t.type((await post(path, whole)).headers['x-request-id'], 'string')
    }
  })

  t.test(`Batch Core at "${base}"`, async (t) => {
    const decisions = async (body: Json): Promise<unknown> => {
      const answer = await post('evaluations', body)
      return answer.status === 200 ? answer.body : answer.status
    }
    const are = (...all: boolean[]) => ({ evaluations: all.map((decision) => ({ decision })) })
    t.same(
      await decisions({ subject: alice, action: read, evaluations: [{ resource: record1 }, { resource: record2 }] }),
      are(true, true),
    )
    t.same(
      await decisions({ subject: bob, resource: record1, evaluations: [{ action: read }, { action: write }] }),
      are(true, false),
    )
    t.same(
      await decisions({
        evaluations: [
          { subject: alice, action: read, resource: record1 },
          { subject: bob, action: write, resource: record1 },
        ],
      }),
      are(true, false),
    )
    const inherited = [{ resource: record1 }, { resource: record2, context: { source: 'batch-override' } }]
    t.same(await decisions({ subject: alice, action: read, context, evaluations: inherited }), are(true, true))
    t.match(await decisions({ subject: alice, action: read, evaluations: [{ resource: record1 }, {}] }), {
      evaluations: [{ decision: true }, { decision: false, context: { error: { status: 400 } } }],
    })
    for (const none of [{}, { evaluations: [] }]) {
      t.same(await decisions({ subject: alice, action: read, resource: record1, ...none }), { decision: true })
    }
    t.same(
      await decisions({
        ...{ subject: alice, action: write, resource: { type: 'record' } },
        evaluations: [{ resource: { id: 'record-1', properties: { status: 'active' } } }],
      }),
      are(true),
      'an item’s resource without a type has the default’s',
    )
  })

  t.test(`Search Core at "${base}"`, async (t) => {
    const who = { subject: { type: 'user' }, action: read, resource: record1 }
    for (const more of [{}, { context }]) {
      t.same((await post('search/subject', { ...who, ...more })).body.results, [alice, bob])
      const what = await post('search/action', { subject: alice, resource: record1, ...more })
      t.same(what.body.results, [read, write])
    }
    const first = await post('search/subject', { ...who, page: { limit: 1 } })
    t.same(first.body.results, [alice])
    const second = await post('search/subject', { ...who, page: { token: first.body.page.next_token } })
    t.same(second.body, { results: [bob], page: { next_token: '' } }, 'the limit need not be repeated')
    const found = await post('search/resource', { subject: alice, action: read, resource: { type: 'record' } })
    t.same([found.status, found.body.results], [200, [record1, record2]])
    for (const [path, nothing] of [
      ['search/action', { subject: { type: 'user', id: 'nonexistent-user' }, resource: record1 }],
      ['search/subject', { ...who, subject: { type: 'spaceship' } }],
      ['search/resource', { subject: alice, action: read, resource: { type: 'spaceship' } }],
    ] as const) {
      t.same((await post(path, nothing)).body.results, [], path)
    }
    for (const [path, broken] of [
      ['search/subject', { ...who, action: undefined }],
      ['search/resource', { action: read, resource: { type: 'record' } }],
      ['search/action', { subject: alice }],
      ['search/subject', { ...who, resource: { type: 'record' } }],
      ['search/resource', { ...who, resource: { type: 'record' } }],
    ] as const) {
      t.equal((await post(path, broken)).status, 400, path)
    }
  })

  t.test(`Discovery of "${base}"`, async (t) => {
    const { status, headers, body } = await s.stranger.get(`/.well-known/authzen-configuration${base}`)
    t.equal(status, 200)
    t.match(headers['content-type'], /^application\/json/)
    t.equal(body.policy_decision_point, `https://pdp.example${base}`)
    t.equal(body.access_evaluation_endpoint, `https://pdp.example${base}/access/v1/evaluation`)
    for (const url of Object.values(body)) t.equal(new URL(String(url)).protocol, 'https:')
  })
}
