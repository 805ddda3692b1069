// Who tries to get more out of the exchange than is his: users, services that were sent a user's token, clients of other
// tenants, administrators with an identity provider of their own, and providers that write odd things.
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { AUDIENCE, anIdentityProvider } from '../support/identity-provider.ts'
import { type Answer, aService, made } from '../support/service.ts'

const API = 'https://api.acme.example'
const s = await aService(t, { allow_loopback_issuers: true, audiences: [API] })
const idp = await anIdentityProvider(t, () => s.now)
const shared = made(await s.root.post('/issuers', { issuer: idp.issuer, audiences: [AUDIENCE] }))
const acme = await s.aTenant({ owner: { user_id: 'olga' } })
const globex = await s.aTenant({ owner: { user_id: 'gus' } })
await s.aMembership(acme.id, { user_id: 'alice' })
await s.aMembership(globex.id, { user_id: 'alice' })

type Form = Record<string, string>
const ACME = { tenant_id: acme.id }
const GLOBEX = { tenant_id: globex.id }
const seconds = () => Math.floor(s.now.getTime() / 1_000)
const bearer = ({ secret }: { secret: string }): Form => ({ authorization: `Bearer ${secret}` })

const exchange = (subject_token: string, form: Form = {}, headers: Form = {}): Promise<Answer> =>
  s.exchange(subject_token, { audience: API, ...form }, headers)

const tokenOf = (answer: Answer): string => made(answer).access_token
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
const grantsOf = (token: string): string[] =>
  claimsOf(token).grants.flatMap(({ permissions }: { permissions: string[] }) => permissions)

const isRefused = async (t: Test, error: string, answer: Promise<Answer>, name: string): Promise<void> => {
  const { status, body, text } = await answer
  t.match({ status, body }, { status: 400, body: { error } }, `${name}: ${text}`)
}

t.test(
  'nobody gets an audience that is not set, with whatever credential (RFC 8693 §2.1, RFC 8725 §3.9)',
  async (t) => {
    const strong = bearer(await s.anApiKey({ permissions: ['tenantry.token:issue'] }))
    const root = bearer({ secret: s.root_api_key })
    const mine = tokenOf(await exchange(idp.token(), { ...ACME, audience: s.issuer }))
    for (const audience of ['https://evil.example', `${API}/`, API.toUpperCase(), `${API} https://evil.example`, '*']) {
      for (const subject of [idp.token(), mine]) {
        for (const headers of [{}, strong, root]) {
          await isRefused(t, 'invalid_target', exchange(subject, { ...ACME, audience }, headers), audience)
        }
      }
    }
  },
)

t.test('names of tenants that disagree, or are bent, are no tenant (RFC 8707 §2)', async (t) => {
  const at = `${s.issuer}/tenants`
  const tries: [string, string, Form][] = [
    ['invalid_target', 'an id and another’s slug', { ...ACME, tenant_slug: globex.slug }],
    ['invalid_request', 'an id and another’s resource', { ...ACME, resource: `${at}/${globex.id}` }],
    ['invalid_target', 'a slug and another’s resource', { tenant_slug: acme.slug, resource: `${at}/${globex.id}` }],
    ['invalid_target', 'an id and another’s scope', { ...ACME, scope: `tenant:${globex.slug}` }],
    ['invalid_request', 'a slug and another’s scope', { tenant_slug: acme.slug, scope: `tenant:${globex.slug}` }],
    ['invalid_request', 'two in the scope', { scope: `tenant:${acme.slug} tenant:${globex.slug}` }],
    ['invalid_target', 'a path that climbs', { resource: `${at}/${globex.id}/../${acme.id}` }],
    ['invalid_target', 'a query', { resource: `${at}/${acme.id}?x=1` }],
    ['invalid_target', 'a slash at the end', { resource: `${at}/${acme.id}/` }],
    ['invalid_target', 'percent-encoded', { resource: `${at}/${acme.id.replace('0', '%30')}` }],
    ['invalid_target', 'another issuer', { resource: `https://evil.example/tenants/${acme.id}` }],
    ['invalid_target', 'an issuer that begins like ours', { resource: `${s.issuer}.evil.example/tenants/${acme.id}` }],
    ['invalid_request', 'a NUL in the slug', { tenant_slug: `${acme.slug}\0` }],
    ['invalid_target', 'SQL in the slug', { tenant_slug: `${acme.slug}' or 'a'='a` }],
    ['invalid_target', 'a wildcard', { tenant_slug: '%' }],
  ]
  for (const [error, name, form] of tries) await isRefused(t, error, exchange(idp.token(), form), name)
  const all = { ...ACME, tenant_slug: acme.slug, resource: `${at}/${acme.id}`, scope: `tenant:${acme.slug}` }
  t.equal(claimsOf(tokenOf(await exchange(idp.token(), all))).tenant_id, acme.id)
})

