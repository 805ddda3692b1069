// What a token says of grants: roles for a time as long as they last, and of single resources only that one must ask.
import { createVerifier, type Principal } from '@tenantry/client'
import t from 'tap'
import { askOf, coarser, coarsest } from '../../src/tokens/asking.ts'
import { aService, made } from '../support/service.ts'

const s = await aService(t)
const API = 'https://api.acme.example'
const { id: tenant_id } = await s.aTenant()
const { keys } = (await s.stranger.get('/.well-known/jwks.json')).body
const verifier = createVerifier({
  ...{ issuer: s.issuer, audience: API, clock: () => s.now },
  keys: (kid) => keys.find((key: { kid: string }) => key.kid === kid),
})
const verify = (token: string): Promise<Principal> => verifier.verify(token)
const tokenOf = (user_id: string): Promise<string> => s.aToken(tenant_id, user_id, { audience: API })
const principalOf = async (user_id: string): Promise<Principal> => verify(await tokenOf(user_id))
const aViewer = () => s.aMembership(tenant_id, { roles: ['viewer'] })

t.test('a grant on a resource is in the token as a question, without the id', async (t) => {
  const vera = await aViewer()
  t.equal((await principalOf(vera.user_id)).claims.ask, undefined)
  for (const id of ['a-secret-project', 'another']) {
    await s.aGrant(tenant_id, { membership_id: vera.id, resource: { type: 'project', id } })
  }
  const principal = await principalOf(vera.user_id)
  t.same(principal.ask, ['project:write'], 'reading is held anyway')
  t.notMatch(JSON.stringify(principal.claims), /secret/)
  t.same(principal.roles, ['viewer'])
  const answers = ['project:read', 'project:write', 'project:void', 'invoice:write'].map((each) =>
    principal.answerTo(each),
  )
  t.same(answers, ['yes', 'ask', 'no', 'no'])
  t.throws(() => principal.requirePermission('project:write'), { code: 'permission_undecided', status: 403 })
  t.throws(() => principal.requirePermission('invoice:write'), { code: 'permission_missing' })
})

t.test('a wildcard is kept within the type of the resource, and never reaches Tenantry’s own', async (t) => {
  const vera = await aViewer()
  await s.aGrant(tenant_id, { membership_id: vera.id, role: 'owner' })
  const principal = await principalOf(vera.user_id)
  t.same(principal.ask, ['project:*'])
  t.same([principal.answerTo('tenantry.membership:manage'), principal.answerTo('billing:read')], ['no', 'no'])
})

t.test('grants that are over, or begin after the token, are not worth a question', async (t) => {
  const vera = await aViewer()
  await s.aGrant(tenant_id, { membership_id: vera.id, not_before: s.instant(300) })
  await s.aGrant(tenant_id, { membership_id: vera.id, role: 'admin', expires_at: s.instant(60) })
  t.same((await principalOf(vera.user_id)).ask, ['project:*'])
  s.advance(60)
  t.same((await principalOf(vera.user_id)).ask, ['project:write'], 'the one begins within its life, the other is over')
})

t.test('a role for a time is in the token, which ends with it', async (t) => {
  const vera = await aViewer()
  await s.aGrant(tenant_id, { membership_id: vera.id, role: 'admin', resource: null, expires_at: s.instant(90.5) })
  const principal = await principalOf(vera.user_id)
  t.same(principal.roles, ['admin', 'viewer'])
  t.ok(principal.hasRole('admin') && principal.holds('invoice:delete'))
  t.equal(principal.claims.exp, Math.floor((s.now.getTime() + 90_500) / 1_000))
})

t.test('what is held for good as well does not end the token', async (t) => {
  const vera = await aViewer()
  await s.aGrant(tenant_id, { membership_id: vera.id, role: 'viewer', resource: null, expires_at: s.instant(60) })
  const { claims } = await principalOf(vera.user_id)
  t.same([claims.roles, claims.exp - claims.iat], [['viewer'], 300])
})

