// The keys of trusted issuers, while their provider is there, away, slow, or says something else. A real provider on
// loopback; time is an injected clock.

import { TenantryError } from '@tenantry/client'
import t, { type Test } from 'tap'
import { until } from '../../clients/node/test/support/manual-time.ts'
import { guardedFetch } from '../../src/issuers/guarded-fetch.ts'
import { IssuerKeys } from '../../src/issuers/keys.ts'
import type { TrustedIssuer } from '../../src/issuers/queries.ts'
import { anIdentityProvider, aPair, type IdentityProvider, jwkOf } from '../support/identity-provider.ts'

const DISCOVERY = '/.well-known/openid-configuration'
const HOUR = 3_600

interface Scene {
  idp: IdentityProvider
  wait(seconds: number): void
  /** `found`, `unknown`, or what it failed with. */
  find(kid?: string): Promise<string>
}

const aScene = async (t: Test, changes: Partial<TrustedIssuer> = {}): Promise<Scene> => {
  let now = Date.now()
  const clock = () => new Date(now)
  const idp = await anIdentityProvider(t, clock)
  const keys = new IssuerKeys(guardedFetch({ allow_loopback: true }), clock)
  const trusted: TrustedIssuer = {
    ...{ id: 'an id', tenant_id: null, issuer: idp.issuer, audiences: [], jwks_uri: null, algorithms: ['ES256'] },
    ...{
      user_id_claim: 'sub',
      email_claim: 'email',
      email_verified_claim: 'email_verified',
      reserved_prefixes: [],
      user_id_prefix: '',
      client_auth_required: false,
      revision: 1,
      ...changes,
    },
  }
  const find = async (kid = idp.key.kid): Promise<string> => {
    try {
      return (await keys.findKey(trusted, kid)) === undefined ? 'unknown' : 'found'
    } catch (error) {
      return error instanceof TenantryError ? error.code : String(error)
    }
  }
  const wait = (seconds: number): void => {
    now += seconds * 1_000
  }
  return { idp, wait, find }
}

const times = (count: number, work: () => Promise<string>): Promise<Set<string>> =>
  Promise.all(Array.from({ length: count }, work)).then((results) => new Set(results))

const goAway = ({ answers }: IdentityProvider): void => {
  for (const path of [DISCOVERY, '/jwks']) answers.set(path, (_, response) => void response.destroy())
}

t.test('however many ask at once, the provider is asked once', async (t) => {
  const { idp, wait, find } = await aScene(t)
  t.same(await times(50, () => find()), new Set(['found']), 'at first')
  t.same(await times(50, () => find()), new Set(['found']), 'and later')
  t.same(
    [...idp.asked],
    [
      [DISCOVERY, 1],
      ['/jwks', 1],
    ],
  )
  wait(HOUR)
  await times(50, () => find())
  t.equal(idp.asked.get(DISCOVERY), 2, 'and once more after an hour')
})

t.test(
  'while the provider is away its known keys go on for an hour; then it is said to be away, until it is back',
  async (t) => {
    const { idp, wait, find } = await aScene(t)
    t.equal(await find(), 'found')
    goAway(idp)
    wait(HOUR)
    t.same(await times(20, () => find()), new Set(['found']))
    t.equal(await find('another'), 'jwks_unavailable', 'an unknown key may be a new one')
    wait(HOUR - 1)
    t.equal(await find(), 'jwks_unavailable', 'the keys were fetched before that')
    idp.answers.clear()
    wait(30)
    t.equal(await find(), 'found')
    t.equal(await find('another'), 'unknown')
  },
)

t.test('nobody waits for a provider whose keys are known', async (t) => {
  const { idp, wait, find } = await aScene(t)
  t.equal(await find(), 'found')
  idp.answers.set(DISCOVERY, () => {}) // never answers
  wait(HOUR)
  const started = performance.now()
  t.same(await times(20, () => find()), new Set(['found']))
  t.ok(performance.now() - started < 2_000, 'less than it would take to give up')
  t.equal(idp.asked.get(DISCOVERY), 2)
})

t.test('a provider that is away from the start is asked once a second, and found when it is there', async (t) => {
  const { idp, wait, find } = await aScene(t)
  goAway(idp)
  t.same(await times(20, () => find()), new Set(['jwks_unavailable']))
  t.same(await times(20, () => find()), new Set(['jwks_unavailable']))
  t.equal(idp.asked.get(DISCOVERY), 1)
  idp.answers.clear()
  wait(1)
  t.equal(await find(), 'found')
})

t.test('keys that moved are looked for in the new place, and those of the old one end', async (t) => {
  const { idp, wait, find } = await aScene(t)
  t.equal(await find(), 'found')
  const moved = aPair('moved')
  idp.answers.set('/moved', (_, response) => void response.end(JSON.stringify({ keys: [jwkOf(moved)] })))
  idp.answers.set(DISCOVERY, (_, response) =>
    response.end(JSON.stringify({ issuer: idp.issuer, jwks_uri: `${idp.issuer}/moved` })),
  )
  wait(HOUR)
  await find()
  await until(async () => (await find('moved')) === 'found') // who comes while it is looked up does not wait
  t.equal(await find(), 'unknown')
})

t.test('a document that becomes another issuer’s ends the trust at once', async (t) => {
  const { idp, wait, find } = await aScene(t)
  t.equal(await find(), 'found')
  idp.answers.set(DISCOVERY, (_, response) => response.end(JSON.stringify({ issuer: 'https://other.example' })))
  wait(HOUR)
  await until(async () => (await find()) !== 'found')
  t.match(await find(), /another issuer/)
})

t.test('an address that is named is not discovered', async (t) => {
  const { idp } = await aScene(t)
  const { find } = await aScene(t, { issuer: idp.issuer, jwks_uri: `${idp.issuer}/jwks` })
  t.equal(await find(), 'found')
  t.equal(idp.asked.get(DISCOVERY), undefined)
})