t.test('a client of one tenant gets nobody into another (RFC 8693 §5)', async (t) => {
  const key = bearer(await s.anApiKey({ ...ACME, permissions: ['*', 'tenantry.*', 'tenantry.token:issue'] }))
  t.equal((await exchange(idp.token(), ACME, key)).status, 200)
  await isRefused(t, 'invalid_target', exchange(idp.token(), GLOBEX, key), 'by id')
  await isRefused(t, 'invalid_target', exchange(idp.token(), { tenant_slug: globex.slug }, key), 'by slug')
  const there = await s.aToken(globex.id, 'alice')
  await isRefused(t, 'invalid_target', exchange(there, GLOBEX, key), 'with a token of there')
})

t.test(
  'an administrator who registers the shared issuer as his own speaks for nobody else (RFC 8725 §3.8)',
  async (t) => {
    const forger = await anIdentityProvider(t, () => s.now)
    const gus = s.as(await s.aToken(globex.id, 'gus'))
    const input = { issuer: idp.issuer, audiences: [AUDIENCE, 'his'], jwks_uri: `${forger.issuer}/jwks` }
    const own = made(await gus.post('/issuers', input))
    const forged = (sub: string): string => forger.token({ iss: idp.issuer, sub, aud: 'his' })
    const asShared = exchange(forger.token({ iss: idp.issuer }), GLOBEX)
    await isRefused(t, 'invalid_request', asShared, 'for the audience of the shared one the shared one speaks')
    t.equal((await exchange(idp.token(), ACME)).status, 200, 'and shuts nobody out')
    for (const sub of ['alice', 'gus', 'olga', 'api_key:x', `idp:${shared.id}:alice`]) {
      await isRefused(t, 'invalid_request', exchange(forged(sub), ACME), `${sub} elsewhere`)
      await isRefused(t, 'invalid_target', exchange(forged(sub), GLOBEX), `${sub} at home`)
      await isRefused(t, 'invalid_request', exchange(forged(sub)), `${sub} nowhere`)
    }
    t.equal((await exchange(idp.token(), ACME)).status, 200, 'who logs in at the shared one elsewhere notices nothing')
    await s.aMembership(globex.id, { user_id: `${own.user_id_prefix}alice` })
    const mine = tokenOf(await exchange(forged('alice'), { ...GLOBEX, audience: s.issuer }))
    t.match(claimsOf(mine), { sub: `${own.user_id_prefix}alice`, tenant_id: globex.id, issuer_id: own.id })
    await isRefused(t, 'invalid_target', exchange(mine, ACME), 'and what is his leads nowhere else')
    t.equal((await gus.delete(`/issuers/${own.id}`)).status, 204)
    await isRefused(t, 'invalid_request', exchange(mine, GLOBEX), 'nor anywhere after the issuer is gone')
    t.equal((await exchange(idp.token(), GLOBEX)).status, 200)
  },
)

t.test('what was true of a login once is asked again each time', async (t) => {
  const member = await s.aMembership(acme.id, { user_id: 'mia' })
  const login = idp.token({ sub: 'mia' })
  const own = tokenOf(await exchange(login, { ...ACME, audience: s.issuer }))
  await s.root.delete(`/memberships/${member.id}`)
  await isRefused(t, 'invalid_target', exchange(login, ACME), 'a login, after the membership is gone')
  await isRefused(t, 'invalid_request', exchange(own, ACME), 'a token of ours, after it')
  await s.aMembership(acme.id, { user_id: 'mia', expires_at: s.instant(10) })
  t.ok(made(await exchange(login, ACME)).expires_in <= 10, 'no token outlives the membership')
  s.advance(10)
  await isRefused(t, 'invalid_target', exchange(login, ACME), 'a membership that is over')
})

