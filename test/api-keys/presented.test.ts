// What is remembered of credentials is their hash, and only of so many; whether one is good is another matter.
import t from 'tap'
import { rememberPresented } from '../../src/api-keys/presented.ts'
import { hashOf } from '../../src/api-keys/secrets.ts'
import { aService } from '../support/service.ts'

t.test('the hash is the same as ever, once made', async (t) => {
  const remembered = rememberPresented(100)
  t.same(remembered('one').hash, hashOf('one'))
  t.equal(remembered('one'), remembered('one'))
  t.not(remembered('one').name, remembered('two').name)
  t.same(remembered('one ').hash, hashOf('one '), 'no two texts share one')
})

t.test('only so much is remembered, and what is too long is not', async (t) => {
  const remembered = rememberPresented(100)
  const first = remembered('a'.repeat(60))
  remembered('b'.repeat(60))
  t.not(remembered('a'.repeat(60)), first)
  t.same(remembered('a'.repeat(60)), first)
  t.not(remembered('c'.repeat(101)), remembered('c'.repeat(101)))
})

t.test('a key that was presented often is refused as soon as it is deleted, and at its end', async (t) => {
  const s = await aService(t)
  const { id: tenant_id } = await s.aTenant()
  const check = { subject: { type: 'user', id: 'u' }, action: { name: 'read' }, resource: { type: 'a', id: '1' } }
  const deleted = await s.anApiKey({ tenant_id })
  const ending = await s.anApiKey({ tenant_id, expires_at: s.instant(60) })
  const statuses = async ({ secret }: { secret: string }) => {
    const answers = [await s.as(secret).post('/access/v1/evaluation', check), await s.as(secret).get('/memberships')]
    return answers.map(({ status }) => status)
  }
  for (const key of [deleted, ending]) {
    t.same(await statuses(key), [200, 200])
    t.same(await statuses(key), [200, 200])
  }
  await s.root.delete(`/api-keys/${deleted.id}`)
  t.same(await statuses(deleted), [401, 401])
  t.same(await statuses(deleted), [401, 401])
  s.advance(60)
  t.same(await statuses(ending), [401, 401])
})

t.test('a credential that resembles a good one is none', async (t) => {
  const s = await aService(t)
  const { id: tenant_id } = await s.aTenant()
  const { secret } = await s.anApiKey({ tenant_id })
  t.equal((await s.as(secret).get('/memberships')).status, 200)
  for (const other of [secret.slice(0, -1), `${secret}x`, secret.toLowerCase(), secret.toUpperCase(), `${secret}=`])
    t.equal((await s.as(other).get('/memberships')).status, 401, other.length.toString())
})
