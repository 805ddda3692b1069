// Which tokens are stale: the rule against a model that is too simple to be wrong.

import fc from 'fast-check'
import t from 'tap'
import type { RevocationEntry } from '../src/revocations/entries.ts'
import { type Revocable, Revocations } from '../src/revocations/rule.ts'
import { aPayload, MEMBERSHIP_ID, OTHER_TENANT_ID, TENANT_ID } from './support/tokens.ts'

type Case = { readonly token: Revocable; readonly kid: string }

function fits({ history, target }: RevocationEntry, { token, kid }: Case): boolean {
  if (history !== token.tenant_id && history !== 'platform') return false
  const [kind, id] = [target.slice(0, target.indexOf(':')), target.slice(target.indexOf(':') + 1)]
  if (target === 'tenant') return true
  if (kind === 'membership') return token.membership_id === id
  if (kind === 'role') return [...token.roles, ...(token.narrowed_from ?? [])].includes(id)
  if (kind === 'api_key') return token.client_id === id || token.sub === `api_key:${id}`
  if (kind === 'token') return token.jti === id
  return kind === 'key' && kid === id
}

function isStale(entries: readonly RevocationEntry[], one: Case, now_ms: number): boolean {
  return entries.some((entry) => {
    const isOlder = entry.target.startsWith('key:') || (one.token.rev[entry.history] ?? 0) < entry.rev
    return now_ms < entry.expires_at_ms && fits(entry, one) && isOlder
  })
}

const name = fc.constantFrom('1', '2', 'a:b')
const history = fc.constantFrom('platform', 't1', 't2')
const rev = fc.nat(6)
const target = fc.oneof(
  fc.constant('tenant'),
  fc
    .tuple(fc.constantFrom('membership', 'role', 'api_key', 'token', 'key', 'group'), name)
    .map(([kind, id]) => `${kind}:${id}`),
)
const entries = fc.array(fc.record({ history, target, rev, expires_at_ms: fc.nat(10) }), { maxLength: 20 })
const cases = fc.array(
  fc
    .record({
      tenant_id: fc.constantFrom('t1', 't2'),
      isMachine: fc.boolean(),
      ...{ id: name, client_id: name, jti: name, kid: name },
      roles: fc.uniqueArray(name),
      narrowed_from: fc.uniqueArray(name),
      rev: fc.dictionary(history, rev, { noNullPrototype: true }),
    })
    .map(({ isMachine, id, kid, ...rest }): Case => {
      const who = isMachine ? { sub: `api_key:${id}`, membership_id: null } : { sub: 'alice', membership_id: id }
      return { token: { ...rest, ...who }, kid }
    }),
  { maxLength: 10 },
)

t.test('it agrees with the model, in any order, with repetitions, before and after sweeping', async () => {
  const property = fc.property(entries, cases, fc.nat(10), fc.nat(1_000), (told, tokens, now_ms, seed) => {
    const revocations = new Revocations()
    const shuffled = [...told].sort((a, b) => ((told.indexOf(a) * seed) % 7) - ((told.indexOf(b) * seed) % 7))
    for (const entry of shuffled) revocations.add([entry, entry], 0)
    const agrees = () =>
      tokens.every(
        (one) => (revocations.findStale(one.token, one.kid, now_ms) !== undefined) === isStale(told, one, now_ms),
      )
    if (!agrees()) return false
    revocations.sweep(now_ms)
    return agrees() && revocations.size <= told.filter((entry) => entry.expires_at_ms > now_ms).length
  })
  fc.assert(property, { numRuns: 5_000 })
})

const later = { expires_at_ms: 1_000 }
const user = aPayload()
const machine = aPayload({ sub: 'api_key:k1', membership_id: null, roles: [] })

