// What the catalogue demands of a login (RFC 9470): the cases three ways, who may tell of a login, and every other way to a
// decision.
import { readFileSync } from 'node:fs'
import { BUILT_IN_ROLES, createVerifier, type Facts } from '@tenantry/client'
import t from 'tap'
import { parse } from 'yaml'
import { conditionsOf, decideUnder } from '../../src/authorization/conditions.ts'
import { aService, type Caller, made } from '../support/service.ts'

interface Cases {
  demands: { key: string; acr?: string; max_age?: number }[]
  cases: {
    name: string
    role: string
    ask: string
    told: { acr?: string; ago?: number }
    expect: { code: string; offline: string }
  }[]
}

const { demands, cases }: Cases = parse(readFileSync(new URL('../cases/step-up.yaml', import.meta.url), 'utf8'))
const s = await aService(t)
await s.root.put('/permissions', { permissions: demands })
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const API = 'https://api.acme.example'
const seconds = () => Math.floor(s.now.getTime() / 1_000)
const members = Object.fromEntries(
  await Promise.all(
    ['owner', 'member', 'viewer'].map(
      async (role) => [role, await s.aMembership(tenant_id, { roles: [role] })] as const,
    ),
  ),
)
const userOf = (role: string): string => members[role]?.user_id ?? ''
const pdp = s.as(
  (await s.anApiKey({ tenant_id, permissions: ['tenantry.access:check', 'tenantry.membership:read'] })).secret,
)

const asked = (user_id: string, permission: string, context: object = {}) => {
  const [type, name] = permission.split(':')
  return { subject: { type: 'user', id: user_id }, action: { name }, resource: { type, id: 'inv_1' }, context }
}
const codeOf = async (by: Caller, question: object): Promise<string> =>
  made(await by.post('/access/v1/evaluation', question)).context.reason.code
const contextOf = ({ acr = null, ago }: { acr?: string | null; ago?: number }) => ({
  ...{ explain: true, acr },
  auth_time: ago === undefined ? null : seconds() - ago,
})

const conditions = conditionsOf({
  policies: null,
  step_up: demands.slice(1).map(({ key, acr = null, max_age = null }) => ({ key, acr, max_age })),
})
const factsOf = (role: string): Facts => {
  const { permissions, excludes } = BUILT_IN_ROLES.find(({ key }) => key === role) ?? { permissions: [], excludes: [] }
  const grants = [{ role, permissions, excludes }]
  const subject = { kind: 'membership', id: 'm', status: 'active', expires_at: null, grants } as const
  return { tenant: { id: tenant_id, status: 'active' }, subject }
}
const verifier = createVerifier({
  ...{ issuer: s.issuer, audience: API, clock: () => s.now },
  keys: async (kid) =>
    (await s.stranger.get('/.well-known/jwks.json')).body.keys.find((key: { kid: string }) => key.kid === kid),
})

t.test('the cases: pure, over HTTP, and what a token answers', async (t) => {
  const principals = new Map<string, Awaited<ReturnType<typeof verifier.verify>>>()
  for (const role of Object.keys(members))
    principals.set(role, await verifier.verify(await s.aToken(tenant_id, userOf(role), { audience: API })))
  for (const { name, role, ask, told, expect } of cases) {
    const { acr, ago } = told
    const authentication = { acr, auth_time: ago === undefined ? undefined : seconds() - ago }
    const question = { tenant_id, permission: ask }
    const pure = decideUnder({ facts: factsOf(role), conditions, judging: null }, question, { authentication }, s.now)
    t.equal(pure.reason.code, expect.code, `${name}: pure`)
    t.equal(await codeOf(pdp, asked(userOf(role), ask, contextOf(told))), expect.code, `${name}: HTTP`)
    t.equal(principals.get(role)?.answerTo(ask), expect.offline, `${name}: offline`)
  }
})