t.test('a session is as old as its login says, and a login cannot be younger than its token', async (t) => {
  const login = (auth_time: unknown) => exchange(idp.token({ auth_time }), { ...ACME, audience: s.issuer })
  await isRefused(t, 'invalid_request', login(seconds() - 86_400), 'a day old')
  await isRefused(t, 'invalid_request', login(1), 'of 1970')
  const end = seconds() + 10
  const late = tokenOf(await login(end - 86_400))
  t.equal(claimsOf(late).exp, end, 'no token outlives the session')
  const { auth_time, iat } = claimsOf(tokenOf(await login(seconds() + 30)))
  t.equal(auth_time, iat, 'clocks differ')
  for (const untold of [seconds() + 86_400, seconds() * 1_000, Number.MAX_SAFE_INTEGER, 1e308, `${seconds()}`, -1, 0]) {
    const claims = claimsOf(tokenOf(await login(untold)))
    t.equal(claims.login_at, claims.iat)
    t.notOk('auth_time' in claims, `${untold} is no time of a login`)
  }
})

t.test('scope never widens, and never names what goes by name only (RFC 8693 §2.1, RFC 6749 §3.3)', async (t) => {
  const olga = (form: Form) => exchange(idp.token({ sub: 'olga' }), { ...ACME, audience: s.issuer, ...form })
  for (const scope of ['tenantry.token:issue', 'tenantry.role:assign_any', 'tenantry.api_key', '*:*', '**', 'admin']) {
    await isRefused(t, 'invalid_scope', olga({ scope }), scope)
  }
  const narrow = tokenOf(await olga({ scope: 'invoice:* tenantry.tenant:read' }))
  const strong = bearer(await s.anApiKey({ ...ACME, permissions: ['tenantry.token:issue'] }))
  for (const headers of [{}, strong]) {
    for (const scope of [undefined, '*', 'invoice:* *', '*:read', 'tenantry.* *']) {
      const wide = await exchange(narrow, { ...ACME, ...(scope && { scope }) }, headers)
      const wider = grantsOf(tokenOf(wide)).filter((held) => !/^(invoice:(\*|read)|tenantry\.tenant:read)$/.test(held))
      t.same(wider, [], `asking for ${scope}`)
    }
    await isRefused(t, 'invalid_scope', exchange(narrow, { ...ACME, scope: 'order:read' }, headers), 'another')
    await isRefused(t, 'invalid_target', exchange(narrow, GLOBEX, headers), 'elsewhere')
  }
})

t.test('an issuer that is trusted for fewer applications speaks for those alone', async (t) => {
  const other = await anIdentityProvider(t, () => s.now)
  const { id } = made(
    await s.root.post('/issuers', { issuer: other.issuer, audiences: [AUDIENCE, 'old'], shares_user_ids: true }),
  )
  const old = other.token({ aud: 'old' })
  t.equal((await exchange(old, ACME)).status, 200)
  made(await s.root.patch(`/issuers/${id}`, { audiences: [AUDIENCE] }))
  await isRefused(t, 'invalid_request', exchange(old, ACME), 'another application’s token')
})

t.test('names of users and issuers that are nearly the same are others, and odd ones are refused', async (t) => {
  for (const sub of ['ALICE', 'alice ', ' alice', 'alice\n', 'ａlice', 'alice%00', "alice' --", '%', 'al\u0131ce']) {
    await isRefused(t, 'invalid_target', exchange(idp.token({ sub }), ACME), JSON.stringify(sub))
  }
  for (const sub of ['alice\0', '\0', 'alice\ud800', '\udc00alice']) {
    await isRefused(t, 'invalid_request', exchange(idp.token({ sub }), ACME), JSON.stringify(sub))
  }
  for (const iss of [`${idp.issuer}\0`, '\0', `${idp.issuer}\ud800`, "' or 1=1 --", '%', randomUUID()]) {
    await isRefused(t, 'invalid_request', exchange(idp.token({ iss }), ACME), JSON.stringify(iss))
  }
  t.same(
    s.logged.filter(({ level }) => level >= 50),
    [],
    'none was a fault of ours',
  )
})
