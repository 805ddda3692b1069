// Discovery (AuthZEN 1.0, Policy Decision Point Metadata), and the policy decision points of single tenants.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { aService, type Caller } from '../support/service.ts'

const s = await aService(t, { issuer: 'https://tenantry.example' })
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const other = await s.aTenant({ owner: { user_id: 'user_olga' } })
await s.root.put('/permissions', { permissions: [{ key: 'invoice:read' }, { key: 'invoice:void' }] })

const WELL_KNOWN = '/.well-known/authzen-configuration'
const ENDPOINTS = {
  access_evaluation_endpoint: 'evaluation',
  access_evaluations_endpoint: 'evaluations',
  search_subject_endpoint: 'search/subject',
  search_resource_endpoint: 'search/resource',
  search_action_endpoint: 'search/action',
}

type Json = { [key: string]: unknown }

const request = (context?: Json): Json => ({
  subject: { type: 'user', id: 'user_olga' },
  action: { name: 'read' },
  resource: { type: 'invoice', id: 'inv_1' },
  ...(context && { context }),
})

const expected = (identifier: string): Json => ({
  policy_decision_point: identifier,
  ...Object.fromEntries(Object.entries(ENDPOINTS).map(([name, path]) => [name, `${identifier}/access/v1/${path}`])),
})

t.test('the metadata names the decision point that was asked, its endpoints, and nothing that is empty', async (t) => {
  const answer = await s.stranger.get(WELL_KNOWN)
  t.equal(answer.status, 200)
  t.match(answer.headers, { 'content-type': /^application\/json/, 'cache-control': 'public, max-age=300' })
  t.same(answer.body, expected('https://tenantry.example'))
})

t.test(
  'a tenant’s has the tenant after the well-known part, and does not tell whether there is such a tenant',
  async (t) => {
    for (const id of [tenant_id, randomUUID()]) {
      const answer = await s.stranger.get(`${WELL_KNOWN}/t/${id}`)
      t.equal(answer.status, 200)
      t.same(answer.body, expected(`https://tenantry.example/t/${id}`))
    }
    t.equal((await s.stranger.get(`${WELL_KNOWN}/t/acme`)).status, 400, 'the identifier of none')
  },
)

t.test('every endpoint that the metadata names is there', async (t) => {
  for (const metadata of [WELL_KNOWN, `${WELL_KNOWN}/t/${tenant_id}`]) {
    const { body } = await s.stranger.get(metadata)
    const key = s.as((await s.anApiKey({ tenant_id })).secret)
    for (const name of Object.keys(ENDPOINTS)) {
      const { pathname } = new URL(body[name])
      t.equal((await key.post(pathname, request())).status, 200, pathname)
      t.match(await key.get(pathname), { status: 405, headers: { allow: 'POST' } })
      t.equal((await s.stranger.post(pathname, request())).status, 401)
    }
  }
})

const inTenant = (caller: Caller, id: string, path: string, context?: Json) =>
  caller.post(`/t/${id}/access/v1/${path}`, request(context))

t.test('the tenant of the path counts like the credential’s own', async (t) => {
  const denied = { decision: false, context: { reason: { code: 'tenant_mismatch' } } }
  for (const caller of [s.root, s.as((await s.anApiKey({ tenant_id })).secret)]) {
    for (const context of [undefined, {}, { tenant_id }]) {
      t.same((await inTenant(caller, tenant_id, 'evaluation', context)).body, { decision: true })
      t.same((await inTenant(caller, tenant_id, 'evaluations', context)).body, { decision: true })
      t.same((await inTenant(caller, tenant_id, 'search/subject', context)).body.results, [
        { type: 'user', id: 'user_olga' },
      ])
      t.same((await inTenant(caller, tenant_id, 'search/action', context)).body.results, [
        { name: 'read' },
        { name: 'void' },
      ])
    }
    const elsewhere = { tenant_id: other.id, explain: true }
    t.match((await inTenant(caller, tenant_id, 'evaluation', elsewhere)).body, denied)
    t.match((await inTenant(caller, tenant_id, 'evaluations', elsewhere)).body, denied)
    for (const search of ['search/subject', 'search/resource', 'search/action']) {
      t.same((await inTenant(caller, tenant_id, search, elsewhere)).body, { results: [], page: { next_token: '' } })
    }
  }
  const unknown = { decision: false, context: { reason: { code: 'tenant_not_found' } } }
  t.match((await inTenant(s.root, randomUUID(), 'evaluation', { explain: true })).body, unknown)
  t.same((await inTenant(s.root, randomUUID(), 'search/subject')).body.results, [])
})

t.test('to another tenant’s credential no decision point is there, and to a member’s token his own is', async (t) => {
  const { caller, membership } = await s.aMember(tenant_id, 'viewer')
  const me = { ...request(), subject: { type: 'user', id: membership.user_id } }
  t.same((await caller.post(`/t/${tenant_id}/access/v1/evaluation`, me)).body, { decision: true })
  t.same((await caller.post(`/t/${tenant_id}/access/v1/search/action`, me)).body.results, [{ name: 'read' }])
  t.equal((await caller.post(`/t/${tenant_id}/access/v1/search/subject`, me)).status, 403)
  t.equal((await inTenant(caller, tenant_id, 'evaluation')).status, 403, 'about somebody else')
  const foreign = s.as((await s.anApiKey({ tenant_id: other.id })).secret)
  for (const path of Object.values(ENDPOINTS)) {
    for (const id of [tenant_id, randomUUID()]) {
      const { status, body } = await inTenant(foreign, id, path)
      t.same([status, body.code], [404, 'tenant.not_found'], path)
    }
  }
})
