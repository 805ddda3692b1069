// The example for nginx, as it is in the file and in the README, in front of a service that believes its headers.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { findNginx, startNginx } from '../support/nginx.mjs'
import { aService } from '../support/service.ts'

const AUDIENCE = 'https://invoices.example'
const skip = !findNginx() && 'needs nginx with the auth_request module (apt-get install nginx)'
const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
const example = read('examples/nginx/tenantry.conf')
/** The location that lets only the tenant of the address through. */
const [, ofTenants = ''] = /^```nginx\n(.*?)^```$/ms.exec(read('docs/gateways.md')) ?? []

t.test('the example in the README is the one in the file', async (t) => {
  const [, block] = /^```nginx file=examples\/nginx\/tenantry\.conf\n(.*?)^```$/ms.exec(read('README.md')) ?? []
  t.equal(block, example)
})

t.test('nginx in front of a service', { skip }, async (t) => {
  const s = await aService(t)
  const tenantry = await s.service.app.fastify.listen({ host: '127.0.0.1', port: 0 })
  const upstream = http.createServer((request, response) => {
    const { method, url, headers } = request
    request.resume().on('end', () => response.end(JSON.stringify({ method, url, headers }))) // else nginx writes into a closed door
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.teardown(() => upstream.close())
  const { port } = upstream.address() as AddressInfo
  const nginx = await startNginx(
    example
      .replace('  location / {', `${ofTenants}  location / {`)
      .replaceAll('127.0.0.1:3000', new URL(tenantry).host)
      .replaceAll('127.0.0.1:4000', `127.0.0.1:${port}`),
  )
  t.teardown(() => nginx.stop())

  const acme = await s.aTenant({ slug: 'acme' })
  const aBearer = async (role = 'member', user_id?: string) => {
    const membership = await s.aMembership(acme.id, { roles: [role], ...(user_id !== undefined && { user_id }) })
    return { membership, token: await s.aToken(acme.id, membership.user_id, { audience: AUDIENCE }) }
  }

  interface Seen {
    status: number | undefined
    headers: http.IncomingHttpHeaders
    text: string
    /** What the service behind nginx was sent; undefined when nothing came through. */
    upstream: { method: string; url: string; headers: Record<string, string> } | undefined
  }
  const call = async (
    token: string | undefined,
    {
      path = '/invoices?x=1',
      method = 'GET',
      body = '',
      headers = {},
    }: {
      path?: string
      method?: string
      body?: string
      headers?: http.OutgoingHttpHeaders
    } = {},
  ): Promise<Seen> => {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const request = http.request({
      ...{ socketPath: nginx.socket, path, method, agent: false },
      headers: { host: 'app.example', ...authorization, ...headers },
    })
    request.end(body)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const text = Buffer.concat(await response.toArray()).toString()
    const { statusCode: status, headers: answered } = response
    return { status, headers: answered, text, upstream: status === 200 ? JSON.parse(text) : undefined }
  }
  const identityIn = ({ upstream }: Seen) =>
    Object.fromEntries(Object.entries(upstream?.headers ?? {}).filter(([name]) => /tenantry/i.test(name)))

  t.test('the service learns whose request it is, and sees no credential', async (t) => {
    const { membership, token } = await aBearer('member', 'auth0|Věra')
    const seen = await call(token)
    t.match(seen, { status: 200, upstream: { url: '/invoices?x=1', headers: { host: 'app.example' } } })
    t.same(identityIn(seen), {
      'tenantry-tenant-id': acme.id,
      'tenantry-tenant-slug': 'acme',
      'tenantry-user-id': 'auth0%7CV%C4%9Bra',
      'tenantry-membership-id': membership.id,
      'tenantry-roles': 'member',
      'tenantry-client-id': (await s.root.get('/api-keys')).body.data[0].id,
    })
    t.equal(seen.upstream?.headers.authorization, undefined)
  })

  t.test('headers by these names from a client never reach the service, however they are written', async (t) => {
    const { token } = await aBearer('viewer')
    const honest = await call(token)
    const smuggled = {
      'Tenantry-Tenant-Id': 'globex',
      'tenantry-user-id': ['user_olga', 'user_vera'],
      'TENANTRY-ROLES': 'owner',
      Tenantry_Roles: 'owner',
      'Tenantry.Roles': 'owner',
    }
    t.same(identityIn(await call(token, { headers: smuggled })), identityIn(honest))
    const key = await s.anApiKey({ tenant_id: acme.id, permissions: ['invoice:read'] })
    const form = new URLSearchParams({ grant_type: 'client_credentials', audience: AUDIENCE })
    const { body } = await s
      .as(key.secret)
      .post('/oauth/token', String(form), { 'content-type': 'application/x-www-form-urlencoded' })
    t.same(
      identityIn(await call(body.access_token, { headers: smuggled })),
      { 'tenantry-tenant-id': acme.id, 'tenantry-tenant-slug': 'acme', 'tenantry-client-id': key.id },
      'also where Tenantry has nothing to say: a machine is no user and has no roles',
    )
  })

  t.test('without a credential the client is told how to come by one', async (t) => {
    t.match(await call(undefined), { status: 401, headers: { 'www-authenticate': 'Bearer realm="tenantry"' } })
    const forOthers = await s.aToken(acme.id, (await s.aMembership(acme.id)).user_id)
    const answer = await call(forOthers)
    t.match(answer, { status: 401, headers: { 'www-authenticate': /error="invalid_token"/ } })
    t.notMatch(answer.text, /tenantry-tenant-id/i)
  })

  t.test('a client adds nothing to the question, neither in its path nor by asking itself', async (t) => {
    const { token } = await aBearer('viewer')
    t.equal((await call(token, { path: '/admin/?role=viewer&tenantry_question=' })).status, 403)
    t.equal((await call(token, { path: '/invoices?audience=x&permission=billing:write' })).status, 200)
    t.equal((await call(token, { path: '/_tenantry' })).status, 404)
  })

  t.test('each way asks its own question', async (t) => {
    t.equal((await call((await aBearer('member')).token, { path: '/admin/users' })).status, 403)
    t.equal((await call((await aBearer('owner')).token, { path: '/admin/users' })).status, 200)
  })

  t.test('an address of one tenant is closed to another, and to what only looks like a tenant', async (t) => {
    const { token } = await aBearer()
    const globex = await s.aTenant()
    t.equal((await call(token, { path: `/tenants/${acme.id}/invoices` })).status, 200)
    t.equal((await call(token, { path: `/tenants/${globex.id}/invoices` })).status, 403)
    t.equal((await call(token, { path: `/tenants/${acme.id}/../${globex.id}/invoices` })).status, 403)
    t.equal((await call(token, { path: `/tenants/${'-'.repeat(36)}/invoices` })).status, 503, 'a malformed question')
  })

  t.test('methods and bodies come through as they were', async (t) => {
    const { token } = await aBearer()
    const body = 'x'.repeat(200_000)
    for (const method of ['POST', 'PUT', 'DELETE']) {
      t.match(await call(token, { method, body }), { status: 200, upstream: { method } }, method)
    }
    t.equal((await call(undefined, { method: 'POST', body })).status, 401)
    t.match(await call(token, { headers: { cookie: 'c'.repeat(7_000), 'x-a': 'a'.repeat(7_000) } }), { status: 200 })
  })

  t.test('the longest user id comes through', async (t) => {
    const { membership, token } = await aBearer('member', '田'.repeat(255))
    const id = (await call(token)).upstream?.headers['tenantry-user-id']
    t.equal(decodeURIComponent(id ?? ''), membership.user_id)
  })

  t.test('a member who is removed gets nothing more, from the very next request', async (t) => {
    const { membership, token } = await aBearer()
    t.equal((await call(token)).status, 200)
    await s.root.delete(`/memberships/${membership.id}`)
    t.match(await call(token), { status: 401, headers: { 'www-authenticate': /invalid_token/ } })
  })

  t.test('a suspended tenant is 403', async (t) => {
    const { token } = await aBearer()
    await s.root.post(`/tenants/${acme.id}/suspend`)
    t.equal((await call(token)).status, 403)
    await s.root.post(`/tenants/${acme.id}/reactivate`)
  })

  t.test('while Tenantry is away nobody gets through, and is told to try again', async (t) => {
    const { token } = await aBearer()
    t.equal((await call(token)).status, 200)
    await s.service.app.close()
    t.match(await call(token), { status: 503, headers: { 'retry-after': '2' } })
  })
})
