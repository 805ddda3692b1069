import t from 'tap'
import { aService } from '../support/service.ts'

const s = await aService(t)

t.test('a user is a member of a tenant once, and of many tenants', async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  const vera = { user_id: 'user_vera', email: 'vera@acme.example', display_name: 'Vera' }
  const first = await s.root.post('/memberships', { tenant_id: acme.id, ...vera })
  t.equal(first.status, 201)
  t.match(first.body, { tenant_id: acme.id, ...vera, roles: ['member'], status: 'active', expires_at: null })
  t.equal(first.headers.location, `/memberships/${first.body.id}`)
  t.equal(first.headers['tenantry-revision'], `${acme.id}:2`)
  t.match(await s.root.post('/memberships', { tenant_id: acme.id, ...vera }), {
    status: 409,
    body: { code: 'membership.exists' },
  })
  t.equal((await s.root.post('/memberships', { tenant_id: globex.id, ...vera })).status, 201)
  const { body } = await s.root.get('/memberships?user_id=user_vera')
  t.same(
    body.data.map((each: { tenant_id: string }) => each.tenant_id),
    [acme.id, globex.id],
  )
})
