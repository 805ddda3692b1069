// Facts in memory: when they are answered, when they are read again, and that nothing older than an eviction is kept.
import t, { type Test } from 'tap'
import { Cache } from '../../src/freshness/cache.ts'

interface Fact {
  version: number
}

interface Scene {
  cache: Cache
  world: { version: number; now: number; current: boolean }
  reads: () => number
  get(key?: string, options?: { names?: string[]; at_least?: number }): Promise<number | undefined>
  /** The next readings wait, after they have looked, until they are let go. */
  hold(): () => void
}

const aCache = (_: Test, most = 100, most_bytes = 1_000_000): Scene => {
  const world = { version: 1, now: 0, current: true }
  const cache = new Cache({
    most,
    most_bytes,
    elapsed: () => world.now,
    isCurrent: () => world.current,
    longest_ms: 500,
  })
  let reads = 0
  let held: Promise<void> = Promise.resolve()
  const get: Scene['get'] = async (key = 'vera', { names = ['membership:vera', 'tenant:acme'], at_least = 0 } = {}) => {
    const found = await cache.get<Fact>(key, {
      read: async () => {
        reads++
        const seen = { version: world.version }
        await held
        return seen.version === 0 ? null : seen
      },
      namesOf: () => names,
      suffices: ({ version }) => version >= at_least,
    })
    return found?.version
  }
  const hold = () => {
    const { promise, resolve } = withResolvers()
    held = promise
    return () => {
      held = Promise.resolve()
      resolve()
    }
  }
  return { cache, world, reads: () => reads, get, hold }
}

const withResolvers = () => {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

t.test('what was read is answered from memory until something is evicted that it rests on', async (t) => {
  const { cache, world, get, reads } = aCache(t)
  t.equal(await get(), 1)
  world.version = 2
  t.equal(await get(), 1)
  cache.evict(['membership:olga', 'tenant:other'])
  t.equal(await get(), 1, 'that was about others')
  cache.evict(['membership:vera'])
  t.equal(await get(), 2)
  world.version = 3
  cache.evict(['tenant:acme'])
  t.equal(await get(), 3)
  world.version = 4
  cache.evictAll()
  t.equal(await get(), 4)
  t.equal(reads(), 4)
  t.match(cache.counts, { hits: 2, misses: 4, evicted: 3, bypassed: 0 })
})

t.test(
  'a name that is evicted ends all that rests on it, and those that are kept later rest on a new one',
  async (t) => {
    const { cache, world, get } = aCache(t)
    const keys = ['vera', 'olga', 'nora']
    for (const key of keys) await get(key, { names: [`membership:${key}`, 'tenant:acme'] })
    world.version = 2
    cache.evict(['tenant:acme'])
    t.equal(await get('vera', { names: ['membership:vera', 'tenant:acme'] }), 2)
    world.version = 3
    t.equal(await get('vera'), 2)
    t.equal(await get('olga', { names: ['membership:olga', 'tenant:acme'] }), 3)
    t.equal(await get('nora', { names: ['membership:nora', 'tenant:acme'] }), 3)
  },
)

t.test('a reading that began before an eviction is not kept', async (t) => {
  const { cache, world, get, hold } = aCache(t)
  const letGo = hold()
  const early = get()
  world.version = 2
  cache.evict(['membership:vera'])
  letGo()
  t.equal(await early, 1, 'who asked before is answered what was true then')
  t.equal(await get(), 2)
})

t.test('a reading that began before an eviction of something else is kept', async (t) => {
  const { cache, world, get, hold } = aCache(t)
  const letGo = hold()
  const early = get()
  cache.evict(['membership:olga'])
  letGo()
  await early
  world.version = 2
  t.equal(await get(), 1)
})

t.test('who asks after an eviction does not wait for a reading from before', async (t) => {
  const { cache, world, get, hold } = aCache(t)
  const letGo = hold()
  const early = get()
  world.version = 2
  cache.evict(['membership:vera'])
  const late = get()
  letGo()
  t.same(await Promise.all([early, late]), [1, 2])
  t.equal(await get(), 2, 'and the later reading is the one that is kept')
})

t.test('many who ask at once share one reading, but none that has taken longer than facts may be old', async (t) => {
  const { world, get, hold, reads } = aCache(t)
  const letGo = hold()
  const together = [get(), get(), get()]
  t.equal(reads(), 1)
  world.version = 2
  world.now = 500
  const late = get()
  letGo()
  t.same(await Promise.all(together), [1, 1, 1])
  t.equal(await late, 2)
})

t.test('a storm of evictions during a reading lets it keep nothing', async (t) => {
  const { cache, world, get, hold } = aCache(t)
  const letGo = hold()
  const early = get()
  world.version = 2
  cache.evict(['membership:vera', ...Array.from({ length: 10_001 }, (_, number) => `membership:${number}`)])
  letGo()
  t.equal(await early, 1)
  t.equal(await get(), 2)
})

t.test('while it is not known what happened lately, everything is read and nothing is kept', async (t) => {
  const { cache, world, get, reads } = aCache(t)
  await get()
  world.current = false
  world.version = 2
  t.equal(await get(), 2)
  t.equal(reads(), 2)
  t.equal(cache.counts.bypassed, 1)
  world.current = true
  t.equal(await get(), 1, 'whatever happened meanwhile is told before it is current again')
})

t.test('a demand that what is kept does not meet is read, and what was read is kept', async (t) => {
  const { world, get, reads } = aCache(t)
  await get()
  world.version = 2
  t.equal(await get('vera', { at_least: 1 }), 1)
  t.equal(await get('vera', { at_least: 2 }), 2)
  t.equal(await get(), 2)
  t.equal(reads(), 2)
})

t.test('what is not there is asked for each time', async (t) => {
  const { world, get, cache, reads } = aCache(t)
  world.version = 0
  t.equal(await get(), undefined)
  t.equal(await get(), undefined)
  t.same([reads(), cache.size], [2, 0])
})

t.test('it keeps so much and no more: what was not asked for longest goes first', async (t) => {
  const { cache, get, reads } = aCache(t, 3)
  for (const key of ['a', 'b', 'c', 'a', 'd']) await get(key, { names: [`membership:${key}`] })
  t.equal(cache.size, 3)
  t.equal(reads(), 4)
  await get('a')
  t.equal(reads(), 4)
  await get('b')
  t.equal(reads(), 5)
})

t.test('nor does it keep more than it may take', async (t) => {
  const { cache, get, reads } = aCache(t, 100, 2_950) // an entry takes 950 bytes and its JSON
  for (const key of ['a', 'b', 'c', 'd']) await get(key, { names: [`membership:${key}`] })
  t.equal(cache.size, 3)
  t.ok(cache.bytes <= 2_950)
  await get('a')
  t.equal(reads(), 5)
  const none = aCache(t, 100, 500)
  t.equal(await none.get(), 1)
  t.equal(await none.get(), 1)
  t.same([none.cache.size, none.reads()], [0, 2], 'what is too large by itself is answered all the same')
})

t.test('a reading that fails is answered to all who wait, and the next one tries again', async (t) => {
  const { cache } = aCache(t)
  const failing = { read: () => Promise.reject(new Error('away')), namesOf: () => [] }
  const both = [cache.get('vera', failing), cache.get('vera', failing)]
  for (const each of both) await t.rejects(Promise.resolve(each), { message: 'away' })
  t.same(await cache.get('vera', { read: async () => ({ version: 1 }), namesOf: () => [] }), { version: 1 })
})