t.test('a role that has not begun is not carried, and neither is one that ends within the second', async (t) => {
  s.advance((1_000 - s.now.getMilliseconds()) / 1_000)
  const vera = await aViewer()
  await s.aGrant(tenant_id, { membership_id: vera.id, role: 'admin', resource: null, not_before: s.instant(100) })
  await s.aGrant(tenant_id, { membership_id: vera.id, role: 'member', resource: null, expires_at: s.instant(0.9) })
  const principal = await principalOf(vera.user_id)
  t.same([principal.roles, principal.claims.exp - principal.claims.iat], [['viewer'], 300])
  t.equal(principal.answerTo('invoice:write'), 'ask', 'for the rest of the second it is held')
  t.equal(principal.answerTo('tenantry.membership:manage'), 'ask', 'and in a while this is')
  s.advance(100)
  t.equal(principal.answerTo('tenantry.membership:manage'), 'ask')
  t.ok((await principalOf(vera.user_id)).holds('tenantry.membership:manage'))
})

t.test('an exchange can narrow a token to a question', async (t) => {
  const vera = await aViewer()
  await s.aGrant(tenant_id, { membership_id: vera.id })
  const own = await s.aToken(tenant_id, vera.user_id)
  const exchange = (scope: string) => s.exchange(own, { tenant_id, audience: API, scope })
  const { access_token, scope } = made(await exchange('project:write invoice:read'))
  t.equal(scope, 'invoice:read project:write')
  const principal = await verify(access_token)
  t.same([principal.roles, principal.ask], [[], ['project:write']])
  t.same(
    ['project:write', 'invoice:read', 'project:read'].map((each) => principal.answerTo(each)),
    ['ask', 'yes', 'no'],
  )
  t.equal((await exchange('project:void')).body.error, 'invalid_scope')
  const client = await s.anApiKey({ permissions: ['tenantry.token:issue'] })
  const basic = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`
  const told = await s.stranger.form('/oauth/introspect', { token: access_token }, { authorization: basic })
  t.match(told.body, { active: true, ask: ['project:write'] })
  const again = await s.exchange(access_token, { tenant_id, audience: API }, { authorization: basic })
  t.same((await verify(again.body.access_token)).ask, ['project:write'])
})

t.test('a role that is narrowed makes tokens stale that have it through a group or for a time', async (t) => {
  const role = await s.aRole({ tenant_id, permissions: ['invoice:read', 'invoice:pay'] })
  const [vera, mia] = [await aViewer(), await aViewer()]
  const group = await s.aGroup(tenant_id, { roles: [role.key] })
  await s.root.put(`/groups/${group.id}/members/${vera.id}`)
  const window = { resource: null, not_before: s.instant(0) }
  await s.aGrant(tenant_id, { membership_id: mia.id, role: role.key, ...window })
  const callers = [s.as(await s.aToken(tenant_id, vera.user_id)), s.as(await s.aToken(tenant_id, mia.user_id))]
  made(await s.root.patch(`/roles/${role.id}`, { permissions: ['invoice:read'] }))
  for (const caller of callers) t.equal((await caller.get('/memberships')).body.code, 'token.stale')
})

t.test('questions grow coarser before a token grows too long', async (t) => {
  t.same(coarser(['a:read', 'a:write', '*:read', '*', 'tenantry.role:read', 'tenantry.*']), [
    'a:*',
    '*:read',
    '*',
    'tenantry.*',
  ])
  t.same(coarsest(['a:read', '*:read', 'tenantry.role:read']), ['*', 'tenantry.*'])
  const life = { now: s.now, until: new Date(s.now.getTime() + 1_000) }
  const wide = { permissions: Array.from({ length: 101 }, (_, i) => `project:do-${i}`), excludes: [] }
  const onProjects = { ...wide, resource_type: 'project', not_before: null, expires_at: null }
  t.same(askOf([], [onProjects], [], life), ['project:*'])
  const vera = await aViewer()
  for (let i = 0; i < 60; i++) {
    const type = `a-resource-with-quite-a-long-name-of-which-there-are-many-${i}`
    await s.aGrant(tenant_id, { membership_id: vera.id, role: 'owner', resource: { type, id: '1' } })
  }
  const token = await tokenOf(vera.user_id)
  t.ok(token.length <= 4_096, `${token.length}`)
  const principal = await verify(token)
  t.same([principal.ask, principal.grants.length], [['*'], 1], 'the grants stay')
})
