// Every status that the contract documents has a case, made from the contract or listed below; an answer that the
// contract does not document fails, and so does a documented status that nobody can provoke. Then the contract as a
// document: its examples, its copy over HTTP, the reference for people, and a page for every problem.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import t from 'tap'
import { CATALOGUE } from '../../src/errors.ts'
import type { Operation } from '../../src/http/contract.ts'
import { compileValidator, dereference } from '../../src/http/schemas.ts'
import { type Answer, aService, type Caller } from '../support/service.ts'
import {
  assertDocumented,
  contract,
  faultsOf,
  operation,
  operations,
  requestOf,
  responsesOf,
  send,
  type Values,
} from './contract.ts'

const s = await aService(t, { audiences: ['https://invoices.example', 'https://api.example.com'] })
const powerless = s.as((await s.anApiKey({ permissions: ['nothing:nothing'] })).secret)
const root_key_id = (await s.root.get('/api-keys')).body.data[0].id

const resourceOf = ({ tenant_id, resource_type = '', resource_id = '' }: Values): string =>
  `/resources/${resource_type}/${encodeURIComponent(resource_id)}?tenant_id=${tenant_id}`

let sets = 0
const aRoleSet = async (): Promise<string> =>
  (await s.root.post('/role-sets', { key: `set-${++sets}`, name: 'A set', roles: ['member'] })).body.id
const role_set_id = await aRoleSet()

/** A tenant with an owner, a member, a key and a role of its own: nothing that a case changes is used by another. */
const aPlace = async (): Promise<Values> => {
  const tenant = await s.aTenant({ owner: { user_id: 'user_olga' } })
  const owner = (await s.root.get(`/memberships?tenant_id=${tenant.id}`)).body.data[0]
  const member = await s.aMembership(tenant.id, { user_id: 'user_mia' })
  const key = await s.anApiKey({ tenant_id: tenant.id })
  const group = await s.aGroup(tenant.id)
  const place = { tenant_id: tenant.id, resource_type: 'project', resource_id: 'a/b c' }
  await s.root.put(resourceOf(place), { properties: {} })
  return {
    ...place,
    membership_id: member.id,
    group_id: group.id,
    grant_id: (await s.aGrant(tenant.id, { membership_id: member.id })).id,
    owner_id: owner.id,
    role_id: (await s.aRole({ tenant_id: tenant.id, key: 'auditor' })).id,
    role_set_id,
    api_key_id: key.id,
    policy_id: (await s.aPolicy({ tenant_id: tenant.id, key: 'careful' })).id,
    issuer_id: (await s.anIssuer({ tenant_id: tenant.id })).id,
    code: 'internal',
  }
}

const AN_ISSUER = { issuer: 'https://twice.example', audiences: ['my-application'] }

const A_ROLE = { key: 'late', name: 'Late', permissions: ['invoice:read'] }

const A_POLICY = { key: 'late', text: 'forbid (principal, action == Action::"invoice:read", resource) when { false };' }

const A_GRANT = { role: 'viewer', resource: { type: 'project', id: '42' } }

const memberOf = ({ group_id, membership_id }: Values): string => `/groups/${group_id}/members/${membership_id}`

type Case = (place: Values) => Promise<Answer>

const scheduleDeletion = ({ tenant_id }: Values): Promise<Answer> => s.root.delete(`/tenants/${tenant_id}`)
const onItsWayOut =
  (act: Case): Case =>
  async (place) => {
    await scheduleDeletion(place)
    return act(place)
  }

