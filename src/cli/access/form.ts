// What an access file says: the platform's catalogue, shared roles, role sets, shared policies, shared issuers and API keys,
// in the words of the contract. Here every field is there; in a file, what is usual may be left out.
import type { components } from '@tenantry/client/contract'

type Schemas = components['schemas']

export type PermissionForm = Schemas['Catalogue']['permissions'][number]
export type RoleForm = Pick<Schemas['Role'], 'key' | 'name' | 'description' | 'permissions' | 'excludes'>
export type RoleSetForm = Pick<Schemas['RoleSet'], 'key' | 'name' | 'roles' | 'default'>
export type PolicyForm = Pick<Schemas['Policy'], 'key' | 'description' | 'text' | 'enabled'>
export type IssuerForm = Required<Omit<Schemas['IssuerCreate'], 'tenant_id' | 'jwks_uri' | 'shares_user_ids'>> & {
  jwks_uri: string | null
  /** A word to the service when an issuer is added, and nothing that it keeps. */
  shares_user_ids?: boolean
}
export type ApiKeyForm = Pick<Schemas['ApiKey'], 'name' | 'permissions' | 'excludes' | 'expires_at'>

export interface Access {
  catalogue?: { permissions: PermissionForm[]; strict: boolean }
  roles?: RoleForm[]
  role_sets?: RoleSetForm[]
  policies?: PolicyForm[]
  issuers?: IssuerForm[]
  api_keys?: ApiKeyForm[]
}

export type Section = keyof Access
export const SECTIONS: readonly Section[] = ['catalogue', 'roles', 'role_sets', 'policies', 'issuers', 'api_keys']

/** The sections that are lists, and what names an entry of each. */
export const NAMED_BY = {
  ...{ roles: 'key', role_sets: 'key', policies: 'key', issuers: 'issuer', api_keys: 'name' },
} as const
export type ListSection = keyof typeof NAMED_BY
export const LISTS = Object.keys(NAMED_BY) as ListSection[]

/** What a field is that a file leaves out; as the service has it. */
const USUAL: Record<ListSection, Record<string, unknown>> = {
  roles: { description: '', excludes: [] },
  role_sets: { default: false },
  policies: { description: '', enabled: true },
  issuers: {
    ...{ jwks_uri: null, algorithms: ['RS256', 'ES256', 'EdDSA'], user_id_claim: 'sub', email_claim: 'email' },
    ...{ email_verified_claim: 'email_verified', user_id_prefix: '', client_auth_required: false },
  },
  api_keys: { excludes: [], expires_at: null },
}
const USUAL_OF_PERMISSION = { description: '', wildcard: true, acr: null, max_age: null }

type Fields = Record<string, unknown>

export const completed = (section: ListSection, entry: Fields): Fields => ({ ...USUAL[section], ...entry })

export const completedPermission = (entry: Fields): Fields => ({ ...USUAL_OF_PERMISSION, ...entry })

/** The fields of a file, in its order; what is usual is left out. */
const brief = (usual: Fields, fields: readonly string[], entry: Fields): Fields =>
  Object.fromEntries(
    fields
      .filter((field) => !(field in usual) || JSON.stringify(usual[field]) !== JSON.stringify(entry[field]))
      .map((field) => [field, entry[field]]),
  )

export const FIELDS: Record<ListSection, readonly string[]> = {
  roles: ['key', 'name', 'description', 'permissions', 'excludes'],
  role_sets: ['key', 'name', 'roles', 'default'],
  policies: ['key', 'description', 'text', 'enabled'],
  issuers: ['issuer', 'audiences', ...Object.keys(USUAL.issuers)],
  api_keys: ['name', 'permissions', 'excludes', 'expires_at'],
}

export const briefly = (section: ListSection, entry: object): Fields =>
  brief(USUAL[section], FIELDS[section], { ...entry })

export const brieflyPermission = (entry: PermissionForm): Fields =>
  brief(USUAL_OF_PERMISSION, ['key', ...Object.keys(USUAL_OF_PERMISSION)], { ...entry })
