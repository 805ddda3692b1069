// The kit for users' tests: what it makes is judged by the verifier as everything is, and an application cannot tell.

import Fastify from 'fastify'
import t from 'tap'
import { getPrincipal, requirePermission, requireTenant, tenantry } from '../src/fastify.ts'
import { createVerifier, TenantryError, type Verifier } from '../src/index.ts'
import { createTestIssuer, OTHER_TENANT_ID, TEST_TENANT_ID } from '../src/testing.ts'
import { AUDIENCE, NOW } from './support/tokens.ts'

const clock = () => NOW

async function outcome(verifier: Verifier, token: string): Promise<string> {
  try {
    await verifier.verify(token)
    return 'accepted'
  } catch (error) {
    return error instanceof TenantryError ? (error.reason ?? error.code) : String(error)
  }
}

t.test('each ready-made token is judged as it is called', async (t) => {
  const { tokens, verifier } = createTestIssuer({ audience: AUDIENCE })
  t.teardown(() => verifier.close())
  t.equal(await outcome(verifier, tokens.valid()), 'accepted')
  t.equal(await outcome(verifier, tokens.expired()), 'expired')
  t.equal(await outcome(verifier, tokens.stale()), 'stale_token')
  t.equal(await outcome(verifier, tokens.wrongAudience()), 'audience')
  t.equal(await outcome(verifier, tokens.notYetValid()), 'not_yet_valid')
  const principal = await verifier.verify(tokens.wrongTenant())
  t.throws(() => principal.requireTenant(TEST_TENANT_ID), { code: 'tenant_mismatch' })
})

t.test('a stale token is one among others of the same user, whether anybody listens yet or not', async (t) => {
  const { tokens, verifier } = createTestIssuer({ audience: AUDIENCE, clock })
  t.teardown(() => verifier.close())
  const early = tokens.stale({ user_id: 'alice' })
  t.equal(await outcome(verifier, early), 'stale_token')
  for (let i = 0; i < 50; i++) {
    const before = tokens.valid({ user_id: 'alice' })
    const [stale, after] = [tokens.stale({ user_id: 'alice' }), tokens.valid({ user_id: 'alice' })]
    t.same(await Promise.all([before, stale, after].map((token) => outcome(verifier, token))), [
      ...['accepted', 'stale_token', 'accepted'],
    ])
  }
  const plain = createVerifier({
    ...createTestIssuer({ audience: AUDIENCE }).verifierOptions(),
    revocations: undefined,
  })
  t.equal(await outcome(plain, early), 'key', 'another issuer has another key')
})

t.test('a change of access makes stale what was minted before, and nothing else', async (t) => {
  const issuer = createTestIssuer({ audience: AUDIENCE, clock })
  t.teardown(() => issuer.verifier.close())
  const alice = issuer.mint({ user_id: 'alice' })
  const [bob, elsewhere] = [issuer.mint({ user_id: 'bob' }), issuer.mint({ user_id: 'alice', tenant_id: 't2' })]
  t.equal(await outcome(issuer.verifier, alice), 'accepted')
  issuer.revoke({ target: 'membership:membership_of_alice' })
  t.equal(await outcome(issuer.verifier, alice), 'stale_token')
  t.equal(await outcome(issuer.verifier, bob), 'accepted')
  t.equal(await outcome(issuer.verifier, elsewhere), 'accepted')
  t.equal(await outcome(issuer.verifier, issuer.mint({ user_id: 'alice' })), 'accepted')
  issuer.revoke({ tenant_id: 't2', target: 'tenant' })
  t.equal(await outcome(issuer.verifier, elsewhere), 'stale_token')
})

t.test('a minted token says what it was told to say', async (t) => {
  const { mint, verifier } = createTestIssuer({ audience: AUDIENCE, clock })
  t.teardown(() => verifier.close())
  const user = await verifier.verify(mint({ user_id: 'alice', roles: ['viewer'], tenant_slug: 'acme' }))
  t.match(user, { user_id: 'alice', tenant_id: TEST_TENANT_ID, tenant_slug: 'acme', roles: ['viewer'] })
  t.ok(user.holds('invoice:read'))
  t.notOk(user.holds('invoice:write'))
  const machine = await verifier.verify(
    mint({ api_key_id: 'k1', grants: [{ permissions: ['a:b'], excludes: [] }], tenant_id: OTHER_TENANT_ID }),
  )
  t.match(machine, { user_id: null, client_id: 'k1', tenant_id: OTHER_TENANT_ID, roles: [] })
  t.ok(machine.holds('a:b'))
  t.throws(() => mint({ roles: ['accountant'] }), { code: 'configuration', message: /accountant/ })
  const custom = await verifier.verify(mint({ roles: ['accountant'], grants: [{ permissions: ['*'], excludes: [] }] }))
  t.ok(custom.hasRole('accountant'))
  t.equal(await outcome(verifier, mint({ ttl_seconds: 0 })), 'expired')
})

t.test('an application under test refuses through its own adapter', async (t) => {
  const issuer = createTestIssuer({ audience: AUDIENCE, issuer: 'https://auth.example.com/' })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(tenantry, issuer.verifierOptions())
  const onRequest = [requireTenant(), requirePermission('invoice:read')]
  app.get('/tenants/:tenant_id/invoices', { onRequest }, async (request) => getPrincipal(request).user_id)
  const get = (token: string) =>
    app.inject({ url: `/tenants/${TEST_TENANT_ID}/invoices`, headers: { authorization: `Bearer ${token}` } })
  t.equal((await get(issuer.tokens.valid())).payload, 'user_test')
  const stale = await get(issuer.tokens.stale())
  t.equal(stale.headers['www-authenticate'], 'Bearer error="invalid_token", error_description="stale"')
  t.equal((await get(issuer.tokens.wrongTenant())).statusCode, 403)
  t.equal((await get(issuer.tokens.expired())).json().reason, 'expired')
  t.equal((await get(issuer.mint({ roles: [] }))).json().code, 'permission_missing')
  t.equal((await get(issuer.mint({ roles: [], ask: ['invoice:*'] }))).json().code, 'permission_undecided')
})

t.test('a verifier that is closed leaves the stream', async (t) => {
  const issuer = createTestIssuer({ audience: AUDIENCE })
  await issuer.verifier.ready()
  t.equal(await outcome(issuer.verifier, issuer.mint()), 'accepted')
  issuer.verifier.close()
  t.doesNotThrow(() => issuer.revoke({ target: 'tenant' }))
})
