// What a verifier keeps of revocations when the service's database was restored to an earlier point.
import t from 'tap'
import { Knowledge } from '../src/revocations/knowledge.ts'

const TENANT = '0197a0c2-6f5e-7b3a-9d53-0f6f6a5f2c11'
const ENDS = Date.parse('2030-01-01T00:00:00Z')
const NOW = new Date('2029-12-31T23:30:00Z')
const entry = (history: string, target: string, rev: number) => ({ history, target, rev, expires_at_ms: ENDS })

const TOKEN = {
  ...{ tenant_id: TENANT, membership_id: 'm', roles: [], client_id: 'c', sub: 'user_olga', jti: 'j' },
  rev: { [TENANT]: 5, platform: 2 },
}

const aVerifier = () => {
  const knowledge = new Knowledge(
    () => NOW,
    () => {},
  )
  const hear = (epoch: number | undefined, ...entries: ReturnType<typeof entry>[]): void =>
    knowledge.hear({ entries, tenants: null, epoch }, knowledge.freshness.now())
  const stale = (kid: string): string | undefined => knowledge.revocations.findStale(TOKEN, kid, NOW.getTime())
  return { hear, stale }
}

t.test('in a new epoch entries about lost revisions are over, and revoked keys stay revoked', async (t) => {
  const { hear, stale } = aVerifier()
  hear(1, entry(TENANT, 'membership:m', 9), entry('platform', 'key:old', 3))
  t.equal(stale('new'), 'membership:m')
  hear(2, entry('platform', 'key:older', 4))
  t.equal(stale('new'), undefined, 'the revision 5 of now is not the one of then')
  t.equal(stale('old'), 'key:old')
  t.equal(stale('older'), 'key:older')
})

t.test('an older story, or one that names no epoch, takes nothing away', async (t) => {
  const { hear, stale } = aVerifier()
  hear(undefined, entry(TENANT, 'membership:m', 9))
  hear(2)
  t.equal(stale('new'), 'membership:m', 'the first epoch that is heard of ends nothing')
  hear(1)
  hear(undefined)
  hear(2)
  t.equal(stale('new'), 'membership:m')
})