/** What no generic case provokes: `<operation> <status>`. */
const CASES: Record<string, Case> = {
  'createTenant 409': async ({ tenant_id }) => {
    const { slug } = (await s.root.get(`/tenants/${tenant_id}`)).body
    return s.root.post('/tenants', { name: 'Again', slug })
  },
  'createTenant 422': () => s.root.post('/tenants', { name: 'Web', slug: 'www' }),
  'updateTenant 409': onItsWayOut(({ tenant_id }) => s.root.patch(`/tenants/${tenant_id}`, { name: 'Late' })),
  'updateTenant 422': ({ tenant_id }) => s.root.patch(`/tenants/${tenant_id}`, { slug: 'admin' }),
  'deleteTenant 409': async ({ tenant_id }) => {
    await s.test_database.superuser(`update tenantry.tenants set status = 'archived' where id = $1`, [tenant_id])
    return s.root.delete(`/tenants/${tenant_id}`)
  },
  'suspendTenant 409': onItsWayOut(({ tenant_id }) => s.root.post(`/tenants/${tenant_id}/suspend`)),
  'reactivateTenant 409': onItsWayOut(({ tenant_id }) => s.root.post(`/tenants/${tenant_id}/reactivate`)),
  'restoreTenant 200': onItsWayOut(({ tenant_id }) => s.root.post(`/tenants/${tenant_id}/restore`)),
  'restoreTenant 409': async ({ tenant_id }) => {
    await s.root.post(`/tenants/${tenant_id}/suspend`)
    return s.root.post(`/tenants/${tenant_id}/restore`)
  },
  'createMembership 409': ({ tenant_id }) => s.root.post('/memberships', { tenant_id, user_id: 'user_mia' }),
  'createMembership 422': ({ tenant_id }) => s.root.post('/memberships', { tenant_id, user_id: 'u', roles: ['king'] }),
  'createMembership 200': ({ tenant_id }) =>
    s.root.post('/memberships?dry_run=true', { tenant_id, user_id: 'user_new' }),
  'updateMembership 409': ({ owner_id }) => s.root.patch(`/memberships/${owner_id}`, { roles: ['admin'] }),
  'updateMembership 422': ({ membership_id }) => s.root.patch(`/memberships/${membership_id}`, { roles: ['king'] }),
  'deleteMembership 200': ({ membership_id }) => s.root.delete(`/memberships/${membership_id}?dry_run=true`),
  'deleteMembership 409': ({ owner_id }) => s.root.delete(`/memberships/${owner_id}`),
  'suspendMembership 409': ({ owner_id }) => s.root.post(`/memberships/${owner_id}/suspend`),
  'reactivateMembership 409': onItsWayOut(({ membership_id }) =>
    s.root.post(`/memberships/${membership_id}/reactivate`),
  ),
  'signOutMembership 409': onItsWayOut(({ membership_id }) => s.root.post(`/memberships/${membership_id}/sign-out`)),
  'createGroup 409': async ({ tenant_id, group_id }) => {
    const { name } = (await s.root.get(`/groups/${group_id}`)).body
    return s.root.post('/groups', { tenant_id, name })
  },
  'createGroup 422': ({ tenant_id }) => s.root.post('/groups', { tenant_id, name: 'Kings', roles: ['king'] }),
  'updateGroup 409': onItsWayOut(({ group_id }) => s.root.patch(`/groups/${group_id}`, { name: 'Late' })),
  'updateGroup 422': ({ group_id }) => s.root.patch(`/groups/${group_id}`, { roles: ['king'] }),
  'deleteGroup 409': onItsWayOut(({ group_id }) => s.root.delete(`/groups/${group_id}`)),
  'addGroupMember 200': (place) => s.root.put(`${memberOf(place)}?dry_run=true`),
  'addGroupMember 409': onItsWayOut((place) => s.root.put(memberOf(place))),
  'removeGroupMember 200': (place) => s.root.delete(`${memberOf(place)}?dry_run=true`),
  'removeGroupMember 409': onItsWayOut((place) => s.root.delete(memberOf(place))),
  'createGrant 201': ({ tenant_id, group_id }) => s.root.post('/grants', { ...A_GRANT, tenant_id, group_id }),
  'createGrant 409': ({ tenant_id, membership_id }) =>
    s.root.post('/grants', { ...A_GRANT, role: 'member', tenant_id, membership_id }),
  'createGrant 422': ({ tenant_id, group_id }) =>
    s.root.post('/grants', { ...A_GRANT, role: 'king', tenant_id, group_id }),
  'updateGrant 409': onItsWayOut(({ grant_id }) => s.root.patch(`/grants/${grant_id}`, { expires_at: s.instant(60) })),
  'updateGrant 422': ({ grant_id }) => s.root.patch(`/grants/${grant_id}`, { expires_at: s.instant(-60) }),
  'deleteGrant 409': onItsWayOut(({ grant_id }) => s.root.delete(`/grants/${grant_id}`)),
  'putResource 201': (place) => s.root.put(resourceOf({ ...place, resource_id: 'new' }), { properties: {} }),
  'putResource 409': onItsWayOut((place) => s.root.put(resourceOf(place), { properties: {} })),
  'deleteResource 409': onItsWayOut((place) => s.root.delete(resourceOf(place))),
  'createRole 409': ({ tenant_id }) => s.root.post('/roles', { ...A_ROLE, tenant_id, key: 'auditor' }),
  'createRole 422': ({ tenant_id }) => s.root.post('/roles', { ...A_ROLE, tenant_id, permissions: ['invoice'] }),
  'updateRole 409': onItsWayOut(({ role_id }) => s.root.patch(`/roles/${role_id}`, { name: 'Late' })),
  'updateRole 422': ({ role_id }) => s.root.patch(`/roles/${role_id}`, { permissions: ['invoice'] }),
  'deleteRole 200': ({ role_id }) => s.root.delete(`/roles/${role_id}?dry_run=true`),
  'deleteRole 409': async ({ membership_id, role_id }) => {
    await s.root.patch(`/memberships/${membership_id}`, { roles: ['auditor'] })
    return s.root.delete(`/roles/${role_id}`)
  },
  'deleteRole 422': ({ role_id }) => s.root.delete(`/roles/${role_id}?remap_to=king`),
  'createRoleSet 409': () => s.root.post('/role-sets', { key: 'set-1', name: 'Again', roles: [] }),
  'createRoleSet 422': () => s.root.post('/role-sets', { key: 'odd', name: 'Odd', roles: ['king'] }),
  'updateRoleSet 422': () => s.root.patch(`/role-sets/${role_set_id}`, { roles: ['king'] }),
  'deleteRoleSet 204': async () => s.root.delete(`/role-sets/${await aRoleSet()}`),
  'deleteRoleSet 409': async () => {
    await s.aTenant({ role_set: 'set-1' })
    return s.root.delete(`/role-sets/${role_set_id}`)
  },
  'createPolicy 409': ({ tenant_id }) => s.root.post('/policies', { ...A_POLICY, tenant_id, key: 'careful' }),
  'createPolicy 422': ({ tenant_id }) => s.root.post('/policies', { ...A_POLICY, tenant_id, text: 'permit' }),
  'updatePolicy 409': onItsWayOut(({ policy_id }) => s.root.patch(`/policies/${policy_id}`, { enabled: false })),
  'updatePolicy 422': ({ policy_id }) => s.root.patch(`/policies/${policy_id}`, { text: 'permit' }),
  'deletePolicy 409': onItsWayOut(({ policy_id }) => s.root.delete(`/policies/${policy_id}`)),
  'replaceCatalogue 412': () => s.root.put('/permissions', { permissions: [] }, { 'if-match': '"77"' }),
  'replaceCatalogue 422': () => s.root.put('/permissions', { permissions: [{ key: 'tenantry.tenant:read' }] }),
  'createIssuer 409': async ({ tenant_id }) => {
    await s.root.post('/issuers', { ...AN_ISSUER, tenant_id })
    return s.root.post('/issuers', { ...AN_ISSUER, tenant_id })
  },
  'createIssuer 422': () => s.root.post('/issuers', { ...AN_ISSUER, issuer: 'https://127.0.0.1' }),
  'updateIssuer 409': onItsWayOut(({ issuer_id }) => s.root.patch(`/issuers/${issuer_id}`, { audiences: ['late'] })),
  'updateIssuer 422': ({ issuer_id }) => s.root.patch(`/issuers/${issuer_id}`, { jwks_uri: 'https://10.0.0.1/jwks' }),
  'deleteIssuer 409': onItsWayOut(({ issuer_id }) => s.root.delete(`/issuers/${issuer_id}`)),
  'createApiKey 409': onItsWayOut(({ tenant_id }) =>
    s.root.post('/api-keys', { tenant_id, name: 'late', permissions: ['invoice:read'] }),
  ),
  'createApiKey 422': () => s.root.post('/api-keys', { name: 'odd', permissions: ['invoice'] }),
  'deleteApiKey 409': () => s.root.delete(`/api-keys/${root_key_id}`),
  'issueToken 200': ({ tenant_id }) => s.root.post('/tokens', { tenant_id, user_id: 'user_mia' }),
  'issueToken 409': async ({ tenant_id, membership_id }) => {
    await s.root.post(`/memberships/${membership_id}/suspend`)
    return s.root.post('/tokens', { tenant_id, user_id: 'user_mia' })
  },
  'issueToken 422': ({ tenant_id }) =>
    s.root.post('/tokens', { tenant_id, user_id: 'user_mia', audience: 'https://elsewhere.example' }),
  'getRoleCatalogue 304': async ({ tenant_id }) => {
    const { headers } = await s.root.get(`/roles/catalogue?tenant_id=${tenant_id}`)
    return s.root.get(`/roles/catalogue?tenant_id=${tenant_id}`, { 'if-none-match': String(headers.etag) })
  },
  'listMyMemberships 200': async ({ tenant_id = '' }) =>
    s.as(await s.aToken(tenant_id, 'user_mia')).get('/me/memberships'),
  'authorizeRequest 200': async ({ tenant_id }) =>
    s.as(await s.aToken(tenant_id as string, 'user_mia')).get(`/forward-auth?tenant_id=${tenant_id}`),
  'authorizeRequest 403': async ({ tenant_id }) =>
    s.as(await s.aToken(tenant_id as string, 'user_mia')).get('/forward-auth?permission=billing:write'),
  'getRevocations 304': async () => {
    const { headers } = await s.root.get('/revocations')
    return s.root.get('/revocations', { 'if-none-match': String(headers.etag) })
  },
  'streamRevocations 200': async () => {
    const { statusCode, headers, stream } = await s.service.app.fastify.inject({
      ...{ method: 'GET', url: '/revocations/stream', payloadAsStream: true },
      headers: { authorization: `Bearer ${s.root_api_key}` },
    })
    const { value } = await stream()[Symbol.asyncIterator]().next()
    return { status: statusCode, headers, text: String(value), body: undefined }
  },
  'getReadiness 503': async () => {
    s.service.lifecycle.draining = true
    const answer = await s.root.get('/readyz')
    s.service.lifecycle.draining = false
    return answer
  },
  'getErrorPage 404': () => s.stranger.get('/errors/no.such.code'),
}

