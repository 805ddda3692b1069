// The search for resources, with a list of them: every registered one is decided on, page by page.
import t from 'tap'
import { type ListResources, resourceSearchHandlers } from '../../../src/authorization/search/resources.ts'
import { PolicySets } from '../../../src/policies/sets.ts'
import { aService } from '../../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
await s.aMembership(tenant_id, { user_id: 'user_vera', roles: ['viewer'] })

const INVOICES = Array.from({ length: 450 }, (_, n) => `inv_${String(n).padStart(3, '0')}`)
const asked: Parameters<ListResources>[0][] = []
const listResources: ListResources = async (of) => {
  asked.push(of)
  const { type, after, limit } = of
  const after_those = INVOICES.filter((id) => type === 'invoice' && (after === undefined || id > after))
  return after_those.slice(0, limit).map((id) => ({ id }))
}
const { searchResources } = resourceSearchHandlers(
  s.service.database,
  new PolicySets(s.service.database),
  () => s.now,
  listResources,
)

const search = async (name: string, page: { token?: string; limit?: number }, type = 'invoice', user = 'user_vera') => {
  const call = {
    ...{ scope: { tenant_id }, principal: { kind: 'api_key' } },
    body: { subject: { type: 'user', id: user }, action: { name }, resource: { type }, page },
    min_revision: undefined,
  }
  return (await searchResources(call as unknown as Parameters<typeof searchResources>[0])).body
}

t.test('every registered resource that the subject may do it to is found once', async (t) => {
  const found: string[] = []
  for (let token = '', first = true; first || token !== ''; first = false) {
    const { results, page } = await search('read', { limit: 200, ...(token !== '' && { token }) })
    for (const { type, id } of results) {
      t.equal(type, 'invoice')
      found.push(id)
    }
    token = page.next_token
  }
  t.same(found, INVOICES)
  t.ok(asked.every((of) => of.tenant_id === tenant_id && of.type === 'invoice'))
})

t.test('whoever may do it to none finds none', async (t) => {
  t.same(await search('write', {}), { results: [], page: { next_token: '' } })
  t.same(await search('read', {}, 'report'), { results: [], page: { next_token: '' } })
  t.same(await search('read', {}, 'invoice', 'user_nobody'), { results: [], page: { next_token: '' } })
})
