// Registered resources: what the product says about its own things.
import t from 'tap'
import { eraseDueTenants } from '../../src/tenants/erasure.ts'
import { aService } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const owner = s.as(await s.aToken(tenant_id, 'user_olga'))

t.test('a resource is registered, changed and forgotten by its own id, whatever it holds', async (t) => {
  for (const id of ['42', 'a/b', 'a b', 'ä%2F?#', '...', '*', 'x'.repeat(255)]) {
    const url = `/resources/project/${encodeURIComponent(id)}`
    const made = await owner.put(url, { properties: { region: 'eu' } })
    t.match(made, { status: 201, body: { tenant_id, type: 'project', id, properties: { region: 'eu' } } }, id)
    const again = await owner.put(url, { properties: { region: 'eu' } })
    t.same([again.status, again.body], [200, made.body], 'the same changes nothing')
    const changed = await owner.put(url, { properties: {} }, { 'if-match': String(made.headers.etag) })
    t.match(changed, { status: 200, body: { properties: {}, created_at: made.body.created_at } })
    t.equal((await owner.delete(url, { 'if-match': String(made.headers.etag) })).status, 412)
    t.same((await owner.get(url)).body, changed.body)
    t.equal((await owner.delete(url)).status, 204)
    t.equal((await owner.get(url)).body.code, 'resource.not_found')
  }
})

t.test('what is wrong with a resource is told', async (t) => {
  const put = (path: string, properties: unknown = {}, headers?: Record<string, string>) =>
    owner.put(`/resources/${path}`, { properties }, headers)
  for (const path of ['Project/1', 'tenantry/1', 'tenantry.role/1', '*/1', `project/${'x'.repeat(256)}`]) {
    t.equal((await put(path)).body.code, 'request.invalid', path)
  }
  t.match((await put('project/1', { text: 'x'.repeat(16_384) })).body, { errors: [{ pointer: '/properties' }] })
  t.equal((await put('project/1', {}, { 'if-match': '*' })).status, 412, 'what is not there is no state to match')
  t.equal((await s.root.put('/resources/project/1', { properties: {} })).body.code, 'tenant.required')
  const viewer = await s.aMember(tenant_id, 'member')
  t.equal((await viewer.caller.put('/resources/project/1', { properties: {} })).body.code, 'permission.missing')
})

t.test('resources are listed by type and id, page by page, and each tenant has its own', async (t) => {
  for (const id of ['b', 'a', 'c']) await owner.put(`/resources/folder/${id}`, { properties: {} })
  const other = await s.aTenant()
  await s.root.put(`/resources/folder/a?tenant_id=${other.id}`, { properties: { other: true } })
  const ids: string[] = []
  for (let cursor = ''; ; ) {
    const { body } = await owner.get(`/resources?type=folder&limit=2${cursor && `&cursor=${cursor}`}`)
    ids.push(...body.data.map(({ id }: { id: string }) => id))
    if (body.next_cursor === null) break
    cursor = body.next_cursor
  }
  t.same(ids, ['a', 'b', 'c'])
  t.same((await owner.get('/resources/folder/a')).body.properties, {})
  t.equal((await s.root.get('/resources?type=folder')).body.data.length, 4)
  t.equal((await owner.get('/resources?cursor=bm90aGluZw')).body.code, 'cursor.invalid')
})

t.test('the history tells the type; the id can be erased', async (t) => {
  await owner.put('/resources/patient/jane.doe', { properties: { secret: 1 } })
  await owner.delete('/resources/patient/jane.doe')
  const { data } = (await s.root.get(`/events?tenant_id=${tenant_id}&limit=200`)).body
  t.match(data.slice(-2), [{ type: 'resource.created' }, { type: 'resource.deleted' }])
  t.same(data.at(-1).data, { resource_type: 'patient' })
  t.notMatch(JSON.stringify(data), /jane|secret/)
})

t.test('with a tenant go its resources, groups and grants', async (t) => {
  const { id } = await s.aTenant()
  const group = await s.aGroup(id, { roles: ['viewer'] })
  const member = await s.aMembership(id)
  await s.root.put(`/groups/${group.id}/members/${member.id}`)
  await s.aGrant(id, { group_id: group.id })
  await s.aGrant(id, { membership_id: member.id })
  await s.root.put(`/resources/project/1?tenant_id=${id}`, { properties: {} })
  await s.root.delete(`/tenants/${id}`)
  s.advance(31 * 86_400)
  await eraseDueTenants(s.service.database, s.now)
  const left = await s.dump(id)
  t.notMatch(left, /^(groups|group_roles|group_members|grants|resources) /m)
  t.match(left, /^events /m)
})