t.test('a deny says what the login lacks, asked to explain or not', async (t) => {
  const question = asked(userOf('owner'), 'invoice:void')
  const reason = { code: 'step_up_required', permission: 'invoice:void', acr: 'urn:mfa', max_age: 60 }
  t.same((await pdp.post('/access/v1/evaluation', question)).body, { decision: false, context: { reason } })
  const { context } = (await pdp.post('/access/v1/evaluation', { ...question, context: { explain: true } })).body
  t.same([context.reason, Object.keys(context.revisions).length], [reason, 2])
  t.same((await pdp.post('/access/v1/evaluation', asked(userOf('viewer'), 'invoice:void'))).body, { decision: false })
})

t.test('a user’s token says by its claims how its user logged in; a context beside it says nothing', async (t) => {
  const login = { ...contextOf({ acr: 'urn:mfa', ago: 1 }) }
  const plain = s.as(await s.aToken(tenant_id, userOf('owner')))
  const strong = s.as(await s.aToken(tenant_id, userOf('owner'), { acr: 'urn:mfa', auth_time: seconds() - 10 }))
  const own = (context: object) => asked(userOf('owner'), 'invoice:void', { explain: true, ...context })
  t.equal(await codeOf(plain, own(login)), 'step_up_required')
  t.equal(await codeOf(strong, own({})), 'role_grants')
  t.equal(await codeOf(strong, own({ acr: 'urn:none', auth_time: 1 })), 'role_grants', 'nor does it take anything away')
  const { evaluations } = made(await plain.post('/access/v1/evaluations', { ...own(login), evaluations: [{}] }))
  t.match(evaluations, [{ decision: false, context: { reason: { code: 'step_up_required' } } }])
  const other = asked(userOf('member'), 'invoice:write', login)
  t.equal(await codeOf(strong, other), 'step_up_required', 'of somebody else’s login a user’s token knows nothing')
  s.advance(51)
  t.equal(await codeOf(strong, own({})), 'step_up_required', 'a login grows old while its token lives')
})

t.test('a context that is malformed is refused, and only in its own item', async (t) => {
  const good = contextOf({ acr: 'urn:mfa', ago: 1 })
  for (const bad of [{ auth_time: `${seconds()}` }, { auth_time: [1] }, { acr: 1 }, { acr: ['urn:mfa'] }]) {
    const context = { ...good, ...bad }
    t.equal((await pdp.post('/access/v1/evaluation', asked(userOf('owner'), 'invoice:void', context))).status, 400)
    const items = { ...asked(userOf('owner'), 'invoice:void', good), evaluations: [{ context }, {}] }
    const { evaluations } = made(await pdp.post('/access/v1/evaluations', items))
    t.match(evaluations, [{ decision: false, context: { error: { status: 400 } } }, { decision: true }])
  }
  for (const auth_time of [-1, 0, 1e308, seconds() * 1_000])
    t.equal(await codeOf(pdp, asked(userOf('owner'), 'invoice:void', { ...good, auth_time })), 'step_up_required')
})

t.test('a machine does not log in: what demands a login is nothing for it, whatever is told', async (t) => {
  const { id, secret } = await s.anApiKey({ tenant_id, permissions: ['invoice:*'] })
  const of = (permission: string) => ({
    ...asked('', permission, contextOf({ acr: 'urn:mfa', ago: 0 })),
    subject: { type: 'api_key', id },
  })
  t.equal(await codeOf(pdp, of('invoice:read')), 'key_grants')
  t.equal(await codeOf(pdp, of('invoice:void')), 'step_up_required')
  const form = { grant_type: 'client_credentials', audience: API }
  const { access_token } = made(await s.as(secret).form('/oauth/token', form))
  const principal = await verifier.verify(access_token)
  t.same([principal.answerTo('invoice:read'), principal.holds('invoice:void')], ['yes', false])
  const gate = (permission: string) =>
    s.as(access_token).get(`/forward-auth?${new URLSearchParams({ audience: API, permission })}`)
  t.equal((await gate('invoice:read')).status, 200)
  t.match(await gate('invoice:void'), { status: 403, body: { code: 'permission.missing' } })
})

