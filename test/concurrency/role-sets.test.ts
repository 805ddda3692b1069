// Sets of roles that are named, changed and deleted at the same moment.
import t from 'tap'
import { type Answer, aService, made } from '../support/service.ts'

const s = await aService(t)
/** In process nothing runs at the same time anyway. */
const ROUNDS = process.env.TEST_DATABASE_URL === undefined ? 4 : 15

const saidOf = ({ status, body }: Answer): string => (status < 300 ? String(status) : `${status} ${body.code}`)

const aRoleSet = async (key: string, more: object = {}): Promise<{ id: string }> =>
  made(await s.root.post('/role-sets', { key, name: key, roles: ['member'], ...more }))

t.test('a set is either deleted or a tenant is on it, never both', async (t) => {
  const { id } = await s.aTenant()
  for (let round = 0; round < ROUNDS; round++) {
    const role_set = `contested-${round}`
    const set = await aRoleSet(role_set)
    const join = () => s.root.patch(`/tenants/${id}`, { role_set })
    const remove = () => s.root.delete(`/role-sets/${set.id}`)
    const [joined, deleted] =
      round % 2 ? await Promise.all([join(), remove()]) : (await Promise.all([remove(), join()])).reverse()
    const said = [joined, deleted].map((answer) => saidOf(answer as Answer)).join(', ')
    t.ok(['200, 409 role_set.in_use', '422 role_set.unknown, 204'].includes(said), said)
    made(await s.root.patch(`/tenants/${id}`, { role_set: null }))
  }
})

t.test('a role is either deleted or in a set, never both', async (t) => {
  for (let round = 0; round < ROUNDS; round++) {
    const role = await s.aRole()
    const set = await aRoleSet(`naming-${round}`)
    const [named, deleted] = await Promise.all([
      s.root.patch(`/role-sets/${set.id}`, { roles: ['member', role.key] }),
      s.root.delete(`/roles/${role.id}`),
    ])
    const said = `${saidOf(named)}, ${saidOf(deleted)}`
    t.ok(['200, 409 role.in_use', '422 role.unknown, 204'].includes(said), said)
  }
})

t.test('of many that become the default at once, one is', async (t) => {
  const sets = await Promise.all(Array.from({ length: 8 }, (_, n) => aRoleSet(`default-${n}`)))
  const answers = await Promise.all(sets.map(({ id }) => s.root.patch(`/role-sets/${id}`, { default: true })))
  t.same([...new Set(answers.map(({ status }) => status))], [200])
  const { data } = made(await s.root.get('/role-sets?limit=200'))
  t.equal(data.filter((set: { default: boolean }) => set.default).length, 1)
})
