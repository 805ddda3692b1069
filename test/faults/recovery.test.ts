// A backup is worth what restoring it is worth: rehearsed with PostgreSQL's own programs, on servers that archive their log.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { migratePostgres } from '../../src/database/migrations.ts'
import { run } from '../cli/command.ts'
import { addressOf, type Process, request, serve, stop } from '../operations/processes.ts'
import { ISSUER, someSecrets } from '../operations/replicas.ts'
import { aDownstream, eventually, hurried, KEY_GONE } from '../support/downstream.ts'
import { findPostgres, type PostgresServer, startPostgres } from '../support/postgres-server.mjs'

const skip = findPostgres() === undefined && 'NO POSTGRESQL ON THIS MACHINE'
const SERVICE = { name: 'tenantry_service', password: 'only-for-tests-on-loopback' }
const { root_api_key, encryption_key } = someSecrets()

const urlOf = (server: PostgresServer, username = SERVICE.name, password = SERVICE.password): string =>
  Object.assign(new URL(server.url), { username, password, pathname: '/postgres' }).href

const settingsFor = (server: PostgresServer): Record<string, string> => ({
  ...{ DATABASE_URL: urlOf(server), TENANTRY_ISSUER: ISSUER, TENANTRY_ROOT_API_KEY: root_api_key },
  TENANTRY_ENCRYPTION_KEY: encryption_key.toString('base64'),
  TENANTRY_MAX_EVENT_LOOP_DELAY_MS: '0', // nobody is turned away because the machine is slow
})

const ARCHIVING = (home: string) => ({
  ...{ wal_level: 'replica', archive_mode: 'on', archive_timeout: 0 },
  archive_command: `mkdir -p ${join(home, 'archive')} && cp %p ${join(home, 'archive')}/%f`,
})

const superuser = async (server: PostgresServer, statement: string): Promise<Record<string, unknown>[]> => {
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  const { rows } = await client.query(statement)
  await client.end()
  return rows
}

