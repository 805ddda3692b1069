// How often the database is asked: once for a check, once for a batch, once for a page of members.
import t from 'tap'
import { actionSearchHandlers } from '../../src/authorization/search/actions.ts'
import { subjectSearchHandlers } from '../../src/authorization/search/subjects.ts'
import { readKnown, readManyKnown } from '../../src/authorization/subjects.ts'
import type { Database } from '../../src/database/scope.ts'
import { factsFrom } from '../../src/freshness/facts-source.ts'
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
const asking = async (work: () => unknown): Promise<string[]> => {
  statements.length = 0
  await work()
  return statements.slice()
}

t.test('a check is one statement, and so is a batch, whatever tenants and users it is about', async (t) => {
  const users = [tenant_id, other].flatMap((tenant_id) =>
    Array.from({ length: 50 }, (_, n) => ({ tenant_id, type: 'user', id: `user_${n}` })),
  )
  t.same(await asking(() => readKnown(factsFrom(database), { tenant_id, type: 'user', id: 'user_olga' }, true)), [
    'read_facts',
  ])
  t.same(await asking(() => readManyKnown(database, users)), ['read_facts_of_users'])
  const keys = [{ tenant_id, type: 'api_key', id: key.id }]
  t.same(await asking(() => readManyKnown(database, [...users, ...keys])), [
    'read_facts_of_api_keys',
    'read_facts_of_users',
  ])
  t.same(await asking(() => readManyKnown(database, [{ tenant_id: 'acme', type: 'user', id: 'x' }])), [])
})

t.test('a page of members is one statement, a search for actions two', async (t) => {
  const { principal } = { principal: { rights: [[{ permissions: ['tenantry.*'], excludes: [] }]] } }
  const resource = { type: 'invoice', id: 'inv_1' }
  const call = { scope: { tenant_id }, principal, min_revision: undefined }
  const { searchSubjects } = subjectSearchHandlers(database, () => s.now)
  const { searchActions } = actionSearchHandlers(database, () => s.now)
  const who = { ...call, body: { subject: { type: 'user' }, action: { name: 'read' }, resource } }
  const what = { ...call, body: { subject: { type: 'user', id: 'user_olga' }, resource } }
  t.same(await asking(() => searchSubjects(who as never)), ['read_member_facts'])
  t.same(await asking(() => searchActions(what as never)), ['read_facts', 'read_catalogue_keys'])
})
