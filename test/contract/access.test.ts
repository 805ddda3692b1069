// Generated from openapi.yaml: who does not get through, at every operation there is.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { CATALOGUE } from '../../src/errors.ts'
import { type Answer, aService, type Caller } from '../support/service.ts'
import { assertDocumented, operations, type Request, requestOf, secured, send, type Values } from './contract.ts'

const s = await aService(t)

/** Everything that a tenant's API key can ever hold. */
const FULL = ['*', 'tenantry.*', 'tenantry.token:issue', 'tenantry.role:assign_any']

/** Read in a tenant's scope, and the same for all: no request of these can name a tenant. */
const SAME_FOR_ALL = ['getCatalogue']
/** AuthZEN has no "not found": in another tenant all is denied, and nothing is found. */
const MISMATCH = { decision: false, context: { reason: { code: 'tenant_mismatch' } } }
const NO_RESULTS = { results: [], page: { next_token: '' } }
const NOTHING_THERE: Record<string, object> = {
  evaluateAccess: MISMATCH,
  evaluateBatch: { evaluations: [MISMATCH, MISMATCH] },
  searchSubjects: NO_RESULTS,
  searchResources: NO_RESULTS,
  searchActions: NO_RESULTS,
}

const ofTenants = operations.filter(
  ({ scope, operation_id }) => scope === 'tenant' && !SAME_FOR_ALL.includes(operation_id),
)

const { id: role_set_id } = (await s.root.post('/role-sets', { key: 'some', name: 'Some', roles: ['member'] })).body

/** A tenant with something of every kind in it, and its mightiest credentials. */
const aFullTenant = async (): Promise<{ values: Values; owner: Caller; key: Caller }> => {
  const tenant = await s.aTenant()
  const { membership, caller } = await s.aMember(tenant.id, 'owner')
  const victim = await s.aMembership(tenant.id, { email: `${tenant.slug}@example.com` })
  const key = await s.anApiKey({ tenant_id: tenant.id, permissions: FULL })
  await s.root.put(`/resources/project/${tenant.id}?tenant_id=${tenant.id}`, { properties: {} })
  const values = {
    tenant_id: tenant.id,
    membership_id: victim.id,
    group_id: (await s.aGroup(tenant.id)).id,
    grant_id: (await s.aGrant(tenant.id, { membership_id: victim.id })).id,
    resource_type: 'project',
    resource_id: tenant.id,
    role_id: (await s.aRole({ tenant_id: tenant.id })).id,
    role_set_id,
    api_key_id: key.id,
    policy_id: (await s.aPolicy({ tenant_id: tenant.id, enabled: false })).id,
    issuer_id: (await s.anIssuer({ tenant_id: tenant.id })).id,
    user_id: membership.user_id,
  }
  return { values, owner: caller, key: s.as(key.secret) }
}

const isProblem = (answer: Answer, status: number, ...codes: string[]): boolean =>
  answer.status === status && codes.includes(answer.body.code) && Object.hasOwn(CATALOGUE, answer.body.code)

