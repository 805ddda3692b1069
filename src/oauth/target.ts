// Which tenant a token is asked for. Several parameters may name it, and must agree.
import type { Database } from '../database/scope.ts'
import { OAuthError } from '../http/oauth-errors.ts'
import { isId } from '../ids.ts'

const LOCATE_SLUG = { name: 'locate_slug', text: 'select tenantry.locate_slug($1) as value' }

/** One and the same for a tenant that is not there, not active, or none of the client's business. */
export const invalidTarget = (
  why = 'Name one tenant in which the bearer is an active member: tenant_id, tenant_slug, scope=tenant:<slug> or resource.',
): OAuthError => new OAuthError('invalid_target', why)

export interface Named {
  tenant_id?: string
  tenant_slug?: string
  resource?: string
  /** The scope, word by word. */
  scope: readonly string[]
}

const TENANT_SCOPE = 'tenant:'

export const isTenantScope = (word: string): boolean => word.startsWith(TENANT_SCOPE)

const only = (values: (string | undefined)[]): string | undefined => {
  const [first, ...others] = new Set(values.filter((value) => value !== undefined))
  if (others.length > 0) throw new OAuthError('invalid_request', 'The request names different tenants.')
  return first
}

const fromResource = (issuer: string, resource: string | undefined): string | undefined => {
  if (resource === undefined) return undefined
  const start = `${issuer}/tenants/`
  if (!resource.startsWith(start)) throw invalidTarget()
  return resource.slice(start.length)
}

/**
 * The id of the tenant that is named; undefined when none is, and null when there is none of that name: whoever asks has
 * still to show that it is his business.
 * @throws OAuthError
 */
export const targetOf = async (
  database: Database,
  issuer: string,
  named: Named,
): Promise<string | null | undefined> => {
  const id = only([named.tenant_id, fromResource(issuer, named.resource)])?.toLowerCase()
  const slugs = named.scope.filter(isTenantScope).map((word) => word.slice(TENANT_SCOPE.length))
  const slug = only([named.tenant_slug, ...slugs])
  if (id !== undefined && !isId(id)) throw invalidTarget()
  if (slug === undefined) return id
  const found = await database.call(LOCATE_SLUG, slug)
  return typeof found === 'string' && (id === undefined || id === found) ? found : null
}
