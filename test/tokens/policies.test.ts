// What tokens say of what policies are about: they ask, and what they carry never says more than a check would.
import { createVerifier, type Principal } from '@tenantry/client'
import t from 'tap'
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
const principalOf = async (user_id: string) => verify(await s.aToken(tenant_id, user_id, { audience: API }))
const aPolicy = (text: string) => s.aPolicy({ tenant_id, text })
const remove = (...policies: { id: string }[]) =>
  Promise.all(policies.map(({ id }) => s.root.delete(`/policies/${id}`)))
const forbid = (action: string) => aPolicy(`forbid (principal, ${action}, resource) when { context.late };`)
const permit = (action: string) => aPolicy(`permit (principal, ${action}, resource) when { context.early };`)

const { user_id: owner } = await s.aMembership(tenant_id, { roles: ['owner'] })
const { user_id: member } = await s.aMembership(tenant_id, { roles: ['member'] })
const { user_id: viewer } = await s.aMembership(tenant_id, { roles: ['viewer'] })

t.test(
  'what may be forbidden is asked about by whoever holds it, and what may be permitted by whoever does not',
  async (t) => {
    const made_policies = [
      await forbid('action == Action::"invoice:write"'),
      await permit('action == Action::"invoice:sign"'),
    ]
    const answers = async (user_id: string) => {
      const principal = await principalOf(user_id)
      return ['invoice:write', 'invoice:sign', 'report:write', 'invoice:void'].map((each) => principal.answerTo(each))
    }
    t.same(await answers(owner), ['ask', 'yes', 'yes', 'yes'])
    t.same(await answers(member), ['ask', 'ask', 'yes', 'no'])
    t.same(await answers(viewer), ['no', 'ask', 'no', 'no'])
    await remove(...made_policies)
    t.same(await answers(owner), ['yes', 'yes', 'yes', 'yes'])
    t.equal((await principalOf(viewer)).claims.ask, undefined)
  },
)

t.test(
  'a policy about everything makes every answer of the product’s a question, and none of Tenantry’s own',
  async (t) => {
    const policies = [await forbid('action'), await permit('action')]
    const principal = await principalOf(owner)
    t.same(principal.ask, ['*'])
    t.equal(principal.answerTo('invoice:read'), 'ask')
    t.equal(principal.answerTo('tenantry.role:manage'), 'yes')
    await remove(...policies)
  },
)

t.test('many actions are told by their resources, and a token stays short', async (t) => {
  const policies = []
  for (let each = 0; each < 4; each++) {
    const actions = Array.from({ length: 50 }, (_, index) => `Action::"thing${each}:a${index}"`)
    policies.push(await forbid(`action in [${actions.join()}]`))
  }
  t.same((await principalOf(owner)).ask, ['thing0:*', 'thing1:*', 'thing2:*', 'thing3:*'])
  await remove(...policies)
})

t.test(
  'a forbid that comes, is enabled or reaches further makes older tokens stale; what else happens does not',
  async (t) => {
    const refused = async (token: string): Promise<boolean> =>
      (await s.as(token).get('/me/memberships')).body.code === 'token.stale'
    const after = async (change: () => Promise<unknown>): Promise<boolean> => {
      const token = await s.aToken(tenant_id, viewer)
      await change()
      return refused(token)
    }
    const put = (id: string, body: object) => () => s.root.patch(`/policies/${id}`, body).then(made)
    const text = (actions: string) => `forbid (principal, action in [${actions}], resource) when { context.late };`
    let policy = { id: '' }
    const create = async (input: object) => {
      policy = await s.aPolicy({ tenant_id, ...input })
    }
    t.equal(await after(() => create({ text: text('Action::"a:b"') })), true, 'a forbid')
    t.equal(await after(put(policy.id, { text: text('Action::"a:b", Action::"c:d"') })), true, 'that reaches further')
    t.equal(await after(put(policy.id, { text: text('Action::"a:b"') })), false, 'less far')
    t.equal(
      await after(put(policy.id, { text: text('Action::"a:b"').replace('late', 'early') })),
      false,
      'for another reason',
    )
    t.equal(await after(put(policy.id, { enabled: false })), false, 'no more')
    t.equal(await after(put(policy.id, { enabled: true })), true, 'again')
    t.equal(await after(() => remove(policy)), false, 'gone')
    t.equal(await after(() => create({ text: 'permit (principal, action, resource);' })), false, 'a permit')
    t.equal(await after(() => remove(policy)), false, 'that goes')
    const elsewhere = await s.aTenant()
    t.equal(await after(() => s.aPolicy({ tenant_id: elsewhere.id })), false, 'another tenant’s')
    const shared = await s.aPolicy({ enabled: false })
    t.equal(await after(put(shared.id, { enabled: true })), true, 'a shared one')
    await remove(shared)
  },
)

t.test('the signed catalogue of roles says what tokens do', async (t) => {
  const policy = await forbid('action == Action::"invoice:write"')
  const answer = await s.as(await s.aToken(tenant_id, owner)).get('/roles/catalogue')
  const { roles } = JSON.parse(Buffer.from(answer.text.split('.')[1] ?? '', 'base64url').toString())
  const { permissions, excludes } = roles.find(({ key }: { key: string }) => key === 'owner')
  const [carried] = (await principalOf(owner)).grants
  t.same({ permissions, excludes }, carried)
  t.same(excludes, ['invoice:write'])
  await remove(policy)
})

t.test('a machine’s token and a narrowed one ask as well, and reach no further than before', async (t) => {
  const policies = [await forbid('action == Action::"invoice:write"'), await permit('action == Action::"invoice:sign"')]
  const { id, secret } = await s.anApiKey({ tenant_id, permissions: ['invoice:write', 'invoice:read'] })
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
  const fields = { grant_type: 'client_credentials', audience: API }
  const machine = await verify(made(await s.stranger.form('/oauth/token', fields, { authorization })).access_token)
  const all = ['invoice:write', 'invoice:read', 'invoice:sign', 'invoice:void']
  t.same(
    all.map((each) => machine.answerTo(each)),
    ['ask', 'yes', 'ask', 'no'],
  )
  const own = await s.aToken(tenant_id, member)
  const narrowed = await s.exchange(own, { tenant_id, audience: API, scope: 'invoice:read invoice:sign' })
  const principal = await verify(made(narrowed).access_token)
  t.same(
    all.map((each) => principal.answerTo(each)),
    ['no', 'yes', 'ask', 'no'],
  )
  await remove(...policies)
})

t.test(
  'an owner goes on giving roles whatever policies and logins touch, and a narrowed token still does not',
  async (t) => {
    const policy = await forbid('action in [Action::"invoice:*"]')
    await s.root.put('/permissions', { permissions: [{ key: 'report:publish', acr: 'gold' }] })
    const token = await s.aToken(tenant_id, owner)
    const given = await s.as(token).post('/memberships', { user_id: 'user_new', roles: ['owner'] })
    t.equal(given.status, 201, given.text)
    const scope = 'tenantry.membership:manage invoice:read'
    const narrowed = made(await s.exchange(token, { tenant_id, audience: s.issuer, scope })).access_token
    const refused = await s.as(narrowed).post('/memberships', { user_id: 'user_newer', roles: ['viewer'] })
    t.match(refused, { status: 403, body: { code: 'role.exceeds_own' } })
    await s.root.put('/permissions', { permissions: [] })
    await remove(policy)
  },
)
