// What the running service has of what an access file is about. Only what is asked for is read, so a key needs the rights to
// no more.
import { type TenantryClient, unwrap } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import { readAll } from '../pages.ts'
import type { Section } from './form.ts'

type Schemas = components['schemas']

/** A section that was not asked for is empty. */
export interface Present {
  catalogue: Pick<Schemas['Catalogue'], 'permissions' | 'strict' | 'revision'>
  roles: Schemas['Role'][]
  role_sets: Schemas['RoleSet'][]
  policies: Schemas['Policy'][]
  issuers: Schemas['Issuer'][]
  /** Without the root key, which is the process's. */
  api_keys: Schemas['ApiKey'][]
}

export const readPresent = async (tenantry: TenantryClient, sections: readonly Section[]): Promise<Present> => {
  const all = async <T>(section: Section, read: Parameters<typeof readAll<T>>[1]): Promise<T[]> =>
    sections.includes(section) ? (await readAll(undefined, read)).data : []
  const query = { shared: true }
  const keys = await all('api_keys', (page) =>
    unwrap(tenantry.GET('/api-keys', { params: { query: { ...query, ...page } } })),
  )
  return {
    catalogue: sections.includes('catalogue')
      ? await unwrap(tenantry.GET('/permissions'))
      : { permissions: [], strict: false, revision: 0 },
    roles: await all('roles', (page) => unwrap(tenantry.GET('/roles', { params: { query: { ...query, ...page } } }))),
    role_sets: await all('role_sets', (page) => unwrap(tenantry.GET('/role-sets', { params: { query: page } }))),
    policies: await all('policies', (page) =>
      unwrap(tenantry.GET('/policies', { params: { query: { ...query, ...page } } })),
    ),
    issuers: await all('issuers', (page) =>
      unwrap(tenantry.GET('/issuers', { params: { query: { ...query, ...page } } })),
    ),
    api_keys: keys.filter(({ root }) => !root),
  }
}
