// Whether what is in memory can be relied on: only for so long after it was confirmed that all changes have been heard.
import t from 'tap'
import type { Change, CommitListener } from '../../src/database/scope.ts'
import type { Listener, News } from '../../src/events/tail.ts'
import { Following } from '../../src/freshness/following.ts'

const CHANGE: Change = { history_id: 'acme', type: 'membership.suspended', data: { membership_id: 'vera' } }

/** The two that tell it of changes, at the test's word. */
const aFollowing = (kind: 'embedded' | 'postgres', staleness_ms = 500) => {
  const state = { now: 1_000, evicted: [] as string[], left: 0, listens: 0, away: false }
  let commit: CommitListener = () => {}
  let hear: Listener = () => {}
  const following = new Following({
    database: {
      kind,
      onCommit: (listener) => {
        commit = listener
      },
    },
    tail: {
      listen: async (listener) => {
        state.listens++
        if (state.away) throw new Error('away')
        hear = listener
        return () => void state.left++
      },
    },
    ...{ staleness_ms, elapsed: () => state.now, onFault: () => {} },
  })
  following.keepInStep({
    evict: (names) => void state.evicted.push(...names),
    evictAll: () => void state.evicted.push('all'),
  })
  const news = (began_at: number, changes: Change[] | null = []): void =>
    hear({ ...NOTHING, changes, began_at } satisfies News)
  return { following, state, news, commit: (...changes: Change[]) => commit(changes, false, true) }
}

const NOTHING = {
  ...{ snapshot: '1:1:', platform_revision: 1, entries: [] },
  epoch: { number: 1, restored: 1, moved: null, place: { system_identifier: null, database_oid: 1, timeline: null } },
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('an embedded database has no other writer: what is in memory is always good', async (t) => {
  const { following, state, commit } = aFollowing('embedded')
  t.equal(following.isCurrent(), true)
  state.now += 60_000
  t.equal(following.isCurrent(), true)
  commit(CHANGE)
  t.same(state.evicted, ['membership:vera'])
  t.equal(state.listens, 0)
})

t.test('on a server it is good from the first confirmation on, and for so long after each', async (t) => {
  const { following, state, news } = aFollowing('postgres')
  t.equal(following.isCurrent(), false, 'the first question makes it follow')
  await turn()
  t.equal(following.isCurrent(), false)
  news(1_000)
  t.equal(following.isCurrent(), true)
  state.now = 1_499
  t.equal(following.isCurrent(), true)
  state.now = 1_500
  t.equal(following.isCurrent(), false)
  news(1_499)
  t.equal(following.isCurrent(), true, 'it counts from when the reading began, not from when it was answered')
  state.now = 1_999
  t.equal(following.isCurrent(), false)
  t.equal(following.lag_ms, 500)
  t.equal(state.listens, 1)
})

t.test('what others commit is evicted as it is told, and everything where that was too much to tell', async (t) => {
  const { following, state, news } = aFollowing('postgres')
  following.isCurrent()
  await turn()
  news(1_000, [CHANGE, { ...CHANGE, type: 'tenant.suspended' }])
  t.same(state.evicted, ['membership:vera', 'tenant:acme'])
  news(1_100, null)
  t.same(state.evicted.at(-1), 'all')
})

t.test('a tail that cannot be heard is asked for again, and meanwhile nothing in memory is good', async (t) => {
  const { following, state, news } = aFollowing('postgres')
  state.away = true
  t.equal(following.isCurrent(), false)
  await turn()
  state.away = false
  t.equal(following.isCurrent(), false)
  await turn()
  news(1_000)
  t.equal(following.isCurrent(), true)
})

t.test('stopped, it listens no more and relies on nothing', async (t) => {
  const { following, state, news } = aFollowing('postgres')
  following.isCurrent()
  following.stop()
  await turn()
  t.equal(state.left, 1, 'also where it was about to begin')
  news(1_000)
  t.equal(following.isCurrent(), false)
})

t.test('a bound of nothing keeps nothing', async (t) => {
  for (const kind of ['embedded', 'postgres'] as const) t.equal(aFollowing(kind, 0).following.isCurrent(), false)
})
