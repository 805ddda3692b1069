// A tenant always keeps an active owner without an end date, whatever its owners do to each other at the same moment.
import t from 'tap'
import type { Answer, Caller } from '../support/service.ts'
import { aService } from '../support/service.ts'

const s = await aService(t)

// On a server the two requests of a round, and many rounds, really run at once; PGlite takes one transaction at a time.
const ROUNDS = process.env.TEST_DATABASE_URL === undefined ? 8 : 200
const AT_ONCE = 20

type Way = (caller: Caller, membership_id: string) => Promise<Answer>

const demote: Way = (caller, id) => caller.patch(`/memberships/${id}`, { roles: ['admin'] })
const remove: Way = (caller, id) => caller.delete(`/memberships/${id}`)
const suspend: Way = (caller, id) => caller.post(`/memberships/${id}/suspend`)
const end: Way = (caller, id) => caller.patch(`/memberships/${id}`, { expires_at: s.instant(3600) })
const WAYS = [demote, remove, suspend, end]

const wayOf = (number: number): Way => WAYS[number % WAYS.length] ?? demote

interface Pair {
  tenant_id: string
  owners: [{ membership_id: string; caller: Caller }, { membership_id: string; caller: Caller }]
}

const aPairOfOwners = async (): Promise<Pair> => {
  const tenant = await s.aTenant()
  const [one, other] = [await s.aMember(tenant.id, 'owner'), await s.aMember(tenant.id, 'owner')]
  const ownerOf = ({ membership, caller }: typeof one) => ({ membership_id: membership.id, caller })
  return { tenant_id: tenant.id, owners: [ownerOf(one), ownerOf(other)] }
}

type Round = (pair: Pair, number: number) => Promise<Answer[]>

/** Plays all rounds, many at a time. Answers each round's two answers. */
const play = async (round: Round): Promise<Answer[][]> => {
  const answers: Answer[][] = []
  for (let first = 0; first < ROUNDS; first += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, ROUNDS - first) }, (_, index) => first + index)
    const pairs = await Promise.all(numbers.map(aPairOfOwners))
    answers.push(...(await Promise.all(pairs.map((pair, index) => round(pair, first + index)))))
  }
  return answers
}

/** What the losers of all rounds were told, each thing once. */
const losersOf = (rounds: Answer[][]): string[] => {
  const losers = rounds.flat().filter(({ status }) => status >= 300)
  return [...new Set(losers.map(({ status, body }) => `${status} ${body.code}`))].sort()
}

const winnersOf = (round: Answer[]): number => round.filter(({ status }) => status < 300).length

const tenantsWithoutOwner = (): Promise<Record<string, unknown>[]> =>
  s.test_database.superuser(`
    select t.id from tenantry.tenants t where not exists (
      select from tenantry.memberships m
      join tenantry.membership_roles mr on mr.tenant_id = m.tenant_id and mr.membership_id = m.id
      join tenantry.roles r on r.history_id = mr.role_history_id and r.id = mr.role_id
      where m.tenant_id = t.id and m.status = 'active' and m.expires_at is null and r.key = 'owner')`)

t.test('of two owners who turn on each other at once one remains', async (t) => {
  const rounds = await play(({ owners: [one, other] }, number) =>
    Promise.all([
      wayOf(number)(one.caller, other.membership_id),
      wayOf(Math.floor(number / WAYS.length))(other.caller, one.membership_id),
    ]),
  )
  t.equal(rounds.length, ROUNDS)
  t.same([...new Set(rounds.map(winnersOf))], [1], 'each round has one winner')
  const allowed = [
    '401 token.stale',
    '403 permission.missing',
    '403 role.exceeds_own',
    '409 membership.last_owner',
    '409 principal.changed',
  ]
  t.same(
    losersOf(rounds).filter((loser) => !allowed.includes(loser)),
    [],
    'a loser is told why',
  )
  t.same(await tenantsWithoutOwner(), [])
})

t.test('of two owners whom the platform takes away at once the second stays', async (t) => {
  const rounds = await play(({ owners: [one, other] }, number) =>
    Promise.all([
      wayOf(number)(s.root, one.membership_id),
      wayOf(Math.floor(number / WAYS.length))(s.root, other.membership_id),
    ]),
  )
  t.same([...new Set(rounds.map(winnersOf))], [1])
  t.same(losersOf(rounds), ['409 membership.last_owner'])
  t.same(await tenantsWithoutOwner(), [])
})

t.test('of two owners who leave at once the second cannot', async (t) => {
  const rounds = await play(({ owners }) =>
    Promise.all(owners.map(({ caller, membership_id }) => remove(caller, membership_id))),
  )
  t.same([...new Set(rounds.map(winnersOf))], [1])
  t.same(losersOf(rounds), ['409 membership.last_owner'])
  t.same(await tenantsWithoutOwner(), [])
})