/** To the platform a tenant that is not there is a deny; to another tenant's credential no PDP of it is there. */
const OF_ANOTHER = s.as((await s.anApiKey({ tenant_id: (await s.aTenant()).id })).secret)
for (const { operation_id } of operations.filter((each) => each.url.startsWith('/t/'))) {
  CASES[`${operation_id} 404`] = (place) => send(OF_ANOTHER, requestOf(operation(operation_id), place))
}

const nowhere = (place: Values): Values =>
  Object.fromEntries(
    Object.keys(place).map((name) => [name, { code: 'none', resource_type: 'nothing' }[name] ?? randomUUID()]),
  )

const withCaller =
  (operation: Operation, caller: Caller, headers?: Record<string, string>): Case =>
  (place) =>
    send(caller, requestOf(operation, place), headers)

/** What the contract itself tells how to provoke. */
const GENERIC: Record<string, (operation: Operation) => Case | undefined> = {
  200: (operation) => withCaller(operation, s.root),
  201: (operation) => withCaller(operation, s.root),
  202: (operation) => withCaller(operation, s.root),
  204: (operation) => withCaller(operation, s.root),
  400: (operation) => (place) => {
    const request = requestOf(operation, place)
    return send(s.root, {
      ...request,
      url: `${request.url}${request.url.includes('?') ? '&' : '?'}no_such_parameter=1`,
    })
  },
  401: (operation) => withCaller(operation, s.stranger),
  403: (operation) => withCaller(operation, powerless),
  404: (operation) => (place) => send(s.root, requestOf(operation, nowhere(place))),
  412: (operation) =>
    operation.headers.includes('if-match') ? withCaller(operation, s.root, { 'if-match': '"0"' }) : undefined,
}

