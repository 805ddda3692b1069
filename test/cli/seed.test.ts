import t from 'tap'
import { seed } from '../../src/cli/seed.ts'
import { aService } from '../support/service.ts'

t.test('two tenants with a member of every role are made once, and found the second time', async (t) => {
  const s = await aService(t)
  const first = await seed(s.service)
  t.match(first, [{ slug: 'acme' }, { slug: 'globex' }])
  t.same(await seed(s.service), first)
  const { body } = await s.root.get(`/memberships?tenant_id=${first[0]?.id}`)
  const held = body.data.map(({ user_id, roles }: { user_id: string; roles: string[] }) => [user_id, roles])
  t.same(held, [
    ['user_olga', ['owner']],
    ['user_adam', ['admin']],
    ['user_mia', ['member']],
    ['user_vera', ['viewer']],
  ])
})

t.test('a real tenant with the slug of a demo tenant is left alone', async (t) => {
  const s = await aService(t)
  const acme = await s.aTenant({ name: 'Acme' })
  t.match(await seed(s.service), [
    { id: acme.id, members: null },
    { slug: 'globex', members: { owner: 'user_olga' } },
  ])
  t.equal(await s.revisionOf(acme.id), 1)
})
