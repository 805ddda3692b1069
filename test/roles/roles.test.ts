// The roles that are built in, and how they are listed.

import { BUILT_IN_ROLES } from '@tenantry/client'
import t from 'tap'
import { v7 } from 'uuid'
import { PLATFORM } from '../../src/database/schema.ts'
import { aService } from '../support/service.ts'

const s = await aService(t)

t.test('four roles are built in, shared by all tenants, and grant what the client package says they do', async (t) => {
  const { status, body } = await s.root.get('/roles')
  t.equal(status, 200)
  t.same(
    body.data.map(({ key, name, description, permissions, excludes }: Record<string, unknown>) => ({
      ...{ key, name, description, permissions, excludes },
    })),
    BUILT_IN_ROLES.map(({ key, name, description, permissions, excludes }) => ({
      key,
      name,
      description,
      permissions,
      excludes,
    })),
  )
  for (const role of body.data) t.match(role, { tenant_id: null, built_in: true, revision: 1 })
})

t.test('the built-in roles are the published ones', async (t) => {
  const { body } = await s.root.get('/roles')
  const grants = Object.fromEntries(
    body.data.map(({ key, permissions, excludes }: { key: string; permissions: string[]; excludes: string[] }) => [
      key,
      [permissions, excludes],
    ]),
  )
  t.same(grants, {
    owner: [['*', 'tenantry.*'], []],
    admin: [
      ['*', 'tenantry.*'],
      ['billing:*', 'tenantry.tenant:delete', 'tenantry.ownership:transfer'],
    ],
    member: [['*:read', '*:write', 'tenantry.tenant:read'], ['billing:*']],
    viewer: [['*:read', 'tenantry.tenant:read'], ['billing:*']],
  })
})

t.test('a role is read by its id, with its tag, from the platform and from every tenant', async (t) => {
  const { id: tenant_id } = await s.aTenant()
  const { caller } = await s.aMember(tenant_id, 'admin')
  for (const of of [s.root, caller]) {
    for (const role of (await of.get('/roles')).body.data) {
      const answer = await of.get(`/roles/${role.id}`)
      t.same(answer.body, role)
      t.equal(answer.headers.etag, '"1"')
    }
  }
})

t.test('a tenant’s list holds its own roles and the shared ones, and none of another tenant', async (t) => {
  const [acme, globex] = [await s.aTenant(), await s.aTenant()]
  const insert = async (tenant_id: string, key: string): Promise<string> => {
    const id = v7()
    await s.test_database.superuser(
      `insert into tenantry.roles (history_id, id, key, name, description, permissions, excludes, built_in, revision, created_at, updated_at)
       values ($1, $2, $3, 'Auditor', '', '{invoice:read}', '{}', false, 1, now(), now())`,
      [tenant_id, id, key],
    )
    return id
  }
  const [own, other] = [await insert(acme.id, 'auditor'), await insert(globex.id, 'auditor')]
  const { caller } = await s.aMember(acme.id, 'owner')
  const keys = async (of: typeof s.root, url: string): Promise<string[]> =>
    (await of.get(url)).body.data.map(
      ({ key, tenant_id }: { key: string; tenant_id: string | null }) => `${key} ${tenant_id ?? 'shared'}`,
    )
  const shared = ['owner shared', 'admin shared', 'member shared', 'viewer shared']
  t.same(await keys(caller, '/roles'), [...shared, `auditor ${acme.id}`])
  t.same(await keys(s.root, `/roles?tenant_id=${globex.id}`), [...shared, `auditor ${globex.id}`])
  t.same(await keys(s.root, '/roles'), [...shared, `auditor ${acme.id}`, `auditor ${globex.id}`])
  t.equal((await caller.get(`/roles/${own}`)).status, 200)
  t.match(await caller.get(`/roles/${other}`), { status: 404, body: { code: 'role.not_found' } })
  t.equal((await s.root.get(`/roles/${other}`)).body.tenant_id, globex.id)

  const held = await caller.post('/memberships', { user_id: 'user_audit', roles: ['auditor'] })
  t.same(held.body.roles, ['auditor'], 'a key means the tenant’s own role')
  const asked = (id: string) => ({
    ...{
      subject: { type: 'user', id: 'user_audit' },
      action: { name: 'read' },
      resource: { type: 'invoice', id: 'x' },
    },
    context: { tenant_id: id, explain: true },
  })
  t.match((await s.root.post('/access/v1/evaluation', asked(acme.id))).body, {
    ...{ decision: true, context: { reason: { role: 'auditor', pattern: 'invoice:read' } } },
  })
  const none = await s.aTenant()
  const unknown = await s.root.post('/memberships', { tenant_id: none.id, user_id: 'user_audit', roles: ['auditor'] })
  t.equal(unknown.body.code, 'role.unknown', 'in another tenant there is none of that name')
})

t.test('the platform is no tenant: it has no members, no address and no list of its own', async (t) => {
  t.equal((await s.root.get(`/tenants/${PLATFORM}`)).status, 404)
  t.equal((await s.root.get(`/roles?tenant_id=${PLATFORM}`)).status, 404)
  t.equal((await s.root.get(`/memberships?tenant_id=${PLATFORM}`)).status, 404)
  t.equal((await s.root.post('/memberships', { tenant_id: PLATFORM, user_id: 'user_x' })).status, 404)
  t.equal((await s.root.post('/api-keys', { tenant_id: PLATFORM, name: 'x', permissions: ['*'] })).status, 404)
  t.equal((await s.root.post('/tokens', { tenant_id: PLATFORM, user_id: 'user_x' })).status, 404)
  t.equal((await s.root.get(`/events?tenant_id=${PLATFORM}`)).status, 404)
  for (const move of ['suspend', 'reactivate', 'restore']) {
    t.equal((await s.root.post(`/tenants/${PLATFORM}/${move}`)).status, 404, move)
  }
  t.equal((await s.root.delete(`/tenants/${PLATFORM}`)).status, 404)
})
