// Every documented way to carry a secret, at the level that logs most, when all is well and when the database fails in the
// middle: none of them is in the log.
import t from 'tap'
import { aService } from '../support/service.ts'

t.test('no way of showing a secret or a token brings it into the log', async (t) => {
  const s = await aService(t)
  const { id: tenant_id } = await s.aTenant()
  const { user_id } = await s.aMembership(tenant_id)
  const { id: client_id, secret } = await s.anApiKey({ tenant_id, permissions: ['*', 'tenantry.*'] })
  const token = await s.aToken(tenant_id, user_id)
  const showAll = async (): Promise<void> => {
    const basic = { authorization: `Basic ${Buffer.from(`${client_id}:${secret}`).toString('base64')}` }
    const form = { client_id, client_secret: secret }
    await s.stranger.form('/oauth/token', { grant_type: 'client_credentials', ...form })
    await s.stranger.form('/oauth/token', { grant_type: 'client_credentials' }, basic)
    await s.stranger.form('/oauth/introspect', { token, ...form })
    await s.stranger.form('/oauth/revoke', { token: `${token}x` }, basic)
    await s.exchange(token, { tenant_id, actor_token: token })
    for (const credential of [secret, token, s.root_api_key]) {
      const caller = s.as(credential)
      await caller.get(`/memberships?access_token=${token}&api_key=${secret}`)
      await caller.get('/forward-auth?api_keys=true', { 'x-api-key': secret, cookie: `session=${token}` })
      await caller.post('/access/v1/evaluation', { client_secret: secret, token })
      await caller.post('/api-keys', { name: 'new', permissions: ['invoice:read'], secret })
      await caller.call('POST', '/memberships', `{"token": "${token}"`, { 'content-type': 'application/json' })
      await caller.post('/tenants', { name: 'x' }, { 'idempotency-key': `key-${secret.slice(0, 20)}` })
    }
  }
  await showAll()
  await s.service.database.close()
  await showAll()
  const logged = s.logged.map((line) => JSON.stringify(line)).join('\n')
  t.match(logged, /database.unavailable/, 'the database was away')
  const basic = Buffer.from(`${client_id}:${secret}`).toString('base64')
  const carried = {
    secret,
    'part of it': secret.slice(4, 24),
    token,
    'its signature': token.split('.')[2],
    root: s.root_api_key,
    basic,
  }
  for (const [name, text] of Object.entries(carried)) t.notOk(logged.includes(text ?? ''), name)
})