t.test('without a valid credential every secured operation answers 401, however broken the request is', async (t) => {
  const values = (await aFullTenant()).values
  const credentials: [string, Record<string, string>][] = [
    ['no credential', {}],
    ['a credential that is nothing', { authorization: 'Bearer nothing' }],
    ['a token that is none', { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' }],
    ['a mistyped API key', { authorization: `Bearer tnt_${'a'.repeat(49)}` }],
    ['another scheme', { authorization: `Basic ${Buffer.from(`root:${s.root_api_key}`).toString('base64')}` }],
    ['the scheme alone', { authorization: 'Bearer' }],
  ]
  const json = { 'content-type': 'application/json' }
  const broken = (request: Request): [string, Request, Record<string, string>][] => [
    ['malformed JSON', { ...request, body: '{"' }, json],
    ['no JSON', { ...request, body: 'hello' }, { 'content-type': 'text/plain' }],
    ['a body above the limit', { ...request, body: JSON.stringify('x'.repeat(70_000)) }, json],
    [
      'an unknown query parameter',
      { ...request, url: `${request.url}${request.url.includes('?') ? '&' : '?'}a=b` },
      {},
    ],
    ['no id', requestOfNothing(request), {}],
  ]
  const before = await s.dump()
  for (const operation of secured) {
    const request = requestOf(operation, values)
    const tries = [
      ...credentials.map(([name, headers]) => [name, request, headers] as const),
      ...broken(request).map(([name, worse, headers]) => [name, worse, headers] as const),
    ]
    for (const [name, tried, headers] of tries) {
      const answer = await send(s.stranger, tried, headers)
      const ok = isProblem(answer, 401, 'credential.missing', 'credential.invalid', 'token.invalid')
      if (!ok || !answer.headers['www-authenticate']) t.fail(`${operation.operation_id}, ${name}: ${answer.text}`)
    }
  }
  t.equal(await s.dump(), before)
})

const requestOfNothing = (request: Request): Request => ({
  ...request,
  url: request.url.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'none'),
})

t.test('every way to a secured operation but GET is closed to strangers too', async (t) => {
  const values = (await aFullTenant()).values
  for (const operation of secured.filter(({ method }) => method === 'GET')) {
    const { url } = requestOf(operation, values)
    t.equal((await s.stranger.call('HEAD', url)).status, 401, url)
  }
})

t.test('another tenant is not there: no credential of a tenant reads, changes or names anything of it', async (t) => {
  const victim = await aFullTenant()
  const intruder = await aFullTenant()
  const before = await s.dump(victim.values.tenant_id)
  const revision = await s.revisionOf(victim.values.tenant_id as string)
  for (const operation of ofTenants) {
    for (const credential of ['owner', 'key'] as const) {
      const request = requestOf(operation, victim.values)
      const namesVictim = Object.values(victim.values).some((value) => JSON.stringify(request).includes(value))
      if (!namesVictim) t.fail(`${operation.operation_id} names nothing of a tenant: teach this suite how it does`)
      const answer = await send(intruder[credential], request)
      const where = `${operation.operation_id} with another tenant's ${credential}`
      const nothing = NOTHING_THERE[operation.operation_id]
      if (nothing) {
        t.match(answer, { status: 200, body: nothing }, where)
      } else {
        t.equal(answer.status, 404, `${where}: ${answer.text}`)
        t.notMatch(answer.text, new RegExp(`${victim.values.tenant_id}|${victim.values.membership_id}`), where)
        t.equal(answer.headers['tenantry-revision'], undefined)
      }
      assertDocumented(operation, answer)
    }
  }
  t.equal(await s.revisionOf(victim.values.tenant_id as string), revision)
  t.equal(await s.dump(victim.values.tenant_id), before)
})

t.test("what is another tenant's and what is nowhere are answered alike", async (t) => {
  const victim = await aFullTenant()
  const intruder = await aFullTenant()
  const nowhere = {
    ...Object.fromEntries(Object.keys(victim.values).map((name) => [name, randomUUID()])),
    resource_type: 'project',
  }
  for (const operation of ofTenants) {
    for (const credential of ['owner', 'key'] as const) {
      const there = await send(intruder[credential], requestOf(operation, victim.values))
      const missing = await send(intruder[credential], requestOf(operation, nowhere))
      t.equal(missing.status, there.status, `${operation.operation_id} with a ${credential}`)
      t.same({ ...missing.body, request_id: '' }, { ...there.body, request_id: '' })
    }
  }
})

t.test('a pair of ids of which only one is the own tenant’s leads nowhere', async (t) => {
  const victim = await aFullTenant()
  const intruder = await aFullTenant()
  const before = await s.dump(victim.values.tenant_id)
  const mixed = { ...victim.values, tenant_id: intruder.values.tenant_id as string }
  // Ids of resources are the product's own: each tenant may have one of any name.
  const ofIds = ofTenants.filter(
    ({ url, operation_id }) => /:(?!tenant_id)/.test(url) && operation_id !== 'putResource',
  )
  for (const operation of ofIds) {
    const answer = await send(intruder.owner, requestOf(operation, mixed))
    t.equal(answer.status, 404, operation.operation_id)
  }
  t.equal(await s.dump(victim.values.tenant_id), before)
})

t.test('no credential of a tenant passes an operation of the platform, not even for its own tenant', async (t) => {
  const own = await aFullTenant()
  const other = await aFullTenant()
  const before = await s.dump()
  for (const operation of operations.filter(({ scope }) => scope === 'platform')) {
    for (const { values } of [own, other]) {
      for (const credential of ['owner', 'key'] as const) {
        const answer = await send(own[credential], requestOf(operation, values))
        t.ok(
          isProblem(answer, 403, 'scope.platform_only'),
          `${operation.operation_id} with a ${credential}: ${answer.text}`,
        )
        assertDocumented(operation, answer)
      }
    }
  }
  t.equal(await s.dump(), before)
})

t.test('every scope that an operation may have is tried above', async (t) => {
  t.same(
    // `client`: authenticated by its handler, and tried in test/oauth. `self`: about the caller alone, in test/me.
    operations.filter(({ scope }) => !['public', 'client', 'self', 'tenant', 'platform'].includes(scope)),
    [],
    'teach this suite the scope',
  )
})
