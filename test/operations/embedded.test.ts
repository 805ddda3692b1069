// The embedded database in its directory: what was acknowledged survives the process, and one process has it at a time.
import fs from 'node:fs'
import path from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { createVerifier } from '@tenantry/client'
import t from 'tap'
import { faultsOfHistories } from '../database/chain.ts'
import { prepareDirectory } from '../support/databases.ts'
import { membershipIds, writeMemberships } from './acknowledged.ts'
import { addressOf, aFolder, kill9, request, serve, stop } from './processes.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? false : 'not about a server'

const keyIn = (folder: string): string => fs.readFileSync(path.join(folder, 'root-api-key'), 'utf8').trim()

/** Whether every history is perfect, asked of the directory itself. */
const faultsIn = async (folder: string): Promise<string[]> => {
  const client = await PGlite.create({ dataDir: path.join(folder, 'database') })
  try {
    return await faultsOfHistories(async (text) => (await client.query<Record<string, unknown>>(text)).rows)
  } finally {
    await client.close()
  }
}

t.test('what was acknowledged survives kill -9, and the next start takes over at once', { skip }, async (t) => {
  const folder = aFolder(t)
  await prepareDirectory(folder)
  const settings = { TENANTRY_DATA_DIR: folder, TENANTRY_ISSUER: 'http://tenantry.test' }
  const first = serve(t, settings)
  const address = await addressOf(first)
  const root = keyIn(folder)
  t.equal(fs.statSync(path.join(folder, 'root-api-key')).mode & 0o777, 0o600)
  const tenant = await request(address, root, 'POST /tenants', { name: 'Acme', owner: { user_id: 'user_olga' } })
  const tenant_id = tenant.body.id
  const { body: issued } = await request(address, root, 'POST /tokens', { tenant_id, user_id: 'user_olga' })
  const writes = writeMemberships(address, root, tenant_id, 40)
  await writes.acknowledged
  await kill9(first)
  const acknowledged = await writes.ended

  // The heart would seem to beat for another hour: only the process that is gone can tell.
  const inAnHour = new Date(Date.now() + 3_600_000)
  fs.utimesSync(path.join(folder, 'lock'), inAnHour, inAnHour)
  const second = serve(t, settings)
  const again = await addressOf(second)
  t.equal(keyIn(folder), root, 'the key that the person has')
  const kept = await membershipIds(again, root, tenant_id)
  t.same(
    acknowledged.filter((id) => !kept.has(id)),
    [],
  )
  const { keys } = (await request(again, root, 'GET /.well-known/jwks.json')).body
  const find = (kid: string) => keys.find((key: { kid: string }) => key.kid === kid)
  const verifier = createVerifier({ issuer: 'http://tenantry.test', audience: 'http://tenantry.test', keys: find })
  t.equal((await verifier.verify(issued.access_token)).tenant_id, tenant_id, 'a token of before still verifies')
  t.equal((await request(again, issued.access_token, `GET /tenants/${tenant_id}`)).status, 200)

  t.test('and a second process is refused while this one goes on', async (t) => {
    const { code, stderr } = await serve(t, settings).ended
    t.equal(code, 78)
    t.match(stderr, /is in use by another Tenantry process/)
    t.notMatch(stderr, /\n +at /, 'words, not a stack')
    t.equal((await request(again, root, `GET /tenants/${tenant_id}`)).status, 200)
  })

  t.test('and when it is stopped in order it leaves no lock and a perfect history', async (t) => {
    t.match(await stop(second), { code: 0, signal: null })
    t.notOk(fs.existsSync(path.join(folder, 'lock')))
    t.same(await faultsIn(folder), [])
  })

  t.test('and without the encryption key that sealed its signing key it does not start', async (t) => {
    fs.rmSync(path.join(folder, 'encryption-key'))
    const { code, stderr } = await serve(t, settings).ended
    t.equal(code, 78)
    t.match(stderr, /TENANTRY_ENCRYPTION_KEY .*encryption-key.* does not open this database's signing keys/)
  })
})

t.test('of two first starts at the same moment one serves and the other is refused', { skip }, async (t) => {
  const folder = aFolder(t)
  const both = [serve(t, { TENANTRY_DATA_DIR: folder }), serve(t, { TENANTRY_DATA_DIR: folder })]
  const addresses = await Promise.all(both.map(({ listening }) => listening))
  const serving = addresses.filter((address) => address !== undefined)
  t.equal(serving.length, 1)
  const refused = both[addresses.indexOf(undefined)]
  t.match(await refused?.ended, { code: 78, stderr: /is in use by another Tenantry process/ })
  t.equal((await request(serving[0] ?? '', keyIn(folder), 'GET /tenants')).status, 200)
})
