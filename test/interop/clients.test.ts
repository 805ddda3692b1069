// Clients that others wrote, given the issuer's address and nothing else: oauth4webapi, which refuses whatever a standard does
// not allow, and openid-client, which most applications use.
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import t from 'tap'
import { aServedService } from '../support/loopback.ts'

const API = 'https://invoices.example'
const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const TYPE = 'urn:ietf:params:oauth:token-type:'
const HTTP = { [oauth.allowInsecureRequests]: true }

const s = await aServedService(t)
const acme = await s.aTenant({ owner: { user_id: 'olga' } })
const globex = await s.aTenant({ owner: { user_id: 'olga' } })
const key = await s.anApiKey({ tenant_id: acme.id, permissions: ['invoice:*', 'tenantry.token:issue'] })
const issuer = new URL(s.issuer)
const client: oauth.Client = { client_id: key.id }
const exchange = (subject_token: string, tenant_id = acme.id) => ({
  ...{ subject_token, subject_token_type: `${TYPE}access_token`, requested_token_type: `${TYPE}access_token` },
  ...{ audience: API, tenant_id },
})

const discover = async (algorithm: 'oidc' | 'oauth2' = 'oauth2'): Promise<oauth.AuthorizationServer> =>
  oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { ...HTTP, algorithm }))

const bearing = (token: string): Request =>
  new Request('https://invoices.example/', { headers: { authorization: `Bearer ${token}` } })

t.test('oauth4webapi finds everything from the issuer’s address, in either way', async (t) => {
  const server = await discover()
  t.same(await discover('oidc'), server)
  const resource = await oauth.resourceDiscoveryRequest(issuer, HTTP)
  const metadata = await oauth.processResourceDiscoveryResponse(issuer, resource)
  t.same(metadata.authorization_servers, [server.issuer])
  const url = new URL('/memberships', issuer)
  const resource_metadata = resource.url
  await t.rejects(
    oauth.protectedResourceRequest('tnt_wrong', 'GET', url, undefined, undefined, HTTP),
    { code: oauth.WWW_AUTHENTICATE_CHALLENGE, cause: [{ scheme: 'bearer', parameters: { resource_metadata } }] },
    'where a refusal points',
  )
})

for (const [name, authentication] of [
  ['HTTP Basic', oauth.ClientSecretBasic(key.secret)],
  ['the body', oauth.ClientSecretPost(key.secret)],
] as const) {
  t.test(`oauth4webapi, authenticating by ${name}: a token of its own, looked into, revoked`, async (t) => {
    const server = await discover()
    const form = { audience: API, scope: 'invoice:read' }
    const answer = await oauth.clientCredentialsGrantRequest(server, client, authentication, form, HTTP)
    const { access_token, scope } = await oauth.processClientCredentialsResponse(server, client, answer)
    t.equal(scope, 'invoice:read')
    const claims = await oauth.validateJwtAccessToken(server, bearing(access_token), API, HTTP)
    t.match(claims, { tenant_id: acme.id, client_id: key.id, sub: `api_key:${key.id}` })
    await t.rejects(oauth.validateJwtAccessToken(server, bearing(access_token), 'https://orders.example', HTTP))

    const introspect = async () =>
      oauth.processIntrospectionResponse(
        server,
        client,
        await oauth.introspectionRequest(server, client, authentication, access_token, HTTP),
      )
    t.match(await introspect(), { active: true, aud: API, client_id: key.id, tenant_id: acme.id })
    const revoked = await oauth.revocationRequest(server, client, authentication, access_token, HTTP)
    t.equal(await oauth.processRevocationResponse(revoked), undefined)
    t.same(await introspect(), { active: false })
  })
}

t.test('oauth4webapi exchanges tokens, as a client that authenticates and as one that does not', async (t) => {
  const server = await discover()
  const mine = await s.aToken(acme.id, 'olga')
  for (const authentication of [oauth.None(), oauth.ClientSecretBasic(key.secret)]) {
    const answer = await oauth.genericTokenEndpointRequest(server, client, authentication, GRANT, exchange(mine), HTTP)
    const token = await oauth.processGenericTokenEndpointResponse(server, client, answer)
    t.match(token, { token_type: 'bearer', expires_in: 300, issued_token_type: `${TYPE}access_token` })
    const claims = await oauth.validateJwtAccessToken(server, bearing(token.access_token), API, HTTP)
    t.match(claims, { sub: 'olga', tenant_id: acme.id, roles: ['owner'] })
  }
})

t.test('oauth4webapi reads our refusals', async (t) => {
  const server = await discover()
  const wrong = oauth.ClientSecretBasic('wrong')
  const answer = await oauth.clientCredentialsGrantRequest(server, client, wrong, { audience: API }, HTTP)
  await t.rejects(oauth.processClientCredentialsResponse(server, client, answer), {
    ...{ code: oauth.WWW_AUTHENTICATE_CHALLENGE, status: 401, cause: [{ scheme: 'basic' }] },
  })
  const basic = oauth.ClientSecretBasic(key.secret)
  const scope = { audience: API, scope: 'order:read' }
  const wide = await oauth.clientCredentialsGrantRequest(server, client, basic, scope, HTTP)
  await t.rejects(oauth.processClientCredentialsResponse(server, client, wide), {
    ...{ code: oauth.RESPONSE_BODY_ERROR, error: 'invalid_scope', status: 400 },
  })
  const form = exchange(await s.aToken(acme.id, 'olga'), globex.id)
  const elsewhere = await oauth.genericTokenEndpointRequest(server, client, basic, GRANT, form, HTTP)
  await t.rejects(oauth.processGenericTokenEndpointResponse(server, client, elsewhere), {
    code: oauth.RESPONSE_BODY_ERROR,
    error: 'invalid_target',
  })
})

t.test('openid-client does all of it from the issuer’s address', async (t) => {
  for (const authentication of [openid.ClientSecretBasic(key.secret), openid.ClientSecretPost(key.secret)]) {
    const options = { execute: [openid.allowInsecureRequests] }
    const application = await openid.discovery(issuer, key.id, undefined, authentication, options)
    const own = await openid.clientCredentialsGrant(application, { audience: API })
    t.match(await openid.tokenIntrospection(application, own.access_token), { active: true, sub: `api_key:${key.id}` })
    await openid.tokenRevocation(application, own.access_token)
    t.same(await openid.tokenIntrospection(application, own.access_token), { active: false })
    const form = exchange(await s.aToken(acme.id, 'olga'))
    const exchanged = await openid.genericGrantRequest(application, GRANT, form)
    t.match(await openid.tokenIntrospection(application, exchanged.access_token), { sub: 'olga', tenant_id: acme.id })
    await t.rejects(openid.genericGrantRequest(application, GRANT, { ...form, subject_token: 'x' }), {
      ...{ code: oauth.RESPONSE_BODY_ERROR, error: 'invalid_request', status: 400 },
    })
  }
})