t.test('a search finds what its context evaluates to', async (t) => {
  const names = async (by: Caller, context: object): Promise<string[]> => {
    const { subject, resource } = asked(userOf('owner'), 'invoice:any')
    const { results } = made(await by.post('/access/v1/search/action', { subject, resource, context }))
    return results.map(({ name }: { name: string }) => name)
  }
  t.same(await names(pdp, {}), ['read'])
  t.same(await names(pdp, { acr: 'urn:mfa' }), ['approve', 'read'])
  const strong = s.as(await s.aToken(tenant_id, userOf('owner'), { acr: 'urn:mfa', auth_time: seconds() - 10 }))
  t.same(await names(strong, {}), ['approve', 'read', 'void', 'write'])
  const subjects = async (by: Caller, context: object): Promise<string[]> => {
    const search = {
      subject: { type: 'user' },
      action: { name: 'approve' },
      resource: { type: 'invoice', id: '1' },
      context,
    }
    const { results } = made(await by.post('/access/v1/search/subject', search))
    return results.map(({ id }: { id: string }) => id).sort()
  }
  t.same(await subjects(pdp, {}), [])
  t.same(await subjects(pdp, { acr: 'urn:mfa' }), [userOf('owner'), 'user_olga'].sort())
  t.same(await subjects(strong, { acr: 'urn:mfa' }), [userOf('owner')], 'of the others it knows nothing')
  made(await s.root.put(`/resources/invoice/1?tenant_id=${tenant_id}`, { properties: {} }))
  const resources = {
    subject: asked(userOf('owner'), 'a:b').subject,
    action: { name: 'approve' },
    resource: { type: 'invoice' },
  }
  const found = (context: object) => pdp.post('/access/v1/search/resource', { ...resources, context })
  t.same(made(await found({})).results, [])
  t.same(made(await found({ acr: 'urn:mfa' })).results, [{ type: 'invoice', id: '1' }])
})

t.test('a gateway is told what the login lacks, and only where that is all', async (t) => {
  const gate = (token: string, query: Record<string, string>) =>
    s.as(token).get(`/forward-auth?${new URLSearchParams({ audience: API, ...query })}`)
  const plain = await s.aToken(tenant_id, userOf('owner'), { audience: API })
  const answer = await gate(plain, { permission: 'invoice:void' })
  t.match(answer, { status: 401, body: { code: 'login.insufficient' } })
  const challenge = String(answer.headers['www-authenticate'])
  t.match(challenge, /^Bearer .*error="insufficient_user_authentication".*, acr_values="urn:mfa", max_age=60$/)
  t.match(await gate(plain, { permission: 'invoice:void', role: 'nobody' }), { status: 403 })
  t.match(await gate(await s.aToken(tenant_id, userOf('viewer'), { audience: API }), { permission: 'invoice:void' }), {
    status: 403,
  })
  const login = { acr: 'urn:mfa', auth_time: seconds() - 10 }
  const strong = await s.aToken(tenant_id, userOf('owner'), { audience: API, ...login })
  t.equal((await gate(strong, { permission: 'invoice:void' })).status, 200)
  const own = await s.aToken(tenant_id, userOf('owner'), login)
  const narrowed = made(await s.exchange(own, { tenant_id, audience: API, scope: 'invoice:read invoice:approve' }))
  t.equal((await gate(narrowed.access_token, { permission: 'invoice:approve' })).status, 200)
  t.match(
    await gate(narrowed.access_token, { permission: 'invoice:void' }),
    { status: 403 },
    'it was not made for this',
  )
  s.advance(60)
  t.equal((await gate(strong, { permission: 'invoice:void' })).status, 401)
})
