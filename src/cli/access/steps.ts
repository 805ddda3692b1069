// Carries out what an access file needs, one call to the service after the other, and in such an order that wherever it ends
// nothing refers to what is not there and nobody has lost what the next step would have given: first the catalogue, policies,
// roles, sets, issuers and keys that come or change, then what goes, the other way round. Every step can be repeated: applying the
// file again begins with what is missing then.
import { type TenantryClient, unwrap } from '@tenantry/client'
import type { Change, Item } from './differences.ts'
import type { Access, ApiKeyForm, IssuerForm, PolicyForm, RoleForm, RoleSetForm } from './form.ts'

export interface Step {
  changes: Change[]
  /** Only one that makes an API key has something to answer: its secret, which nobody will see again. */
  run(): Promise<string | undefined>
}

interface Work {
  tenantry: TenantryClient
  access: Access
  /** The catalogue's revision that the difference was made with. */
  catalogue_revision: number
  /** Which role those get who hold one that goes. */
  heirs: ReadonlyMap<string, string>
}

const match = ({ revision }: { revision: number }) => ({ 'If-Match': `"${revision}"` })

export const stepsOf = (changes: readonly Change[], work: Work): Step[] => {
  const of = (section: Change['section'], ...actions: Change['action'][]): Change[] =>
    changes.filter((change) => change.section === section && actions.includes(change.action))
  const each = (some: Change[], run: (change: Change) => Promise<string | undefined>): Step[] =>
    some.map((change) => ({ changes: [change], run: () => run(change) }))
  const catalogue = changes.filter(({ section }) => section === 'catalogue')
  return [
    ...(catalogue.length > 0 ? [{ changes: catalogue, run: () => putCatalogue(work) }] : []),
    // Before the roles: what is given from here on is under its conditions.
    ...each(of('policies', 'add', 'change'), (change) => writePolicy(work, change)),
    ...each(of('roles', 'add', 'change', 'reset'), (change) => writeRole(work, change)),
    ...each(defaultFirst(of('role_sets', 'add', 'change')), (change) => writeRoleSet(work, change)),
    ...each(of('issuers', 'add', 'change', 'replace'), (change) => writeIssuer(work, change)),
    ...each(of('api_keys', 'add', 'replace'), (change) => makeApiKey(work, change)),
    // One that was replaced ends when its successor is there, and its secret in somebody's hands.
    ...each(of('api_keys', 'remove', 'replace'), (change) => removeApiKey(work, there(change))),
    ...each(of('issuers', 'remove'), (change) => removeIssuer(work, there(change))),
    ...each(of('role_sets', 'remove'), (change) => removeRoleSet(work, there(change))),
    ...each(of('policies', 'remove'), (change) => removePolicy(work, there(change))),
    ...each(of('roles', 'remove'), (change) => removeRole(work, change)),
  ]
}

/** The set that becomes the default takes that from another: so there is never a moment without. */
const defaultFirst = (changes: Change[]): Change[] => {
  const rank = ({ wanted }: Change): number => ((wanted as RoleSetForm).default ? 0 : 1)
  return changes.toSorted((a, b) => rank(a) - rank(b))
}

const there = ({ present }: Change): Item => {
  if (present === undefined) throw new Error('nothing is there to be changed')
  return present
}

const putCatalogue = async ({ tenantry, access, catalogue_revision }: Work): Promise<undefined> => {
  const { permissions = [], strict = false } = access.catalogue ?? {}
  const params = { header: match({ revision: catalogue_revision }) }
  await unwrap(tenantry.PUT('/permissions', { params, body: { permissions, strict } }))
}

const writePolicy = async ({ tenantry }: Work, { present, wanted }: Change): Promise<undefined> => {
  const { key, ...body } = wanted as PolicyForm
  if (present === undefined) return void (await unwrap(tenantry.POST('/policies', { body: { key, ...body } })))
  const params = { path: { policy_id: present.id }, header: match(present) }
  await unwrap(tenantry.PATCH('/policies/{policy_id}', { params, body }))
}

const writeRole = async ({ tenantry }: Work, { present, wanted }: Change): Promise<undefined> => {
  const { key, ...body } = wanted as RoleForm
  if (present === undefined) return void (await unwrap(tenantry.POST('/roles', { body: { key, ...body } })))
  const params = { path: { role_id: present.id }, header: match(present) }
  await unwrap(tenantry.PATCH('/roles/{role_id}', { params, body }))
}

const writeRoleSet = async ({ tenantry }: Work, { present, wanted, differences }: Change): Promise<undefined> => {
  const { key, ...body } = wanted as RoleSetForm
  if (present === undefined) return void (await unwrap(tenantry.POST('/role-sets', { body: { key, ...body } })))
  // One that was the default may have been changed a moment ago, by the step that made another the default.
  const header = differences.some(({ field, from }) => field === 'default' && from === true) ? {} : match(present)
  const params = { path: { role_set_id: present.id }, header }
  await unwrap(tenantry.PATCH('/role-sets/{role_set_id}', { params, body }))
}

const writeIssuer = async (work: Work, { action, present, wanted }: Change): Promise<undefined> => {
  const { tenantry } = work
  const { issuer, user_id_claim, user_id_prefix, shares_user_ids, ...form } = wanted as IssuerForm
  if (present && action === 'change') {
    const params = { path: { issuer_id: present.id }, header: match(present) }
    return void (await unwrap(tenantry.PATCH('/issuers/{issuer_id}', { params, body: form })))
  }
  if (present) await removeIssuer(work, present)
  const { jwks_uri, ...fields } = form
  const optional = {
    ...(user_id_prefix === '' ? {} : { user_id_prefix }),
    ...(jwks_uri === null ? {} : { jwks_uri }),
    ...(shares_user_ids === undefined ? {} : { shares_user_ids }),
  }
  await unwrap(tenantry.POST('/issuers', { body: { issuer, user_id_claim, ...fields, ...optional } }))
}

const makeApiKey = async ({ tenantry }: Work, { wanted }: Change): Promise<string> => {
  const { secret } = await unwrap(tenantry.POST('/api-keys', { body: wanted as ApiKeyForm }))
  return secret
}

const removeApiKey = async ({ tenantry }: Work, { id: api_key_id }: Item): Promise<undefined> => {
  await unwrap(tenantry.DELETE('/api-keys/{api_key_id}', { params: { path: { api_key_id } } }))
}

const removeIssuer = async ({ tenantry }: Work, present: Item): Promise<undefined> => {
  const params = { path: { issuer_id: present.id }, header: match(present) }
  await unwrap(tenantry.DELETE('/issuers/{issuer_id}', { params }))
}

const removeRoleSet = async ({ tenantry }: Work, { id: role_set_id }: Item): Promise<undefined> => {
  await unwrap(tenantry.DELETE('/role-sets/{role_set_id}', { params: { path: { role_set_id } } }))
}

const removePolicy = async ({ tenantry }: Work, present: Item): Promise<undefined> => {
  const params = { path: { policy_id: present.id }, header: match(present) }
  await unwrap(tenantry.DELETE('/policies/{policy_id}', { params }))
}

const removeRole = async ({ tenantry, heirs }: Work, change: Change): Promise<undefined> => {
  const { id: role_id, revision } = there(change)
  const heir = heirs.get(change.key)
  const params = { path: { role_id }, header: match({ revision }), query: heir === undefined ? {} : { remap_to: heir } }
  await unwrap(tenantry.DELETE('/roles/{role_id}', { params }))
}
