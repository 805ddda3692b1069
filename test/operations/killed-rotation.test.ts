// The process is killed while its signing keys are turned; a verifier that follows it lives through that.
import t from 'tap'
import { prepareDirectory } from '../support/databases.ts'
import { aDownstream, hurried, KEY_GONE } from '../support/downstream.ts'
import { addressOf, aFolder, kill9, request, serve } from './processes.ts'
import { ISSUER, someSecrets } from './replicas.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? false : 'not about a server'

const ROTATE = 'POST /signing-keys/rotate'

t.test('a rotation survives kill -9, and so do those who follow', { skip }, async (t) => {
  const { root_api_key: root } = someSecrets()
  const folder = aFolder(t)
  await prepareDirectory(folder)
  const settings = { TENANTRY_DATA_DIR: folder, TENANTRY_ISSUER: ISSUER, TENANTRY_ROOT_API_KEY: root }
  const first = serve(t, settings)
  const address = await addressOf(first)
  const ask = async (target: string, body?: object) => (await request(address, root, target, body)).body
  const { id: tenant_id } = await ask('POST /tenants', { name: 'Acme', owner: { user_id: 'user_olga' } })
  const aToken = async (): Promise<string> =>
    (await ask('POST /tokens', { tenant_id, user_id: 'user_olga', ttl_seconds: 3_600 })).access_token
  const { becomes, outcome } = aDownstream(t, address, {
    ...{ issuer: ISSUER, audience: ISSUER, api_key: root, cooldown_seconds: 1, revocations: { timer: hurried } },
  })
  const before = await aToken()
  t.equal(await outcome(before), 'accepted')
  const [fresh] = (await ask(ROTATE, { emergency: true })).data
  const announcing = ask(ROTATE).catch(() => 'nobody answered')
  await ask('GET /livez') // sent after it, so by now it is under way
  await kill9(first)
  await announcing

  await addressOf(serve(t, { ...settings, PORT: new URL(address).port }))
  const [active, ...others] = (await ask('GET /signing-keys')).data
  t.same(active, fresh, 'what was acknowledged has happened')
  t.match(others, others.length === 0 ? [] : [{ status: 'next' }], 'what was not has happened or has not')
  t.ok(others.length <= 1)
  await becomes(before, ...KEY_GONE)
  await becomes(await aToken(), 'accepted')
  t.not(await outcome(before), 'accepted')
})
