// PostgreSQL has no room left on its disk, or no connection left: callers are told to come back, and when there is room again
// all goes on by itself.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { faultsOfHistories } from '../database/chain.ts'
import { aTenant, isUnavailable, join, onDatabase, untilReady } from '../operations/outages.ts'
import { findPostgres, startPostgres } from '../support/postgres-server.mjs'
import type { Answer } from '../support/service.ts'

const needsBinaries = findPostgres() ? false : 'starts a server of its own'
const DISK_MB = 200
const MOST_WRITES = 3_000

const words = ({ status, text }: Answer): string => `${status} ${text}`

/** A disk of its own that a test may fill; undefined where nobody may mount one. */
const aDisk = (t: Test): string | undefined => {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'tenantry-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m,mode=755`, 'tenantry-disk', folder], {
      stdio: 'pipe',
    })
  } catch {
    fs.rmdirSync(folder)
    return undefined
  }
  t.teardown(() => {
    execFileSync('umount', [folder])
    fs.rmdirSync(folder)
  })
  return folder
}

/** A server of its own, which the test's databases are on; in this folder. */
const aServer = async (t: Test, folder = tmpdir()) => {
  const before = { TMPDIR: process.env.TMPDIR, TEST_DATABASE_URL: process.env.TEST_DATABASE_URL }
  process.env.TMPDIR = folder
  const server = await startPostgres({ durable: true })
  process.env.TMPDIR = before.TMPDIR ?? ''
  if (before.TMPDIR === undefined) delete process.env.TMPDIR
  process.env.TEST_DATABASE_URL = server.url
  t.teardown(async () => {
    if (before.TEST_DATABASE_URL !== undefined) process.env.TEST_DATABASE_URL = before.TEST_DATABASE_URL
    await server.stop()
  })
  return server
}

/** Leaves not a byte. */
const fill = (file: string): void => {
  const descriptor = fs.openSync(file, 'w')
  for (let size = 1_048_576; size >= 512; ) {
    try {
      fs.writeSync(descriptor, Buffer.alloc(size))
    } catch {
      size /= 2
    }
  }
  fs.closeSync(descriptor)
}

t.test('a disk that is full', { skip: needsBinaries }, async (t) => {
  const disk = aDisk(t)
  if (disk === undefined) return void t.pass('a disk to fill', { skip: 'NOT TESTED: only root may mount one' })
  const server = await aServer(t, disk)
  const [replica, { superuser }] = await onDatabase(t)
  const tenant = await aTenant(replica)
  const ballast = path.join(disk, 'ballast')
  fill(ballast)
  const answers: Answer[] = []
  const write = async (writer: number): Promise<void> => {
    for (let number = 0; number < MOST_WRITES && !answers.some(isUnavailable); number++)
      answers.push(await join(replica, tenant.id, `user_${writer}_${number}_${'x'.repeat(200)}`))
  }
  await Promise.all([1, 2, 3, 4].map(write))
  t.ok(answers.some(isUnavailable), `${answers.length} writes until it was full`)
  t.same(answers.filter((answer) => answer.status !== 201 && !isUnavailable(answer)).map(words), [])
  t.equal((await replica.root.get('/livez')).status, 200)
  fs.rmSync(ballast)
  await server.restart() // where it was the log that did not fit in, PostgreSQL has given up
  await untilReady(replica)
  t.equal((await join(replica, tenant.id, 'user_after')).status, 201)
  const kept = new Set((await superuser('select id from tenantry.memberships')).map(({ id }) => id))
  t.ok(
    answers.every(({ status, body }) => status !== 201 || kept.has(body.id)),
    'what was acknowledged is there',
  )
  t.same(await faultsOfHistories(superuser), [])
})

t.test('others hold every connection', { skip: needsBinaries }, async (t) => {
  const server = await aServer(t)
  const [replica, { superuser }] = await onDatabase(t)
  const tenant = await aTenant(replica)
  const held: pg.Client[] = []
  const hold = async (): Promise<void> => {
    for (;;) {
      const client = new pg.Client({ connectionString: server.url })
      client.on('error', () => {})
      try {
        await client.connect()
      } catch {
        return
      }
      held.push(client)
    }
  }
  t.teardown(() => Promise.all(held.map((client) => client.end())))
  await hold()
  const END = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tenantry'`
  for (let rows = 1; rows > 0; await hold()) rows = (await held[0]?.query(END))?.rowCount ?? 0
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, number) => join(replica, tenant.id, `user_${number}`)),
  )
  t.same(answers.filter((answer) => !isUnavailable(answer)).map(words), [])
  t.equal((await replica.root.get('/livez')).status, 200)
  t.match(await replica.root.get('/.well-known/jwks.json'), { status: 200 })
  await Promise.all(held.splice(0).map((client) => client.end()))
  await untilReady(replica)
  t.equal((await join(replica, tenant.id, 'user_after')).status, 201)
  t.same(await faultsOfHistories(superuser), [])
})