const ask = async (address: string, target: string, body?: object) => {
  const answer = await request(address, root_api_key, target, body)
  if (answer.status >= 300) throw new Error(`${target}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

const tokenOf = async (address: string, tenant_id: string, user_id: string): Promise<string> =>
  (await ask(address, 'POST /tokens', { tenant_id, user_id, ttl_seconds: 3_600 })).access_token

const portOf = (address: string): string => new URL(address).port

/** A service in front of a server, with a tenant in it, and a verifier somewhere else that follows it. */
const scene = async (t: Test) => {
  const server = await startPostgres({ settings: ARCHIVING })
  t.teardown(() => server.stop())
  await migratePostgres(server.url, SERVICE)
  const running = serve(t, settingsFor(server))
  const address = await addressOf(running)
  const tenant = await ask(address, 'POST /tenants', { name: 'Acme', owner: { user_id: 'user_olga' } })
  const vera = await ask(address, 'POST /memberships', { tenant_id: tenant.id, user_id: 'user_vera' })
  const key = { name: 'follower', permissions: ['tenantry.revocation:read'] }
  const { secret: api_key } = await ask(address, 'POST /api-keys', key)
  const downstream = aDownstream(t, address, {
    ...{ issuer: ISSUER, audience: ISSUER, api_key, cooldown_seconds: 1 },
    revocations: { timer: hurried },
  })
  return { server, running, address, tenant_id: tenant.id, vera, downstream }
}

/** Serves at the same address again; until `after-restore` it waits. */
const servedAgain = async (t: Test, server: PostgresServer, address: string): Promise<Process> => {
  const running = serve(t, { ...settingsFor(server), PORT: portOf(address) })
  await running.logged(/not ready: the database is not where its epoch 1 began.*tenantry after-restore/)
  await running.logged(/answering probes/)
  const answer = await fetch(`${address}/readyz`)
  t.match([answer.status, await answer.json()], [503, { checks: [{ name: 'epoch', ok: false }] }])
  return running
}

const historiesHold = async (t: Test, server: PostgresServer): Promise<void> => {
  t.match(await run(['verify-history'], { DATABASE_URL: urlOf(server) }), { code: 0, out: /^2 histories hold/ })
}

t.test(
  'recovered to a point in time, nothing from after that point is good, and all that is new is',
  { skip },
  async (t) => {
    const { server, running, address, tenant_id, vera, downstream } = await scene(t)
    const kept = await tokenOf(address, tenant_id, 'user_vera')
    server.tools('pg_basebackup', ['--pgdata', join(server.home, 'backup'), '--checkpoint=fast', '--wal-method=none'])
    await superuser(server, `select pg_create_restore_point('before_the_accident')`)

    // What will have been lost: a member, a token of hers at higher revisions, and that Vera was suspended.
    await ask(address, 'POST /memberships', { tenant_id, user_id: 'user_lost' })
    await ask(address, 'POST /roles', { key: 'shared', name: 'Shared', permissions: ['*:read'] })
    const lost = await tokenOf(address, tenant_id, 'user_lost')
    await downstream.becomes(kept, 'accepted')
    await downstream.becomes(lost, 'accepted')
    await ask(address, `POST /memberships/${vera.id}/suspend`)
    await downstream.becomes(kept, 'stale_token')
    await superuser(server, 'select pg_switch_wal()')
    t.match(await stop(running), { code: 0 })
    await eventually(async () => {
      const [row] = await superuser(
        server,
        'select archived_count > 0 and pg_walfile_name(pg_current_wal_lsn()) > last_archived_wal as done from pg_stat_archiver',
      )
      return row?.done === true
    })
    const restored = await startPostgres({
      from: server,
      fill: (_, data) => {
        // With their owner, who is not whoever runs the tests. What is in the signal's file does not matter.
        execFileSync('cp', ['-a', join(server.home, 'backup'), data])
        execFileSync('cp', ['-a', join(data, 'PG_VERSION'), join(data, 'recovery.signal')])
      },
      settings: () => ({
        restore_command: `cp ${join(server.home, 'archive')}/%f %p`,
        ...{ recovery_target_name: 'before_the_accident', recovery_target_action: 'promote' },
      }),
    })
    t.teardown(() => restored.stop())
    await historiesHold(t, restored)

    const again = await servedAgain(t, restored, address)
    const another = { ...settingsFor(restored), TENANTRY_ENCRYPTION_KEY: Buffer.alloc(32, 1).toString('base64') }
    t.match(
      await run(['after-restore'], another),
      { code: 78, err: /TENANTRY_ENCRYPTION_KEY/ },
      'nothing is sealed with another key',
    )
    const { code, out } = await run(['after-restore', '--json'], settingsFor(restored))
    t.equal(code, 0)
    t.match(JSON.parse(out), { epoch: 2, tenants: 1, nothing_lost: false })
    t.equal(await addressOf(again), address)

    await downstream.becomes(lost, ...KEY_GONE)
    t.ok(KEY_GONE.includes(await downstream.outcome(kept)), 'from before the point, but who knows which')
    const fresh = await tokenOf(address, tenant_id, 'user_vera')
    await downstream.becomes(fresh, 'accepted')
    const { data } = await ask(address, `GET /events?tenant_id=${tenant_id}`)
    t.equal(data.at(-1).type, 'tenant.restored')
    await historiesHold(t, restored)
    t.match(await stop(again), { code: 0 })
  },
)

t.test('dumped and restored into another cluster, with nothing lost, tokens stay good', { skip }, async (t) => {
  const { server, running, address, tenant_id, vera, downstream } = await scene(t)
  const token = await tokenOf(address, tenant_id, 'user_olga')
  const veras = await tokenOf(address, tenant_id, 'user_vera')
  await downstream.becomes(token, 'accepted')
  t.match(await stop(running), { code: 0 })
  t.equal(await downstream.outcome(token), 'accepted', 'while the service is away verifiers go on, within their bound')

  const restored = await startPostgres()
  t.teardown(() => restored.stop())
  const roles = server.tools('pg_dumpall', ['--roles-only']).replace(/^(CREATE|ALTER) ROLE postgres\b.*$/gm, '')
  restored.tools('psql', ['--quiet', '-v', 'ON_ERROR_STOP=1'], roles)
  restored.tools('psql', ['--quiet', '-v', 'ON_ERROR_STOP=1'], server.tools('pg_dump', ['postgres']))
  await historiesHold(t, restored)

  const again = await servedAgain(t, restored, address)
  t.match(await run(['after-restore', '--nothing-lost'], settingsFor(restored)), {
    code: 0,
    out: /^epoch 2: keys and tokens stay/,
  })
  t.equal(await addressOf(again), address)
  await downstream.becomes(token, 'accepted')
  await ask(address, `POST /memberships/${vera.id}/suspend`)
  await downstream.becomes(veras, 'stale_token')
  await historiesHold(t, restored)
  t.match(await stop(again), { code: 0 })
})