/** For what changes nothing. */
const shared = await aPlace()
const placeFor = ({ operation_id, method }: Operation, status: string): Values | Promise<Values> => {
  const changes = CASES[`${operation_id} ${status}`] !== undefined || (status.startsWith('2') && method !== 'GET')
  return changes ? aPlace() : shared
}

for (const operation of operations) {
  const statuses = Object.keys(responsesOf(operation))
  t.test(`${operation.operation_id} answers ${statuses.join(', ')} as documented`, async (t) => {
    for (const status of statuses) {
      const provoke = CASES[`${operation.operation_id} ${status}`] ?? GENERIC[status]?.(operation)
      if (provoke === undefined) {
        t.fail(`${operation.operation_id} ${status}: add a case to this suite`)
        continue
      }
      const answer = await provoke(operation.public ? shared : await placeFor(operation, status))
      t.equal(String(answer.status), status, `${status}: ${answer.text.slice(0, 300)}`)
      t.doesNotThrow(() => assertDocumented(operation, answer))
    }
  })
}

t.test('no case is left over from an operation or a status that is gone', async (t) => {
  const documented = operations.flatMap((each) =>
    Object.keys(responsesOf(each)).map((status) => `${each.operation_id} ${status}`),
  )
  t.same(
    Object.keys(CASES).filter((name) => !documented.includes(name)),
    [],
  )
})

