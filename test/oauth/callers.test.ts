// The client kit against the service itself: a caller that gets its tokens here, and a service that takes them, or asks about
// them where it cannot follow revocations.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTokenSource, createVerifier, type TenantryError, type Verifier } from '@tenantry/client'
import { getContext } from '@tenantry/client/context'
import { tenantry } from '@tenantry/client/express'
import t, { type Test } from 'tap'
import { AUDIENCE, anIdentityProvider } from '../support/identity-provider.ts'
import { aService, made } from '../support/service.ts'

const s = await aService(t, { allow_loopback_issuers: true })
const url = await s.service.app.fastify.listen({ host: '127.0.0.1', port: 0 })
const idp = await anIdentityProvider(t, () => s.now)
made(await s.root.post('/issuers', { issuer: idp.issuer, audiences: [AUDIENCE] }))
const API = 'https://api.acme.example'
const key = await s.anApiKey({ permissions: ['tenantry.revocation:read'] })

/** Answers who is calling, in which roles. */
const aDownstream = async (t: Test, verifier: Verifier): Promise<string> => {
  t.teardown(() => verifier.close())
  const authenticate = tenantry({ verifier })
  const server = createServer((request, response) => {
    authenticate(request, response, () => {
      const { tenant_id, user_id, roles } = getContext()
      response.end(JSON.stringify({ tenant_id, user_id, roles }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const aVerifier = (revocations: object): Verifier =>
  createVerifier({
    ...{ issuer: s.issuer, audience: API, clock: () => s.now, jwks_uri: `${url}/.well-known/jwks.json` },
    revocations: {
      ...{ api_key: key.secret, stream_url: `${url}/revocations/stream`, snapshot_url: `${url}/revocations` },
      ...{ introspection_url: `${url}/oauth/introspect`, ...revocations },
    },
  })

t.test('a caller gets a fresh token when access has changed, and goes on with the rights of now', async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  const { id } = await s.aMembership(acme.id, { user_id: 'alice', roles: ['admin'] })
  await s.aMembership(globex.id, { user_id: 'alice', roles: ['viewer'] })
  const verifier = aVerifier({})
  const downstream = await aDownstream(t, verifier)
  await verifier.ready()
  const login = idp.token()
  const source = createTokenSource({
    ...{ issuer: s.issuer, audience: API, token_url: `${url}/oauth/token`, clock: () => s.now, random: () => 0 },
    subject_token: () => login,
  })
  const ask = async (tenant_id: string) => (await source.fetch(downstream, { tenant_id })).json()
  t.same(await ask(acme.id), { tenant_id: acme.id, user_id: 'alice', roles: ['admin'] })
  t.same(await ask(globex.id), { tenant_id: globex.id, user_id: 'alice', roles: ['viewer'] })

  const held = await source.token({ tenant_id: acme.id })
  made(await s.root.patch(`/memberships/${id}`, { roles: ['viewer'] }))
  await becomesStale(verifier, held)
  t.same(await ask(acme.id), { tenant_id: acme.id, user_id: 'alice', roles: ['viewer'] })
  t.same(await ask(globex.id), { tenant_id: globex.id, user_id: 'alice', roles: ['viewer'] })

  const last = await source.token({ tenant_id: acme.id })
  t.not(last, held)
  await s.root.delete(`/memberships/${id}`)
  await becomesStale(verifier, last)
  await t.rejects(ask(acme.id), { code: 'token_refused', cause: { status: 400 } })
})

t.test('an API key calls as itself, for one tenant', async (t) => {
  const acme = await s.aTenant()
  const machine = await s.anApiKey({ tenant_id: acme.id, permissions: ['invoice:read'] })
  const source = createTokenSource({
    ...{ issuer: s.issuer, audience: API, token_url: `${url}/oauth/token`, clock: () => s.now },
    ...{ client_id: machine.id, client_secret: machine.secret },
  })
  const principal = await aVerifier({}).verify(await source.token({ tenant_id: acme.id }))
  t.match(principal, { tenant_id: acme.id, user_id: null, client_id: machine.id })
  const elsewhere = (await s.aTenant()).id
  await t.rejects(source.token({ tenant_id: elsewhere }), { code: 'token_refused', cause: { code: 'invalid_target' } })
})

t.test('a service that cannot follow revocations asks about each token instead', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const membership = await s.aMembership(tenant_id, { roles: ['admin'] })
  const away = { stream_url: `${url}/no/stream`, snapshot_url: `${url}/no/snapshot` }
  const verifier = aVerifier({ ...away, when_stale: 'introspect' })
  t.teardown(() => verifier.close())
  const token = await s.aToken(tenant_id, membership.user_id, { audience: API })
  t.equal((await verifier.verify(token)).user_id, membership.user_id)
  made(await s.root.patch(`/memberships/${membership.id}`, { roles: ['viewer'] }))
  await t.rejects(verifier.verify(token), { code: 'stale_token' })
  const fresh = await s.aToken(tenant_id, membership.user_id, { audience: API })
  t.ok((await verifier.verify(fresh)).hasRole('viewer'))
})

const PATIENCE_MS = 20_000

/** Until the feed has told. */
async function becomesStale(verifier: Verifier, token: string): Promise<void> {
  const start = performance.now()
  const codeOf = () =>
    verifier.verify(token).then(
      () => 'accepted',
      ({ code }: TenantryError) => code,
    )
  while ((await codeOf()) !== 'stale_token') {
    if (performance.now() - start > PATIENCE_MS) throw new Error('the token never became stale')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
