// Grants on single resources and what groups give count in every form of the question, for the resource that is meant only.
import t from 'tap'
import { aService, made } from '../../support/service.ts'

const s = await aService(t)
await s.root.put('/permissions', { permissions: ['project:read', 'project:write'].map((key) => ({ key })) })
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
await s.aRole({ tenant_id, key: 'project-editor', permissions: ['project:write'] })
const aMember = (user_id: string) => s.aMembership(tenant_id, { user_id, roles: ['viewer'] })
const [gina, hugo] = [await aMember('user_gina'), await aMember('user_hugo')]
await aMember('user_vera')
const PROJECTS = Array.from({ length: 230 }, (_, n) => `p_${String(n).padStart(3, '0')}`)
for (const id of PROJECTS) {
  made(await s.root.put(`/resources/project/${id}?tenant_id=${tenant_id}`, { properties: {} }))
}

const move = async (how: 'put' | 'delete', group_id: string, membership_id: string): Promise<void> => {
  const { status } = await s.root[how](`/groups/${group_id}/members/${membership_id}`)
  if (status !== 204) throw new Error(`expected a member to be moved, got ${status}`)
}

const GINAS = ['p_007', 'p_210']
for (const id of GINAS) {
  await s.aGrant(tenant_id, { membership_id: gina.id, role: 'project-editor', resource: { type: 'project', id } })
}
const [group, editors] = [await s.aGroup(tenant_id), await s.aGroup(tenant_id, { roles: ['project-editor'] })]
await s.aGrant(tenant_id, { group_id: group.id, role: 'project-editor', resource: { type: 'project', id: 'p_100' } })
for (const { id } of [group, editors]) {
  await move('put', id, hugo.id)
}
await move('delete', editors.id, hugo.id)
const key = s.as((await s.anApiKey({ tenant_id })).secret)

const write = { name: 'write' }
const user = (id: string) => ({ type: 'user', id })
const project = (id: string) => ({ type: 'project', id })

const searched = async (kind: string, body: object): Promise<string[]> => {
  const all: string[] = []
  for (let token: string | undefined; token !== ''; ) {
    const answer = made(await key.post(`/access/v1/search/${kind}`, { ...body, ...(token && { page: { token } }) }))
    all.push(...answer.results.map(({ id, name }: { id?: string; name?: string }) => id ?? name))
    token = answer.page.next_token
  }
  return all
}

t.test('a batch counts a grant for its own resource, whatever else is asked in the same batch', async (t) => {
  const asked = ['user_gina', 'user_hugo', 'user_vera'].flatMap((id) =>
    ['p_007', 'p_100', 'p_210', 'p_001'].map((resource) => [id, resource] as const),
  )
  const evaluations = asked.map(([id, resource]) => ({ subject: user(id), resource: project(resource) }))
  for (const order of [evaluations, evaluations.slice().reverse()]) {
    const batch = made(await key.post('/access/v1/evaluations', { action: write, evaluations: order }))
    const allowed = order.filter((_, index) => batch.evaluations[index].decision)
    t.same(allowed.map(({ subject, resource }) => `${subject.id} ${resource.id}`).sort(), [
      'user_gina p_007',
      'user_gina p_210',
      'user_hugo p_100',
    ])
  }
})

t.test('a search for resources finds those that are granted one by one, across pages of what there is', async (t) => {
  const resource = { type: 'project' }
  t.same(await searched('resource', { subject: user('user_gina'), action: write, resource }), GINAS)
  t.same(await searched('resource', { subject: user('user_hugo'), action: write, resource }), ['p_100'])
  t.same(await searched('resource', { subject: user('user_vera'), action: write, resource }), [])
  t.same(await searched('resource', { subject: user('user_gina'), action: { name: 'read' }, resource }), PROJECTS)
})

t.test('a search for subjects finds who is granted it on this resource, by himself or through a group', async (t) => {
  const who = (id: string) => searched('subject', { subject: { type: 'user' }, action: write, resource: project(id) })
  t.same(await who('p_007'), ['user_olga', 'user_gina'])
  t.same(await who('p_100'), ['user_olga', 'user_hugo'])
  t.same(await who('p_001'), ['user_olga'])
  await move('put', editors.id, gina.id)
  t.same(await who('p_001'), ['user_olga', 'user_gina'], 'what a group gives in the whole tenant')
  await move('delete', editors.id, gina.id)
})

t.test('a search for actions finds what is granted on this resource', async (t) => {
  const what = (id: string) => searched('action', { subject: user('user_gina'), resource: project(id) })
  t.same(await what('p_007'), ['read', 'write'])
  t.same(await what('p_100'), ['read'])
})
