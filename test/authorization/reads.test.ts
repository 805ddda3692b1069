// How often the database is asked: once for a check, once for a batch, once for a page of members.
import t from 'tap'
import { actionSearchHandlers } from '../../src/authorization/search/actions.ts'
import { subjectSearchHandlers } from '../../src/authorization/search/subjects.ts'
import { readKnown, readManyKnown } from '../../src/authorization/subjects.ts'
import type { Database } from '../../src/database/scope.ts'
import { factsFrom } from '../../src/freshness/facts-source.ts'
import { PolicySets } from '../../src/policies/sets.ts'
import { aService } from '../support/service.ts'

const s = await aService(t)
const tenants = [await s.aTenant({ owner: { user_id: 'user_olga' } }), await s.aTenant()]
const [tenant_id = '', other = ''] = tenants.map(({ id }) => id)
const key = await s.anApiKey({ tenant_id })

/** The service's database, and what it was asked. */
const statements: string[] = []
const database = new Proxy(s.service.database, {
  get: (target, name) => {
    const member: unknown = Reflect.get(target, name, target)
    if (typeof member !== 'function') return member
    return (...given: unknown[]) => {
      statements.push(name === 'call' ? (given[0] as { name: string }).name : String(name))
      return member.apply(target, given)
    }
  },
}) as Database
const sets = new PolicySets(database)
const asking = async (work: () => unknown): Promise<string[]> => {
  statements.length = 0
  await work()
  return statements.slice()
}

t.test('a check is one statement, and so is a batch, whatever tenants and users it is about', async (t) => {
  const users = [tenant_id, other].flatMap((tenant_id) =>
    Array.from({ length: 50 }, (_, n) => ({ tenant_id, type: 'user', id: `user_${n}` })),
  )
  t.same(await asking(() => readKnown(factsFrom(database, sets), { tenant_id, type: 'user', id: 'user_olga' }, true)), [
    'read_facts',
  ])
  t.same(await asking(() => readManyKnown(database, sets, users)), ['read_facts_of_users'])
  const keys = [{ tenant_id, type: 'api_key', id: key.id }]
  t.same(await asking(() => readManyKnown(database, sets, [...users, ...keys])), [
    'read_facts_of_api_keys',
    'read_facts_of_users',
  ])
  t.same(await asking(() => readManyKnown(database, sets, [{ tenant_id: 'acme', type: 'user', id: 'x' }])), [])
})

t.test('a page of members is one statement, a search for actions two', async (t) => {
  const { principal } = { principal: { rights: [[{ permissions: ['tenantry.*'], excludes: [] }]] } }
  const resource = { type: 'invoice', id: 'inv_1' }
  const call = { scope: { tenant_id }, principal, min_revision: undefined }
  const { searchSubjects } = subjectSearchHandlers(database, sets, () => s.now)
  const { searchActions } = actionSearchHandlers(database, sets, () => s.now)
  const who = { ...call, body: { subject: { type: 'user' }, action: { name: 'read' }, resource } }
  const what = { ...call, body: { subject: { type: 'user', id: 'user_olga' }, resource } }
  t.same(await asking(() => searchSubjects(who as never)), ['read_member_facts'])
  t.same(await asking(() => searchActions(what as never)), ['read_facts', 'read_catalogue_keys'])
})

t.test('policies are read once, and after that a check is one statement again', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  await s.aPolicy({ tenant_id, text: 'forbid (principal, action, resource) when { resource.properties.a == 1 };' })
  await s.aMembership(tenant_id, { user_id: 'user_vera' })
  const about = { tenant_id, type: 'user', id: 'user_vera', resource: { type: 'invoice', id: '1' } }
  const check = () => readKnown(factsFrom(database, sets), about, false, 'invoice:read')
  t.same(await asking(check), ['read_facts', 'read_policies'])
  t.same(await asking(check), ['read_facts'])
  const users = ['1', '2'].map((id) => ({ ...about, resource: { type: 'invoice', id } }))
  t.same(await asking(() => readManyKnown(database, sets, users)), ['read_facts_of_users', 'read_facts_of_users'])
})
