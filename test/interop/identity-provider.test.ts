// The whole way, with nothing of it our own but Tenantry and its client: a user logs in at a real OpenID provider, what he
// gets there is exchanged for a token of one tenant, and a service downstream lets him in to that tenant alone.
import { getPrincipal, requirePermission, requireTenant, tenantry } from '@tenantry/client/fastify'
import Fastify from 'fastify'
import t from 'tap'
import { aServedService } from '../support/loopback.ts'
import { made } from '../support/service.ts'
import { aRealProvider, CLIENT_ID, RESOURCE } from './provider.ts'

const API = 'https://invoices.example'
const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const TYPE = 'urn:ietf:params:oauth:token-type:'

const s = await aServedService(t, { allow_loopback_issuers: true })
const acme = await s.aTenant({ owner: { user_id: 'olga' } })
const globex = await s.aTenant({ owner: { user_id: 'gus' } })
await s.aMembership(acme.id, { user_id: 'vera', roles: ['viewer'] })

const downstream = Fastify()
await downstream.register(tenantry, { issuer: s.issuer, audience: API })
downstream.get('/:tenant_id/invoices', { onRequest: [requireTenant(), requirePermission('invoice:read')] }, (request) =>
  getPrincipal(request),
)
downstream.post(
  '/:tenant_id/invoices',
  { onRequest: [requireTenant(), requirePermission('invoice:write')] },
  () => 'written',
)
t.teardown(() => downstream.close())

const exchange = (subject_token: string, kind: 'id_token' | 'access_token', form: Record<string, string>) =>
  fetch(`${s.issuer}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: GRANT, subject_token, subject_token_type: TYPE + kind, ...form }),
  })

for (const alg of ['RS256', 'ES256'] as const) {
  t.test(`a user of a provider that signs with ${alg} gets into his tenant, and into no other`, async (t) => {
    const provider = await aRealProvider(t, alg)
    made(
      await s.root.post('/issuers', {
        issuer: provider.issuer,
        audiences: [CLIENT_ID, RESOURCE],
        shares_user_ids: true,
      }),
    )
    const { id_token, access_token } = await provider.logIn('vera')
    for (const [kind, brought] of [
      ['id_token', id_token],
      ['access_token', access_token],
    ] as const) {
      const answer = await exchange(brought, kind, { audience: API, tenant_slug: acme.slug })
      t.equal(answer.status, 200, kind)
      const { access_token: token } = (await answer.json()) as { access_token: string }
      const ask = (method: 'GET' | 'POST', tenant_id: string, bearer = token) =>
        downstream.inject({ method, url: `/${tenant_id}/invoices`, headers: { authorization: `Bearer ${bearer}` } })
      const read = await ask('GET', acme.id)
      t.match(read, { statusCode: 200 }, read.body)
      t.match(read.json(), { user_id: 'vera', tenant_id: acme.id, roles: ['viewer'] })
      t.equal((await ask('POST', acme.id)).statusCode, 403, 'what the tenant gives, and no more')
      t.equal((await ask('GET', globex.id)).statusCode, 403, 'another tenant')
      t.equal((await ask('GET', acme.id, brought)).statusCode, 401, 'the provider’s own token is none of Tenantry’s')
      const elsewhere = await exchange(brought, kind, { audience: API, tenant_slug: globex.slug })
      t.match(await elsewhere.json(), { error: 'invalid_target' }, 'nor is there one to be had for it')
    }
  })
}

t.test('a token that the provider made for another application is not exchanged', async (t) => {
  const provider = await aRealProvider(t, 'ES256')
  made(
    await s.root.post('/issuers', {
      issuer: provider.issuer,
      audiences: ['another-application'],
      shares_user_ids: true,
    }),
  )
  const { id_token, access_token } = await provider.logIn('vera')
  for (const token of [id_token, access_token]) {
    const answer = await exchange(token, 'id_token', { audience: API, tenant_slug: acme.slug })
    t.match(await answer.json(), { error: 'invalid_request' })
  }
})
