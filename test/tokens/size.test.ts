// Tokens of 4 KiB at most: who holds more than fits in gets one all the same, and verifiers find the rest in the signed
// role catalogue.
import { createVerifier, grantsDigest, type Verifier } from '@tenantry/client'
import t from 'tap'
import { v7 } from 'uuid'
import { aService, type Caller, made } from '../support/service.ts'

const s = await aService(t)
const API = 'https://api.acme.example'
const BUDGET = 4_096
const { id: tenant_id } = await s.aTenant()

const permissionsOf = (resource: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${resource}-number-${i}:audit`)

const aRole = async (key: string, permissions: string[], excludes: string[] = []): Promise<void> => {
  await s.test_database.superuser(
    `insert into tenantry.roles (history_id, id, key, name, description, permissions, excludes, built_in, revision, created_at, updated_at)
     values ($1, $2, $3, $3, '', $4, $5, false, 1, now(), now())`,
    [tenant_id, v7(), key, permissions, excludes],
  )
}

const changeRole = (key: string, permissions: string[]): Promise<unknown> =>
  s.test_database.superuser('update tenantry.roles set permissions = $3 where history_id = $1 and key = $2', [
    ...[tenant_id, key, permissions],
  ])

/** What the verifier asks for, by path. */
const asked: string[] = []
const fetchFromService: typeof globalThis.fetch = async (input, { headers } = {}) => {
  const { pathname } = new URL(String(input))
  asked.push(pathname)
  const answer = await s.service.app.fastify.inject({ url: pathname, headers: headers as Record<string, string> })
  return new Response(answer.body, { status: answer.statusCode, headers: { 'content-type': 'application/jwt' } })
}

const aVerifier = (fetch = fetchFromService): Verifier =>
  createVerifier({ issuer: s.issuer, audience: API, clock: () => s.now, fetch })

const claimsIn = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
const catalogueRequests = (): number => asked.filter((path) => path === '/roles/catalogue').length

await aRole('auditor', permissionsOf('ledger', 200), ['ledger-number-7:audit'])
await aRole('clerk', permissionsOf('desk', 100))
await s.aMembership(tenant_id, { user_id: 'vera', roles: ['clerk', 'auditor', 'viewer'] })
const aSlimToken = (): Promise<string> => s.aToken(tenant_id, 'vera', { audience: API })

t.test('a user with hundreds of permissions gets a working token', async (t) => {
  const token = await aSlimToken()
  t.ok(token.length < BUDGET, `${token.length} bytes`)
  t.match(claimsIn(token), { roles: ['auditor', 'clerk', 'viewer'], permissions: [] })
  t.notOk('grants' in claimsIn(token))
  const principal = await aVerifier().verify(token)
  t.ok(
    principal.holds('ledger-number-199:audit') && principal.holds('desk-number-0:audit') && principal.holds('x:read'),
  )
  t.notOk(principal.holds('ledger-number-199:write'))
  t.equal(grantsDigest(principal.grants), claimsIn(token).grants_digest)
  t.equal(principal.grants.length, 3)
})

t.test('who holds little has it in the token itself', async (t) => {
  await s.aMembership(tenant_id, { user_id: 'mia' })
  const token = await s.aToken(tenant_id, 'mia', { audience: API })
  t.equal(claimsIn(token).grants.length, 1)
  t.notOk('grants_digest' in claimsIn(token))
})

t.test('the catalogue is fetched once, by however many tokens', async (t) => {
  const verifier = aVerifier()
  const before = catalogueRequests()
  const tokens = await Promise.all(Array.from({ length: 20 }, aSlimToken))
  await Promise.all(tokens.map((token) => verifier.verify(token)))
  await Promise.all(tokens.map((token) => verifier.verify(token)))
  t.equal(catalogueRequests() - before, 1)
})

t.test(
  'a role that changed makes old tokens stale and new ones say what it grants now, never something between',
  async (t) => {
    const [warm, cold] = [aVerifier(), aVerifier()]
    const old = await aSlimToken()
    await warm.verify(old)
    s.advance(10)
    await changeRole('clerk', permissionsOf('desk', 90))
    t.ok((await warm.verify(old)).holds('desk-number-99:audit'), 'known as it was issued, for its lifetime')
    await t.rejects(cold.verify(old), { code: 'stale_token' })
    const before = catalogueRequests()
    await t.rejects(cold.verify(old), { code: 'stale_token' })
    t.equal(catalogueRequests(), before, 'a token from before the catalogue costs no request')
    const fresh = await aSlimToken()
    for (const verifier of [warm, cold]) {
      const principal = await verifier.verify(fresh)
      t.ok(principal.holds('desk-number-89:audit'))
      t.notOk(principal.holds('desk-number-99:audit'))
    }
    t.match(await s.as(old).get('/memberships'), { status: 401 }, 'for another audience anyway')
  },
)

t.test('Tenantry itself takes such a token too, and introspection spells it out', async (t) => {
  await aRole('deputy', ['tenantry.membership:read', ...permissionsOf('seal', 200)])
  await s.aMembership(tenant_id, { user_id: 'dora', roles: ['deputy'] })
  const token = await s.aToken(tenant_id, 'dora')
  t.ok('grants_digest' in claimsIn(token))
  const dora: Caller = s.as(token)
  t.equal((await dora.get('/memberships')).status, 200)
  t.equal((await dora.post('/memberships', { user_id: 'x' })).status, 403)
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const known = await s.root.post('/oauth/introspect', new URLSearchParams({ token }).toString(), form)
  t.match(known.body, { active: true, roles: ['deputy'] })
  t.equal(known.body.grants[0].permissions.length, 201)
  await changeRole('deputy', ['tenantry.membership:read', 'tenantry.membership:manage', ...permissionsOf('seal', 200)])
  t.match(await dora.get('/memberships'), { status: 401, body: { code: 'token.stale' } }, 'not even widened')
})

t.test('any token of the tenant opens its catalogue, and no other', async (t) => {
  const other = await s.aTenant()
  await s.aMembership(other.id, { user_id: 'eve' })
  const eve = s.as(await s.aToken(other.id, 'eve', { audience: 'https://whatever.example' }))
  const { text, headers } = await eve.get('/roles/catalogue')
  const catalogue = claimsIn(text)
  t.equal(catalogue.tenant_id, other.id)
  t.same(
    catalogue.roles.map(({ key }: { key: string }) => key),
    ['admin', 'member', 'owner', 'viewer'],
  )
  t.equal(JSON.parse(Buffer.from(text.split('.')[0] ?? '', 'base64url').toString()).typ, 'tenantry-roles+jwt')
  t.equal((await eve.get('/roles/catalogue', { 'if-none-match': String(headers.etag) })).status, 304)
  t.equal((await eve.get(`/roles/catalogue?tenant_id=${tenant_id}`)).status, 404)
  t.equal((await eve.get('/roles')).status, 401, 'for another service, it opens nothing else')
  t.equal((await s.root.get('/roles/catalogue')).status, 400, 'a platform key names the tenant')
  await s.root.post(`/tenants/${other.id}/suspend`)
  t.equal((await eve.get('/roles/catalogue')).status, 403)
})

t.test('a catalogue that is not the issuer’s word about this tenant is not believed', async (t) => {
  const token = await aSlimToken()
  const other = await s.aTenant()
  await s.aMembership(other.id, { user_id: 'eve' })
  const eves = (await s.as(await s.aToken(other.id, 'eve')).get('/roles/catalogue')).text
  const own = (await s.as(token).get('/roles/catalogue')).text
  const [head, , signature] = own.split('.')
  const forged = Buffer.from(JSON.stringify({ ...claimsIn(own), roles: [] })).toString('base64url')
  for (const [name, body, status] of [
    ['another tenant’s', eves, 200],
    ['a changed one', `${head}.${forged}.${signature}`, 200],
    ['a token in its place', token, 200],
    ['an error', '', 500],
    ['a redirect', '', 302],
  ] as const) {
    const answering: typeof globalThis.fetch = async (input, init) =>
      String(input).endsWith('/roles/catalogue') ? new Response(body, { status }) : fetchFromService(input, init)
    await t.rejects(aVerifier(answering).verify(token), { code: 'roles_unavailable', status: 503 }, name)
  }
})

t.test('a machine that asks for more than a token can carry is told to ask for less', async (t) => {
  const permissions = permissionsOf('thing-with-a-rather-long-name-so-that-two-hundred-are-too-many', 100)
  const { secret } = await s.anApiKey({ tenant_id, permissions })
  const ask = (form: Record<string, string>) =>
    s.stranger.post(
      '/oauth/token',
      new URLSearchParams({ grant_type: 'client_credentials', audience: API, ...form }).toString(),
      {
        ...{ 'content-type': 'application/x-www-form-urlencoded', authorization: `Bearer ${secret}` },
      },
    )
  t.match(await ask({}), { status: 400, body: { error: 'invalid_scope' } })
  const { access_token } = made(await ask({ scope: permissions.slice(0, 9).join(' ') }))
  t.ok((await aVerifier().verify(access_token)).holds(permissions[8] ?? ''))
})
