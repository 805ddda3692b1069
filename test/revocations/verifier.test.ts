// Offline verification from end to end: the service listens, a verifier somewhere else follows its revocations.
import t, { type Test } from 'tap'
import { aCuttingProxy } from '../support/cutting-proxy.ts'
import { aDownstream, type Downstream, eventually, hurried } from '../support/downstream.ts'
import { aService, type TestService } from '../support/service.ts'

const AUDIENCE = 'https://api.example.com'

/** Listens on loopback; on the given port where another one stopped. */
const listen = ({ service }: TestService, port = 0): Promise<string> =>
  service.app.fastify.listen({ host: '127.0.0.1', port })

const aFollower = async (t: Test, s: TestService, url: string, api_key: string): Promise<Downstream> => {
  const downstream = aDownstream(t, url, {
    ...{ issuer: s.issuer, audience: AUDIENCE, clock: () => s.now, api_key, revocations: { timer: hurried } },
  })
  await downstream.verifier.ready()
  return downstream
}

interface Setting extends Downstream {
  tenant_id: string
  membership_id: string
  /** A fresh token of the member for the downstream service. */
  aToken(): Promise<string>
  /** A token of a member of another tenant. */
  other: string
}

const aSetting = async (t: Test, s: TestService, url: string): Promise<Setting> => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant({ owner: { user_id: 'gus' } })]
  const membership = await s.aMembership(acme.id, { roles: ['admin'] })
  const aToken = () => s.aToken(acme.id, membership.user_id, { audience: AUDIENCE })
  const key = await s.anApiKey({ permissions: ['tenantry.revocation:read'] })
  const downstream = await aFollower(t, s, url, key.secret)
  const other = await s.aToken(globex.id, 'gus', { audience: AUDIENCE })
  return { ...downstream, ...{ tenant_id: acme.id, membership_id: membership.id, aToken, other } }
}

const s = await aService(t)
const url = await listen(s)

t.test('a member who is removed is refused downstream at once; nobody else is', async (t) => {
  const { tenant_id, membership_id, aToken, other, outcome, becomes } = await aSetting(t, s, url)
  const { user_id } = await s.aMembership(tenant_id)
  const colleague = await s.aToken(tenant_id, user_id, { audience: AUDIENCE })
  const token = await aToken()
  t.equal(await outcome(token), 'accepted')
  await s.root.delete(`/memberships/${membership_id}`)
  await becomes(token, 'stale_token')
  t.equal(await outcome(colleague), 'accepted')
  t.equal(await outcome(other), 'accepted')
})

t.test('a member who is demoted goes on with a fresh token, which says less', async (t) => {
  const { membership_id, aToken, becomes, outcome, verifier } = await aSetting(t, s, url)
  const token = await aToken()
  t.ok((await verifier.verify(token)).hasRole('admin'))
  await s.root.patch(`/memberships/${membership_id}`, { roles: ['viewer'] })
  await becomes(token, 'stale_token')
  const fresh = await aToken()
  t.equal(await outcome(fresh), 'accepted')
  t.notOk((await verifier.verify(fresh)).hasRole('member'))
})

t.test('a suspended tenant is refused as a whole, and comes back with fresh tokens', async (t) => {
  const { tenant_id, aToken, other, becomes, outcome } = await aSetting(t, s, url)
  const token = await aToken()
  await s.root.post(`/tenants/${tenant_id}/suspend`)
  await becomes(token, 'stale_token')
  t.equal(await outcome(other), 'accepted')
  await s.root.post(`/tenants/${tenant_id}/reactivate`)
  t.equal(await outcome(token), 'stale_token')
  t.equal(await outcome(await aToken()), 'accepted')
})

t.test('with a key, the tokens go that it asked for', async (t) => {
  const { tenant_id, aToken, becomes, outcome } = await aSetting(t, s, url)
  const key = await s.anApiKey({ permissions: ['tenantry.token:issue'] })
  const { user_id } = await s.aMembership(tenant_id)
  const asked = { tenant_id, user_id, audience: AUDIENCE }
  const token = (await s.as(key.secret).post('/tokens', asked)).body.access_token
  t.equal(await outcome(token), 'accepted')
  await s.root.delete(`/api-keys/${key.id}`)
  await becomes(token, 'stale_token')
  t.equal(await outcome(await aToken()), 'accepted')
})

t.test('with a signing key that is thrown away, all goes that it signed', async (t) => {
  const { aToken, other, becomes, outcome } = await aSetting(t, s, url)
  const token = await aToken()
  t.equal(await outcome(token), 'accepted')
  await s.root.post('/signing-keys/rotate', { emergency: true })
  await becomes(token, 'stale_token')
  t.equal(await outcome(other), 'stale_token')
  s.advance(31) // the verifier looks for unknown keys once in 30 s
  await becomes(await aToken(), 'accepted')
})