t.test('what is missing is named by the code', async (t) => {
  for (const [url, code] of [
    [`/tenants/${randomUUID()}`, 'tenant.not_found'],
    [`/memberships/${randomUUID()}`, 'membership.not_found'],
    [`/roles/${randomUUID()}`, 'role.not_found'],
    [`/role-sets/${randomUUID()}`, 'role_set.not_found'],
    [`/api-keys/${randomUUID()}`, 'api_key.not_found'],
    [`/memberships?tenant_id=${randomUUID()}`, 'tenant.not_found'],
    ['/errors/nothing', 'error.not_found'],
    ['/nothing', 'not_found'],
  ] as const) {
    t.match(await s.root.get(url), { status: 404, body: { code } }, url)
  }
})

// The contract as a document

type Json = { [key: string]: unknown }
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Every schema that carries examples, wherever it stands. */
const withExamples = (value: unknown, at: string): { at: string; schema: Json; examples: unknown[] }[] => {
  if (Array.isArray(value)) return value.flatMap((each, index) => withExamples(each, `${at}/${index}`))
  if (!isObject(value)) return []
  const own = Array.isArray(value.examples) ? [{ at, schema: value, examples: value.examples }] : []
  const inner = Object.entries(value).filter(([key]) => key !== 'examples')
  return [...own, ...inner.flatMap(([key, each]) => withExamples(each, `${at}/${key}`))]
}

t.test('every example of the contract is an example of its schema', async (t) => {
  const found = withExamples(contract, '#')
  t.ok(found.length > 20, `${found.length} examples`)
  for (const { at, schema, examples } of found) {
    const whole = dereference(contract, schema) as Json
    for (const example of examples) t.equal(faultsOf(whole, example), '', at)
  }
})

t.test('every schema of a request is closed, but where a standard wants it open', async (t) => {
  const open = operations
    .map(({ operation_id, schema }) => [operation_id, (schema as { body?: Json }).body] as const)
    .filter(([, body]) => body !== undefined && body.additionalProperties !== false)
    .map(([operation_id]) => operation_id)
  const access = ['evaluateAccess', 'evaluateBatch', 'searchSubjects', 'searchResources', 'searchActions']
  const byStandard = [
    'requestToken',
    'introspectToken',
    'revokeToken',
    ...access,
    ...access.map((id) => `${id}InTenant`),
  ]
  t.same(open, byStandard, 'OAuth and AuthZEN ignore what they do not know')
})