const examples: [title: string, token: Revocable, entry: Omit<RevocationEntry, 'expires_at_ms'>, isStale: boolean][] = [
  ['the tenant', user, { history: TENANT_ID, target: 'tenant', rev: 58 }, true],
  ['the very revision of the token', user, { history: TENANT_ID, target: 'tenant', rev: 57 }, false],
  ['another tenant', user, { history: OTHER_TENANT_ID, target: 'tenant', rev: 99 }, false],
  ['the membership', user, { history: TENANT_ID, target: `membership:${MEMBERSHIP_ID}`, rev: 58 }, true],
  ['another membership', user, { history: TENANT_ID, target: 'membership:x', rev: 58 }, false],
  ['a role', user, { history: TENANT_ID, target: 'role:member', rev: 58 }, true],
  ['a shared role', user, { history: 'platform', target: 'role:member', rev: 13 }, true],
  ['a role that the token has not', user, { history: TENANT_ID, target: 'role:owner', rev: 58 }, false],
  ['the key that asked', user, { history: 'platform', target: 'api_key:client-1', rev: 13 }, true],
  ['the key that is the subject', machine, { history: TENANT_ID, target: 'api_key:k1', rev: 58 }, true],
  ['a key like the subject of a user', user, { history: TENANT_ID, target: 'api_key:alice', rev: 58 }, false],
  ['the token', user, { history: TENANT_ID, target: 'token:token-1', rev: 58 }, true],
  ['the signing key', user, { history: 'platform', target: 'key:key-1', rev: 13 }, true],
  [
    'the signing key, at a revision that the token only claims',
    user,
    { history: 'platform', target: 'key:key-1', rev: 3 },
    true,
  ],
  ['another signing key', user, { history: 'platform', target: 'key:key-2', rev: 13 }, false],
  ['a target of another kind', user, { history: TENANT_ID, target: 'alice', rev: 58 }, false],
  [
    'a history that the token does not know',
    aPayload({ rev: {} }),
    { history: 'platform', target: 'tenant', rev: 1 },
    true,
  ],
  ['revision 0', aPayload({ rev: {} }), { history: 'platform', target: 'tenant', rev: 0 }, false],
  [
    'a history that is called like a method',
    aPayload({ tenant_id: 'constructor', rev: {} }),
    { history: 'constructor', target: 'tenant', rev: 1 },
    true,
  ],
]

for (const [title, token, entry, isStale] of examples) {
  t.test(`an entry of ${title} makes the token ${isStale ? 'stale' : 'no different'}`, async (t) => {
    const revocations = new Revocations()
    revocations.add([{ ...entry, ...later }], 0)
    t.equal(revocations.findStale(token, 'key-1', 999), isStale ? entry.target : undefined)
    t.equal(revocations.findStale(token, 'key-1', 1_000), undefined, 'and it ends on the millisecond')
  })
}

t.test('memory holds what is live, and no more than it may', async (t) => {
  const revocations = new Revocations(100)
  const entry = (i: number, expires_at_ms: number) => ({ history: `t${i}`, target: 'tenant', rev: 1, expires_at_ms })
  const hundred = Array.from({ length: 100 }, (_, i) => entry(i, 10))
  revocations.add(hundred, 0)
  revocations.add(hundred, 0)
  t.equal(revocations.size, 100, 'what is known already takes no room')
  t.throws(() => revocations.add([entry(100, 20)], 9), RangeError)
  revocations.add([entry(100, 20)], 10)
  t.equal(revocations.size, 1, 'what is over makes room')
  revocations.add([entry(7, 15)], 15)
  t.equal(revocations.size, 1, 'what is over when it comes is not kept')
  revocations.sweep(20)
  t.equal(revocations.size, 0)
})

t.test(
  'a tenant that changes more than anybody can remember takes no memory from others, and no revocation back',
  async (t) => {
    const revocations = new Revocations(3_000)
    const many = Array.from({ length: 10_000 }, (_, i) => ({
      ...{ history: TENANT_ID, target: `membership:${i}`, rev: 58 + i, expires_at_ms: 1_000 + i },
    }))
    revocations.add([{ history: OTHER_TENANT_ID, target: `membership:${MEMBERSHIP_ID}`, rev: 1, ...later }], 0)
    revocations.add([{ history: TENANT_ID, target: 'key:key-9', rev: 1, expires_at_ms: 20_000 }], 0)
    for (const entry of many) revocations.add([entry], 0)
    t.ok(revocations.size <= 1_002)
    const acceptable = many.filter(({ target, rev, expires_at_ms }) => {
      const token = aPayload({ membership_id: target.slice('membership:'.length), rev: { [TENANT_ID]: rev - 1 } })
      return revocations.findStale(token, 'key-1', expires_at_ms - 1) === undefined
    })
    t.same(acceptable, [], 'what was stale is')
    t.equal(revocations.findStale(aPayload({ rev: { [TENANT_ID]: 99_999 } }), 'key-9', 0), 'key:key-9')
    const fresh = aPayload({ rev: { [TENANT_ID]: 58 + 10_000 } })
    t.equal(revocations.findStale(fresh, 'key-1', 0), undefined, 'a token that was issued after all of it is good')
    const elsewhere = aPayload({ tenant_id: OTHER_TENANT_ID, membership_id: 'x', rev: {} })
    t.equal(revocations.findStale(elsewhere, 'key-1', 0), undefined, 'and other tenants feel nothing of it')
  },
)
