// An upgrade as operators make it: the previous release serves while the schema of this one is made beneath it, then both
// serve, then this one alone. Nobody who calls notices.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { faultsOfHistories } from '../database/chain.ts'
import { addressOf, request, serve, stop } from '../operations/processes.ts'
import { ISSUER, someSecrets } from '../operations/replicas.ts'
import { eventually } from '../support/downstream.ts'
import { findPostgres, startPostgres } from '../support/postgres-server.mjs'
import { builtRelease, previousRelease } from '../support/previous-release.ts'

const commit = previousRelease()
const skip =
  findPostgres() === undefined
    ? 'NO POSTGRESQL ON THIS MACHINE'
    : commit === undefined && 'THE PREVIOUS RELEASE IS NOT IN THE HISTORY OF THIS CLONE (is it shallow?)'

const SERVICE = { name: 'tenantry_service', password: 'only-for-tests-on-loopback' }
const { root_api_key, encryption_key } = someSecrets()
const ENOUGH = 25

interface Load {
  /** How many rounds were answered as they should be. */
  rounds: number
  faults: string[]
  stop(): Promise<void>
}

/** Checks, tokens, and memberships that come and go, one after the other, until told to stop. */
const loadOn = (address: string, tenant_id: string, name: string): Load => {
  let isOn = true
  const load: Load = {
    rounds: 0,
    faults: [],
    stop: () => {
      isOn = false
      return ended
    },
  }
  const ask = async (status: number, target: string, body?: object, credential = root_api_key) => {
    const answer = await request(address, credential, target, body)
    if (answer.status !== status) throw new Error(`${target}: ${answer.status} ${answer.body.code}`)
    return answer.body
  }
  const round = async (number: number): Promise<void> => {
    const user_id = `${name}_${number}`
    const membership = await ask(201, 'POST /memberships', { tenant_id, user_id, roles: ['member'] })
    const check = {
      ...{ subject: { type: 'user', id: user_id }, action: { name: 'read' }, resource: { type: 'invoice', id: '1' } },
      context: { tenant_id },
    }
    const { decision } = await ask(200, 'POST /access/v1/evaluation', check)
    if (decision !== true) throw new Error('a member may read')
    const { access_token } = await ask(200, 'POST /tokens', { tenant_id, user_id })
    await ask(200, `GET /tenants/${tenant_id}`, undefined, access_token)
    await ask(200, `PATCH /memberships/${membership.id}`, { roles: ['member', 'viewer'] })
  }
  const run = async (): Promise<void> => {
    for (let number = 0; isOn; number++) {
      try {
        await round(number)
        load.rounds++
      } catch (error) {
        load.faults.push(String(error))
        if (load.faults.length > ENOUGH) return
      }
    }
  }
  const ended = run()
  return load
}

/** So many more rounds, from now. */
const goesOn = async (load: Load): Promise<void> => {
  const before = load.rounds
  await eventually(() => load.rounds >= before + ENOUGH || load.faults.length > 0)
}

t.test('the previous release serves while this one migrates, and beside it', { skip }, async (t) => {
  const server = await startPostgres()
  t.teardown(() => server.stop())
  const previous = join(builtRelease(t, commit ?? ''), 'dist/cli/main.js')
  const url = Object.assign(new URL(server.url), { username: SERVICE.name, password: SERVICE.password }).href
  const migrate = (command: string): string =>
    execFileSync(process.execPath, [command, 'migrate', '--grant-to', SERVICE.name], {
      ...{ encoding: 'utf8', stdio: 'pipe' },
      env: { PATH: process.env.PATH, DATABASE_URL: server.url, TENANTRY_SERVICE_PASSWORD: SERVICE.password },
    })
  const settings = {
    ...{ DATABASE_URL: url, TENANTRY_ISSUER: ISSUER, TENANTRY_ROOT_API_KEY: root_api_key },
    TENANTRY_ENCRYPTION_KEY: encryption_key.toString('base64'),
    TENANTRY_MAX_EVENT_LOOP_DELAY_MS: '0', // nobody is turned away because the machine is slow
  }
  migrate(previous)
  const old = serve(t, settings, previous)
  const oldAddress = await addressOf(old)
  const tenant = await request(oldAddress, root_api_key, 'POST /tenants', {
    name: 'Acme',
    owner: { user_id: 'user_olga' },
  })
  const tenant_id = tenant.body.id
  const before = await request(oldAddress, root_api_key, 'POST /tokens', { tenant_id, user_id: 'user_olga' })

  const onOld = loadOn(oldAddress, tenant_id, 'old')
  await goesOn(onOld)
  t.match(migrate('bin/tenantry.mjs'), /→|nothing to do/)
  await goesOn(onOld)

  const present = serve(t, settings)
  const address = await addressOf(present)
  const onPresent = loadOn(address, tenant_id, 'present')
  await Promise.all([goesOn(onOld), goesOn(onPresent)])
  const token = before.body.access_token
  t.equal(
    (await request(address, token, `GET /tenants/${tenant_id}`)).status,
    200,
    'a token of the old one is good at the new',
  )
  const { body: fresh } = await request(address, root_api_key, 'POST /tokens', { tenant_id, user_id: 'present_0' })
  t.equal(
    (await request(oldAddress, fresh.access_token, `GET /tenants/${tenant_id}`)).status,
    200,
    'and the other way round',
  )
  const { body: found } = await request(address, root_api_key, `GET /memberships?tenant_id=${tenant_id}&user_id=old_0`)
  const { body: olds } = await request(oldAddress, root_api_key, 'POST /tokens', { tenant_id, user_id: 'old_0' })
  await request(address, root_api_key, `POST /memberships/${found.data[0].id}/suspend`)
  t.equal(
    (await request(oldAddress, olds.access_token, `GET /tenants/${tenant_id}`)).status,
    401,
    'what the new one revokes is refused by the old',
  )

  await onOld.stop()
  t.match(await stop(old), { code: 0 })
  await goesOn(onPresent)
  await onPresent.stop()
  t.same([onOld.faults, onPresent.faults], [[], []], `${onOld.rounds} and ${onPresent.rounds} rounds`)
  t.match(await stop(present), { code: 0 })
  const superuser = new pg.Client({ connectionString: server.url })
  await superuser.connect()
  t.same(await faultsOfHistories(async (text, values) => (await superuser.query(text, values)).rows), [])
  await superuser.end()
})
