// Released migrations are what they were: databases have them, and nobody applies them twice.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { readMigrations } from '../../src/database/journal.ts'

interface Release {
  version: string
  /** The commit to build it from; null where the tag of the version says it. */
  commit: string | null
  migrations: Record<string, string>
}

const { releases } = JSON.parse(readFileSync('drizzle/released.json', 'utf8')) as { releases: Release[] }
const present = readMigrations()

t.test('every released migration is still there, in its place, and says what it said', async (t) => {
  const released = releases.flatMap(({ migrations }) => Object.entries(migrations))
  t.ok(released.length > 0)
  t.same(
    present.slice(0, released.length).map(({ name, hash }) => [name, hash]),
    released,
    'what must change is changed by a migration of its own: docs/upgrades.md',
  )
})

t.test('migrations are numbered in their order, which is the order of their instants', async (t) => {
  const names = present.map(({ name }) => name)
  t.same(names, names.toSorted())
  t.equal(new Set(names.map((name) => name.slice(0, 4))).size, names.length)
  const instants = present.map(({ when }) => when)
  t.same(
    instants,
    instants.toSorted((one, other) => one - other),
  )
})
