// The example service behind a real Tenantry: its tokens, its published keys, one clock for both.

import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { aService } from '../support/service.ts'

// By address, so that this file does not need the types of a plain JavaScript one; its own are checked by `npm run typecheck`.
const { buildInvoices } = await import(new URL('../../examples/downstream/invoices.mjs', import.meta.url).href)

const AUDIENCE = 'https://invoices.example'
const tenantry = await aService(t)

/** Where the example fetches the issuer's keys: from the service of this test, without a socket. */
const fetched: string[] = []
const fetch = async (url: string | URL | Request): Promise<Response> => {
  fetched.push(String(url))
  const { status, text, headers } = await tenantry.stranger.get(String(url).slice(tenantry.issuer.length))
  return new Response(text, { status, headers: { 'cache-control': String(headers['cache-control']) } })
}
const settings = { issuer: tenantry.issuer, audience: AUDIENCE, fetch, clock: () => tenantry.now }
const invoices: FastifyInstance = await buildInvoices(settings)
t.teardown(() => invoices.close())

const acme = await tenantry.aTenant()
const globex = await tenantry.aTenant()

const aHolder = async (tenant_id: string, role: string): Promise<string> => {
  const { user_id } = await tenantry.aMembership(tenant_id, { roles: [role] })
  return tenantry.aToken(tenant_id, user_id, { audience: AUDIENCE })
}

const call = async (method: 'GET' | 'POST' | 'DELETE', url: string, token?: string, payload?: object) => {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const answer = await invoices.inject({ method, url, headers, ...(payload && { payload }) })
  return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json(), headers: answer.headers }
}

const of = (tenant: { id: string }): string => `/tenants/${tenant.id}/invoices`
const anInvoice = { title: 'Consulting', amount_cents: 1_200 }

t.test('rows carry the tenant of the token, and each tenant sees its own', async (t) => {
  const [vera, gus] = [await aHolder(acme.id, 'member'), await aHolder(globex.id, 'member')]
  t.match(await call('POST', of(acme), vera, anInvoice), { status: 201, body: { tenant_id: acme.id, ...anInvoice } })
  t.match(await call('POST', of(globex), gus, anInvoice), { status: 201, body: { tenant_id: globex.id } })
  const seen = await call('GET', of(acme), vera)
  t.same(
    seen.body.data.map(({ tenant_id }: { tenant_id: string }) => tenant_id),
    [acme.id],
  )
})

t.test('a tenant named in the body changes nothing', async (t) => {
  const vera = await aHolder(acme.id, 'member')
  const answer = await call('POST', of(acme), vera, { ...anInvoice, tenant_id: globex.id, created_by: 'somebody' })
  t.match(answer, { status: 201, body: { tenant_id: acme.id } })
  t.not(answer.body.created_by, 'somebody')
})

t.test("one tenant's token is refused at another tenant's address, whatever the role", async (t) => {
  for (const role of ['owner', 'viewer']) {
    const token = await aHolder(acme.id, role)
    for (const [method, url] of [
      ['GET', of(globex)],
      ['POST', of(globex)],
      ['DELETE', `${of(globex)}/any`],
    ] as const) {
      t.match(await call(method, url, token, method === 'POST' ? anInvoice : undefined), {
        status: 403,
        body: { code: 'tenant_mismatch' },
      })
    }
  }
})

t.test("an invoice of another tenant is not found at one's own address", async (t) => {
  const admin = await aHolder(acme.id, 'admin')
  const theirs = await call('POST', of(globex), await aHolder(globex.id, 'member'), anInvoice)
  t.equal((await call('DELETE', `${of(acme)}/${theirs.body.id}`, admin)).status, 404)
})

t.test(
  'a viewer reads and does not write, a member writes and does not delete, an admin and an owner delete',
  async (t) => {
    const viewer = await aHolder(acme.id, 'viewer')
    t.equal((await call('GET', of(acme), viewer)).status, 200)
    t.match(await call('POST', of(acme), viewer, anInvoice), { status: 403, body: { code: 'permission_missing' } })
    const member = await aHolder(acme.id, 'member')
    for (const role of ['admin', 'owner']) {
      const { body } = await call('POST', of(acme), member, anInvoice)
      t.match(await call('DELETE', `${of(acme)}/${body.id}`, member), { status: 403, body: { code: 'role_missing' } })
      t.equal((await call('DELETE', `${of(acme)}/${body.id}`, await aHolder(acme.id, role))).status, 204)
    }
  },
)

t.test('no credential, an API key and a token for another service are 401, before the body is looked at', async (t) => {
  const { user_id } = await tenantry.aMembership(acme.id)
  const forTenantry = await tenantry.aToken(acme.id, user_id)
  for (const credential of [undefined, tenantry.root_api_key, forTenantry]) {
    const answer = await call('POST', of(acme), credential, { amount_cents: 'many' })
    t.match(answer, { status: 401, body: { code: 'invalid_token' } })
    t.match(answer.headers['www-authenticate'], /^Bearer/)
  }
})

t.test('a token works until it expires and not a second longer', async (t) => {
  const vera = await aHolder(acme.id, 'member')
  tenantry.advance(299)
  t.equal((await call('GET', of(acme), vera)).status, 200)
  tenantry.advance(1)
  t.match(await call('GET', of(acme), vera), { status: 401, body: { reason: 'expired' } })
})

t.test('all of that took nothing from Tenantry but its published keys', async (t) => {
  t.same([...new Set(fetched)], [`${tenantry.issuer}/.well-known/jwks.json`])
  t.ok(fetched.length <= 2, 'fetched at the first token, and once more when they had aged')
})

t.test('it refuses to start without an issuer or an audience', async (t) => {
  for (const missing of ['issuer', 'audience']) {
    await t.rejects(buildInvoices({ ...settings, [missing]: '' }), { code: 'configuration', message: missing })
  }
})
