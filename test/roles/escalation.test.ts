// The one rule against escalation, by way of roles: nobody makes, changes, deletes or inherits a role beyond himself.
import t, { type Test } from 'tap'
import { type Answer, aService, type Caller, made } from '../support/service.ts'

const s = await aService(t)
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })
const owner = await s.aMember(tenant_id, 'owner')
const admin = await s.aMember(tenant_id, 'admin')

const refuses = async (t: Test, code: string, tries: Record<string, () => Promise<Answer>>): Promise<void> => {
  const before = await s.dump()
  for (const [name, attempt] of Object.entries(tries)) {
    t.match(await attempt(), { status: 403, body: { code } }, name)
  }
  t.equal(await s.dump(), before)
}

const create = (by: Caller, permissions: string[], excludes: string[] = []): Promise<Answer> =>
  by.post('/roles', { key: 'new', name: 'New', permissions, excludes })

t.test('nobody makes a role beyond himself', async (t) => {
  await refuses(t, 'role.exceeds_own', {
    everything: () => create(admin.caller, ['*']),
    'all of Tenantry': () => create(admin.caller, ['tenantry.*']),
    'what admins may not': () => create(admin.caller, ['billing:read']),
    'what admins may not, by a pattern': () => create(admin.caller, ['*:read']),
    'too narrow an exclude': () => create(admin.caller, ['*'], ['billing:read']),
    'the deletion of the tenant': () => create(admin.caller, ['tenantry.tenant:delete']),
  })
  const { caller } = await s.aMember(tenant_id, 'member')
  await refuses(t, 'permission.missing', { 'a member': () => create(caller, ['invoice:read']) })
})

t.test('nobody widens a role beyond himself, nor touches one that is wider', async (t) => {
  const narrow = await s.aRole({ tenant_id, permissions: ['invoice:read'] })
  const wide = await s.aRole({ tenant_id, permissions: ['billing:read', 'invoice:read'] })
  await refuses(t, 'role.exceeds_own', {
    'widening it': () => admin.caller.patch(`/roles/${narrow.id}`, { permissions: ['billing:read'] }),
    'widening it, in a dry run': () =>
      admin.caller.patch(`/roles/${narrow.id}?dry_run=true`, { permissions: ['billing:read'] }),
    'narrowing a wider one': () => admin.caller.patch(`/roles/${wide.id}`, { permissions: ['invoice:read'] }),
    'excluding from a wider one': () => admin.caller.patch(`/roles/${wide.id}`, { excludes: ['billing:*'] }),
    'renaming a wider one': () => admin.caller.patch(`/roles/${wide.id}`, { name: 'Harmless' }),
    'deleting a wider one': () => admin.caller.delete(`/roles/${wide.id}`),
  })
  t.equal((await owner.caller.delete(`/roles/${wide.id}`)).status, 204)
})

t.test('a role that somebody holds himself is no way up', async (t) => {
  const role = await s.aRole({ tenant_id, permissions: ['tenantry.role:manage', 'tenantry.role:read', 'invoice:read'] })
  const holder = await s.aMember(tenant_id, role.key)
  const at = `/roles/${role.id}`
  await refuses(t, 'role.exceeds_own', {
    'giving it everything': () => holder.caller.patch(at, { permissions: ['*', 'tenantry.*'] }),
    'giving it one thing more': () => holder.caller.patch(at, { permissions: [...role.permissions, 'invoice:write'] }),
    'giving it members': () =>
      holder.caller.patch(at, { permissions: [...role.permissions, 'tenantry.membership:manage'] }),
    'becoming an admin by its end': () => holder.caller.delete(`${at}?remap_to=admin`),
    'becoming an owner by its end': () => holder.caller.delete(`${at}?remap_to=owner`),
  })
  await refuses(t, 'permission.missing', {
    'seeing who holds it, without being allowed to see members': () =>
      holder.caller.patch(`${at}?dry_run=true`, { permissions: ['tenantry.role:manage'] }),
  })
  t.equal((await holder.caller.patch(at, { permissions: ['tenantry.role:manage'] })).status, 200, 'less is his to give')
})

t.test('an heir must lie within one’s own rights as the role does', async (t) => {
  const role = await s.aRole({ tenant_id })
  await s.aMembership(tenant_id, { roles: [role.key] })
  await refuses(t, 'role.exceeds_own', {
    'an owner': () => admin.caller.delete(`/roles/${role.id}?remap_to=owner`),
    'an owner, in a dry run': () => admin.caller.delete(`/roles/${role.id}?remap_to=owner&dry_run=true`),
  })
  t.equal((await admin.caller.delete(`/roles/${role.id}?remap_to=admin`)).status, 204)
})

t.test('rights for a time make no role wider that others keep', async (t) => {
  const guest = await s.aMembership(tenant_id, { roles: ['admin'], expires_at: s.instant(3_600) })
  const tempted = s.as(await s.aToken(tenant_id, guest.user_id))
  const role = await s.aRole({ tenant_id, permissions: ['invoice:read', 'invoice:write'] })
  await s.aMembership(tenant_id, { roles: [role.key] })
  await refuses(t, 'role.exceeds_own', {
    'widening it': () => tempted.patch(`/roles/${role.id}`, { permissions: ['invoice:*'] }),
    'a wider heir': () => tempted.delete(`/roles/${role.id}?remap_to=admin`),
  })
  t.equal((await tempted.patch(`/roles/${role.id}`, { permissions: ['invoice:read'] })).status, 200)
  t.equal((await create(tempted, ['order:read'])).status, 201, 'a role that nobody holds gives nobody anything')
})

t.test('a platform key changes shared roles within its rights, and may not touch wider ones', async (t) => {
  const permissions = ['tenantry.role:manage', 'invoice:*']
  const key = s.as((await s.anApiKey({ permissions })).secret)
  const role = made(await key.post('/roles', { key: 'biller', name: 'Biller', permissions: ['invoice:read'] }))
  const { data } = made(await s.root.get('/roles?key=viewer'))
  await refuses(t, 'role.exceeds_own', {
    'wider than itself': () => key.patch(`/roles/${role.id}`, { permissions: ['*'] }),
    'a wider one': () => key.patch(`/roles/${data[0].id}`, { permissions: ['invoice:read'] }),
    'a tenant’s, wider than itself': () =>
      key.post('/roles', { tenant_id, key: 'wide', name: 'Wide', permissions: ['order:read'] }),
  })
  t.equal((await key.patch(`/roles/${role.id}`, { permissions: ['invoice:*'] })).status, 200)
})