t.test("a tenant's own key follows that tenant, and vouches for no other", async (t) => {
  const { tenant_id, membership_id, aToken, other } = await aSetting(t, s, url)
  const key = await s.anApiKey({ tenant_id, permissions: ['tenantry.revocation:read'] })
  const { outcome, becomes } = await aFollower(t, s, url, key.secret)
  const token = await aToken()
  t.equal(await outcome(token), 'accepted')
  t.equal(await outcome(other), 'revocations_unavailable')
  await s.root.delete(`/memberships/${membership_id}`)
  await becomes(token, 'stale_token')
})

t.test('a stream that is cut anywhere in the middle of an event is resumed without losing one', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const proxy = await aCuttingProxy(t, url)
  const streamOnly = { poll_seconds: 3_599, max_staleness_seconds: 3_600, timer: hurried }
  const { verifier, outcome, becomes } = aDownstream(t, url, {
    ...{ issuer: s.issuer, audience: AUDIENCE, clock: () => s.now, api_key: s.root_api_key },
    revocations: { ...streamOnly, stream_url: `${proxy.url}/revocations/stream` },
  })
  await verifier.ready()
  const someone = async () => {
    const { id, user_id } = await s.aMembership(tenant_id)
    const token = await s.aToken(tenant_id, user_id, { audience: AUDIENCE })
    t.equal(await outcome(token), 'accepted')
    return { token, remove: () => s.root.delete(`/memberships/${id}`) }
  }
  const first = await someone()
  await first.remove()
  await becomes(first.token, 'stale_token')
  const BYTES = [0, 30, 45, 90, 150, 220] // of some 250: in the chunk's length, the kind, the id, the data
  for (const bytes of BYTES) {
    const [cut, missed] = [await someone(), await someone()]
    proxy.cutAfter(bytes)
    await cut.remove()
    await missed.remove()
    for (const { token } of [cut, missed]) await becomes(token, 'stale_token')
  }
  t.equal(proxy.cuts, BYTES.length)
})

t.test('clocks that differ by most of a minute let no stale token through, for as long as it lives', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const replica = await aService(t, { replica_of: s, now: s.now })
  for (const [replica_seconds, verifier_seconds] of [
    [-55, 55],
    [55, -55],
  ] as const) {
    replica.time.now = new Date(s.now.getTime() + replica_seconds * 1_000)
    const time = { now: new Date(s.now.getTime() + verifier_seconds * 1_000) }
    const { outcome, becomes } = aDownstream(t, url, {
      ...{ issuer: s.issuer, audience: AUDIENCE, clock: () => time.now, api_key: s.root_api_key },
    })
    const { id, user_id } = await s.aMembership(tenant_id)
    const token = await replica.aToken(tenant_id, user_id, { audience: AUDIENCE, ttl_seconds: 3_600 })
    t.equal(await outcome(token), 'accepted')
    await s.root.delete(`/memberships/${id}`)
    await becomes(token, 'stale_token')
    const ends = replica.now.getTime() - (replica.now.getTime() % 1_000) + 3_600_000
    time.now = new Date(ends - 1)
    t.equal(await outcome(token), 'stale_token', 'to its last moment')
    time.now = new Date(ends)
    t.equal(await outcome(token), 'invalid_token')
  }
})

t.test('signs of life keep it current', async (t) => {
  const { aToken, verifier, outcome } = await aSetting(t, s, url)
  const token = await aToken()
  for (let i = 0; i < 10; i++) {
    s.advance(6)
    await eventually(() => verifier.staleness_seconds < 5)
  }
  t.equal(await outcome(token), 'accepted')
})

t.test('cut off, it fails closed in time; when the service is back, it catches up with what it missed', async (t) => {
  const s = await aService(t)
  const url = await listen(s)
  const { membership_id, aToken, other, becomes, outcome, verifier } = await aSetting(t, s, url)
  const token = await aToken()
  t.equal(await outcome(token), 'accepted')
  await s.service.app.fastify.close()
  s.advance(29)
  t.equal(await outcome(token), 'accepted')
  s.advance(2)
  t.equal(await outcome(token), 'revocations_unavailable')

  const restarted = await aService(t, { replica_of: s })
  await restarted.root.delete(`/memberships/${membership_id}`)
  await listen(restarted, Number(new URL(url).port))
  await becomes(token, 'stale_token')
  t.equal(await outcome(other), 'accepted')
  t.ok(verifier.staleness_seconds < 30)
})
