// node bin/release-migrations.mjs
//
// Part of making a release: writes the migrations that are not in drizzle/released.json yet into it, under the version of
// package.json. From then on a test holds them to what they are; run twice, it changes nothing.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'

const drizzle = new URL('../drizzle/', import.meta.url)
const readJson = (url) => JSON.parse(readFileSync(url, 'utf8'))
const hashOf = (name) =>
  createHash('sha256')
    .update(readFileSync(new URL(`${name}.sql`, drizzle)))
    .digest('hex')

const place = new URL('released.json', drizzle)
const { releases } = readJson(place)
const { version } = readJson(new URL('../package.json', import.meta.url))
const { entries } = readJson(new URL('meta/_journal.json', drizzle))
const known = new Set(releases.flatMap(({ migrations }) => Object.keys(migrations)))
const fresh = entries.map(({ tag }) => tag).filter((tag) => !known.has(tag))
if (fresh.length > 0) {
  const migrations = Object.fromEntries(fresh.map((name) => [name, hashOf(name)]))
  releases.push({ version, commit: null, migrations })
  writeFileSync(place, `${JSON.stringify({ releases }, null, 2)}\n`)
}
process.stdout.write(`${fresh.length === 0 ? 'nothing new' : fresh.join('\n')}\n`)
