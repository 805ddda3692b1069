// What a Tenantry token says (an RFC 9068 access token with claims of its own), judged strictly: nothing is coerced.

import type { Facts } from './decide.ts'
import { invalidToken, type TenantryError } from './errors.ts'
import { isObject } from './json.ts'
import { type Grant, isPattern } from './permissions.ts'

/**
 * The payload of a Tenantry token. Times are whole seconds since 1970 (RFC 7519 §2); fields that are not listed here
 * are left alone.
 */
export type TokenClaims = {
  readonly iss: string
  /** The user's id as the identity provider names him, or `api_key:<id>` for a machine. */
  readonly sub: string
  readonly aud: string | readonly string[]
  readonly exp: number
  readonly iat: number
  readonly nbf?: number
  readonly jti: string
  readonly client_id: string
  readonly tenant_id: string
  /** For display only: slugs change, and freed ones are taken by others. */
  readonly tenant_slug: string
  /** Null for a machine. */
  readonly membership_id: string | null
  /** Empty for a machine and in a narrowed token. */
  readonly roles: readonly string[]
  /** The catalogue's permissions, spelt out; empty where the product has no catalogue. */
  readonly permissions: readonly string[]
  /** What `holds()` reads: one per role, in the order of `roles`. */
  readonly grants: readonly Grant[]
  /**
   * Patterns of what may be held besides, depending on what it is for: only the service can tell. What is surely held is
   * in the grants. Left out where there is nothing.
   */
  readonly ask?: readonly string[]
  /** What it was narrowed to, as it was asked for (RFC 9068 §2.2.3): for libraries that look at `scope`. */
  readonly scope?: string
  /** Who acts for the subject, and for whom that one acts in turn (RFC 8693 §4.1). */
  readonly act?: Actor
  /** The authentication context of the login, where the identity provider or the back end that vouched told it. */
  readonly acr?: string
  /** When the user logged in, where the identity provider or the back end that vouched told it. */
  readonly auth_time?: number
  /** Since when the login counts that the token goes back to, where that is not `auth_time`: says nothing of when it was. */
  readonly login_at?: number
  /** Of a narrowed token: the roles that its grants were taken from. It does not say them, and is stale when they are. */
  readonly narrowed_from?: readonly string[]
  /** The trusted issuer whose token was exchanged for this one. */
  readonly issuer_id?: string
  /** The revision of each history that the token was minted at. */
  readonly rev: Readonly<Record<string, number>>
}

/** Who acts for somebody else: a user id, or `api_key:<id>`. */
export type Actor = { readonly sub: string; readonly act?: Actor | undefined }

/**
 * What a token says whose grants were too long to be carried: only their digest (`grantsDigest`). The grants of its
 * roles are in the signed role catalogue.
 */
export type SlimClaims = Omit<TokenClaims, 'grants'> & { readonly grants_digest: string }

/** `sub` of a machine's token. The service refuses user ids that begin like this. */
export const API_KEY_SUBJECT_PREFIX = 'api_key:'

type Check = (value: unknown) => boolean

const CHECKS: { readonly [claim in Exclude<keyof TokenClaims, 'grants'>]-?: Check } = {
  iss: isText,
  sub: isText,
  aud: (value) => isText(value) || (isListOf(value, isText) && value.length > 0),
  exp: isSeconds,
  iat: isSeconds,
  nbf: (value) => value === undefined || isSeconds(value),
  jti: isText,
  client_id: isText,
  tenant_id: isText,
  tenant_slug: isText,
  membership_id: (value) => value === null || isText(value),
  roles: (value) => isListOf(value, isText),
  permissions: (value) => isListOf(value, isText),
  ask: (value) => value === undefined || isListOf(value, isPatternText),
  acr: (value) => value === undefined || isText(value),
  auth_time: (value) => value === undefined || isSeconds(value),
  login_at: (value) => value === undefined || isSeconds(value),
  narrowed_from: (value) => value === undefined || isListOf(value, isText),
  issuer_id: (value) => value === undefined || isText(value),
  scope: (value) => value === undefined || typeof value === 'string',
  act: (value) => value === undefined || isActor(value),
  rev: (value) => isObject(value) && Object.values(value).every(isCount),
}

const CHECK_LIST = Object.entries(CHECKS)

/** A chain that is longer than this is no chain of services but somebody's experiment. */
export const MAX_ACTORS = 5

/**
 * Judges a decoded payload: every claim there, of the right type, and the subject of the kind that `membership_id`
 * says.
 *
 * @throws TenantryError `invalid_token`, reason `claims`, naming the claim
 * @example
 * const payload: Record<string, unknown> = JSON.parse(text)
 * assertClaims(payload)
 * payload.tenant_id // string
 */
export function assertClaims(payload: Record<string, unknown>): asserts payload is TokenClaims | SlimClaims {
  for (const [claim, isFine] of CHECK_LIST) {
    if (!isFine(payload[claim])) throw malformed(claim)
  }
  if (!carriesGrants(payload)) throw malformed('grants')
  const isMachine = payload.membership_id === null
  if (isMachine !== String(payload.sub).startsWith(API_KEY_SUBJECT_PREFIX)) {
    throw invalidToken('claims', 'The token\'s claims "sub" and "membership_id" contradict each other.')
  }
}

/**
 * The facts that a verified token states, for `decide`. A token is issued in an active tenant only, and ends no later
 * than anything it rests on; that end is `verify`'s business, so the facts have none of their own.
 *
 * @example
 * decide(factsOf(claims), { tenant_id: claims.tenant_id, permission: 'invoice:read' }, new Date())
 */
export function factsOf(claims: TokenClaims): Facts {
  const isByRole = claims.roles.length === claims.grants.length
  const grants = claims.grants.map(({ permissions, excludes }, i) => {
    return { role: (isByRole ? claims.roles[i] : undefined) ?? null, permissions, excludes }
  })
  const rest = { status: 'active', expires_at: null, grants } as const
  return {
    tenant: { id: claims.tenant_id, status: 'active' },
    subject:
      claims.membership_id === null
        ? { kind: 'api_key', id: claims.sub.slice(API_KEY_SUBJECT_PREFIX.length), ...rest }
        : { kind: 'membership', id: claims.membership_id, ...rest },
  }
}

/** Either the grants, or, of a token with roles, what they are known by. */
function carriesGrants({ grants, grants_digest, roles }: Record<string, unknown>): boolean {
  if (grants_digest === undefined) return isListOf(grants, isGrant)
  return grants === undefined && isText(grants_digest) && Array.isArray(roles) && roles.length > 0
}

function malformed(claim: string): TenantryError {
  return invalidToken('claims', `The token's claim "${claim}" is missing or malformed.`)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(isItem)
}

/** Whole seconds; a float or a string is another dialect, and refused. */
function isSeconds(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) > 0
}

export function isActor(value: unknown, depth = MAX_ACTORS): boolean {
  return (
    isObject(value) && isText(value.sub) && (value.act === undefined || (depth > 1 && isActor(value.act, depth - 1)))
  )
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

/**
 * A pattern that this version cannot read is refused: an exclude that matches nothing would grant more than was
 * meant.
 */
export function isGrant(value: unknown): value is Grant {
  return isObject(value) && isListOf(value.permissions, isPatternText) && isListOf(value.excludes, isPatternText)
}

function isPatternText(value: unknown): value is string {
  return typeof value === 'string' && isPattern(value)
}