t.test(
  'every schema compiles: at a start none is, so one that does not would be found by the first who needs it',
  async (t) => {
    const buildSerializer = SerializerSelector()()
    for (const { operation_id, method, url, schema } of operations) {
      const { response, ...parts } = schema as {
        response: Record<string, { content: Record<string, { schema: Json }> }>
      }
      for (const [httpPart, part] of Object.entries(parts)) {
        const validate = compileValidator({ schema: part as Json, method: String(method), url, httpPart })
        t.doesNotThrow(() => validate(null), `${operation_id}: ${httpPart}`)
      }
      for (const [httpStatus, { content }] of Object.entries(response)) {
        const [answer] = Object.values(content)
        t.type(buildSerializer({ schema: answer?.schema, method: String(method), url, httpStatus }), 'function')
      }
    }
  },
)

t.test('what was built is the contract as it is in the file', async (t) => {
  t.same(JSON.parse(readFileSync(new URL('../../dist/openapi.json', import.meta.url), 'utf8')), contract)
})

t.test('the contract is served as it is in the file', async (t) => {
  const answer = await s.stranger.get('/openapi.json')
  t.equal(answer.status, 200)
  t.same(answer.body, contract)
})

t.test('the reference is served from here, and may load nothing from elsewhere', async (t) => {
  const page = await s.stranger.get('/docs')
  t.match(page.headers['content-type'], /^text\/html/)
  t.notMatch(page.text, /(?:https?:)?\/\/[a-z]/i, 'no address of another host')
  t.match(page.text, 'data-url="openapi.json"')
  t.match(page.text, '<script src="docs/reference.js">')
  const script = await s.stranger.get('/docs/reference.js')
  t.equal(script.status, 200, 'npm run build puts it there')
  t.match(script.headers['content-type'], /^text\/javascript/)
  t.ok(script.text.length > 100_000)
  for (const { headers } of [page, await s.stranger.get('/errors/internal')]) {
    const policy = String(headers['content-security-policy'])
    const sources = policy.split(';').flatMap((directive) => directive.trim().split(' ').slice(1))
    t.same(
      sources.filter((source) => !["'self'", "'none'", "'unsafe-inline'", 'data:', 'blob:'].includes(source)),
      [],
      policy,
    )
    t.match(policy, "default-src 'none'")
    t.match(policy, "frame-ancestors 'none'")
    t.equal(headers['x-content-type-options'], 'nosniff')
  }
})

t.test('the contract lists exactly the codes there are', async (t) => {
  const { components } = contract as {
    components: { schemas: { Problem: { properties: { code: { enum: string[] } } } } }
  }
  t.same(components.schemas.Problem.properties.code.enum, Object.keys(CATALOGUE))
})

t.test('every problem has a page at its address, which says the status and what to do', async (t) => {
  for (const [code, { status, title, advice }] of Object.entries(CATALOGUE)) {
    const page = await s.stranger.get(`/errors/${code}`)
    t.equal(page.status, 200, code)
    t.match(page.headers['content-type'], /^text\/html/)
    const text = page.text
      .replaceAll(/<\/?code>/g, '`')
      .replaceAll('&lt;', '<')
      .replaceAll('&amp;', '&')
    t.ok(text.includes(title) && text.includes(advice) && text.includes(`HTTP status ${status}`), code)
    t.notMatch(page.text, /<script|(?:https?:)?\/\/[a-z]/i)
  }
})

t.test('what is no code of a problem has no page, whatever it is', async (t) => {
  for (const code of ['nothing', '__proto__', 'constructor', 'toString', '%3Cscript%3E', '%00', '..%2Fdocs']) {
    t.match(await s.stranger.get(`/errors/${code}`), { status: 404, body: { code: 'error.not_found' } }, code)
  }
})

t.test('the type of a problem is the address of its page', async (t) => {
  const { body } = await s.stranger.get('/tenants')
  t.equal(body.type, `${s.issuer}/errors/credential.missing`)
  t.equal((await s.stranger.get(new URL(body.type).pathname)).status, 200)
})

t.test('public pages take query parameters of strangers, and nothing else changes', async (t) => {
  for (const url of ['/livez', '/readyz', '/.well-known/jwks.json', '/openapi.json', '/docs']) {
    t.equal((await s.stranger.get(`${url}?utm_source=x`)).status, 200, url)
  }
})
