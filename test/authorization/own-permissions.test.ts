// Tenantry's own permissions are those that its contract asks for.
import t from 'tap'
import { isGrantable, OWN_PERMISSIONS } from '../../src/authorization/own-permissions.ts'
import { operationsOf } from '../../src/http/contract.ts'
import { readContract } from '../../src/http/written-contract.ts'

const asked = operationsOf(readContract(new URL('../../openapi.yaml', import.meta.url))).flatMap(
  ({ permission }) => permission ?? [],
)

t.test('every permission that an operation asks for can be given by name', async (t) => {
  for (const permission of asked) t.ok(OWN_PERMISSIONS.has(permission), permission)
})

t.test('no permission is left over that nothing asks for', async (t) => {
  const reserved = ['tenantry.role:assign_any', 'tenantry.ownership:transfer', 'tenantry.token:delegate']
  for (const permission of OWN_PERMISSIONS) t.ok([...asked, ...reserved].includes(permission), permission)
})

t.test('a typo in one of them is refused, the names of a product are free', async (t) => {
  for (const pattern of ['tenantry.token:isue', 'tenantry.bogus:x', 'tenantry:read', 'tenantry.tenant:*', 'invoice']) {
    t.notOk(isGrantable(pattern), pattern)
  }
  for (const pattern of ['*', 'tenantry.*', 'tenantry.token:issue', 'invoice:read', '*:read', 'invoice:*']) {
    t.ok(isGrantable(pattern), pattern)
  }
})
