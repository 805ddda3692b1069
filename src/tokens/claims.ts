// What a token says, built from facts that were read in one statement.
import { type Actor, API_KEY_SUBJECT_PREFIX, type Grant, type TokenClaims } from '@tenantry/client'
import { type Conditions, permittedBy, touchedBy } from '../authorization/conditions.ts'
import type { Member, MemberFacts, ResourceRole } from '../authorization/facts.ts'
import { type TenantWideRole, tenantWide } from '../authorization/tenant-wide.ts'
import type { Config } from '../config.ts'
import { newId } from '../ids.ts'
import { ASSIGNED_PREFIX } from '../issuers/prefixes.ts'
import { heldOf } from '../permissions/held.ts'
import type { Authentication } from '../permissions/step-up.ts'
import { askOf, concise, isCarried, isHeld } from './asking.ts'
import { askOfTouched, withoutTouched } from './touched.ts'

export const DEFAULT_TTL_SECONDS = 300

export interface Asked {
  issuer: string
  audience: string
  client_id: string
  /** When the key that asks is over; null for none that ends. */
  client_ends_at: string | null
  ttl_seconds: number
  now: Date
  /** The product's permissions; those that are held are spelt out. */
  catalogue: readonly string[]
  /** Of an exchange: the login that it goes back to. */
  login?: Login | undefined
  /** What is told of how and when the user logged in. */
  authentication?: Authentication | undefined
  /** Who acts for the user. */
  act?: Actor | undefined
  /** What it is narrowed to. */
  scope?: string | undefined
}

export interface Login {
  /** Since when it counts: when the user logged in, or, where that is not told, when the token said so that was shown first. */
  login_at: number
  /** Undefined where a back end vouched for the user. */
  issuer_id: string | undefined
  /** When its session ends at the latest, in seconds. */
  ends_at: number
}

/** Since when the login of a token of ours counts. */
export const loginOf = ({ login_at, auth_time, iat }: Pick<TokenClaims, 'login_at' | 'auth_time' | 'iat'>): number =>
  login_at ?? auth_time ?? iat

/** Whether it was narrowed to some grants: then it names no roles, and is never resolved back to them. */
export const isNarrowed = ({ membership_id, roles }: Pick<TokenClaims, 'membership_id' | 'roles'>): boolean =>
  membership_id !== null && roles.length === 0

/** Whether it is good for its own tenant only: a narrowed or delegated one, and of a user whom only its issuer knows. */
export const isBoundToTenant = (claims: Pick<TokenClaims, 'membership_id' | 'roles' | 'sub' | 'act'>): boolean =>
  isNarrowed(claims) || claims.act !== undefined || claims.sub.startsWith(ASSIGNED_PREFIX)

/** Whether a key vouched for the user, and no login. It may be a tenant's key, which has no say in any other tenant. */
export const isVouchedFor = ({ issuer_id }: Pick<TokenClaims, 'issuer_id'>): boolean => issuer_id === undefined

/** Whether tokens are issued for it. */
export const isAudience = ({ issuer, audiences }: Pick<Config, 'issuer' | 'audiences'>, audience: string): boolean =>
  audience === issuer || audiences === undefined || audiences.includes(audience)

type Bearer = Pick<TokenClaims, 'sub' | 'membership_id' | 'roles' | 'grants' | 'ask' | 'narrowed_from'>

/** `exp` is never later than the end of what the token rests on. */
const claimsFor = (
  { sub, membership_id, roles, grants, ask = [], narrowed_from }: Bearer,
  { tenant, revision, platform_revision }: MemberFacts,
  {
    issuer,
    audience,
    client_id,
    client_ends_at,
    ttl_seconds,
    now,
    catalogue,
    login,
    authentication,
    act,
    scope,
  }: Asked,
  ends: (string | null)[],
): TokenClaims => {
  const iat = Math.floor(now.getTime() / 1000)
  return {
    ...{
      iss: issuer,
      sub,
      aud: audience,
      exp: Math.min(iat + ttl_seconds, ...ends.map(secondOf), secondOf(client_ends_at), login?.ends_at ?? FOREVER),
      iat,
      jti: newId(),
      client_id,
    },
    ...{ tenant_id: tenant.id, tenant_slug: tenant.slug, membership_id, roles },
    permissions: heldOf(catalogue, grants),
    grants,
    ...(ask.length > 0 && { ask }),
    ...loginClaims(login, authentication),
    ...(login?.issuer_id !== undefined && { issuer_id: login.issuer_id }),
    ...(act && { act }),
    ...(scope !== undefined && { scope }),
    ...(narrowed_from && { narrowed_from }),
    rev: { [tenant.id]: revision, platform: platform_revision },
  }
}

const loginClaims = (
  login: Login | undefined,
  { acr, auth_time }: Authentication = {},
): Pick<TokenClaims, 'acr' | 'auth_time' | 'login_at'> => ({
  ...(acr !== undefined && { acr }),
  ...(auth_time !== undefined && { auth_time }),
  ...(login && login.login_at !== auth_time && { login_at: login.login_at }),
})

const FOREVER = Number.POSITIVE_INFINITY

const secondOf = (end: string | null): number => (end === null ? FOREVER : Math.floor(Date.parse(end) / 1000))

/** What a token may say: what surely is held, and what may be. */
export interface Carried {
  grants: readonly Grant[]
  ask: readonly string[]
}

/** A member's token; narrowed to some of it, it says no roles. */
export const claimsOf = (
  facts: MemberFacts,
  member: Member,
  asked: Asked & { carried: Carried },
  narrowed?: Carried,
): TokenClaims => {
  const { user_id: sub, id: membership_id } = member
  const held = carriedRoles(member, asked.now)
  const roles = held.map(({ key }) => key)
  const bearer = narrowed
    ? { sub, membership_id, roles: [], ...narrowed, narrowed_from: roles }
    : { sub, membership_id, roles, ...asked.carried }
  return claimsFor(bearer, facts, asked, [member.expires_at, ...held.map(({ expires_at }) => expires_at)])
}

/** What it has that outlasts this second: times of a token are whole ones. */
const carriedRoles = (member: Member, now: Date): TenantWideRole[] =>
  tenantWide({ ...member, grants: member.grants.filter((grant) => isCarried(grant, now)) }, now)

/** All that a token of this member can say. */
export const carriedBy = (
  member: Member,
  resource_roles: readonly ResourceRole[],
  { now, ttl_seconds }: Pick<Asked, 'now' | 'ttl_seconds'>,
  conditions: Conditions,
): Carried => {
  const held = carriedRoles(member, now).map(({ permissions, excludes }) => ({ permissions, excludes }))
  const { grants, ask } = carriedUnder(conditions, held)
  const until = new Date(now.getTime() + ttl_seconds * 1_000)
  const besides = askOf(member.grants, resource_roles, grants, { now, until })
  return { grants, ask: concise([...new Set([...ask, ...besides])].sort()) }
}

/** Of what is granted, what a token says under these conditions: where they decide, it asks. */
export const carriedUnder = (conditions: Conditions, granted: readonly Grant[]): Carried => {
  const { grants, ask } = undecided({ grants: granted, ask: [] }, touchedBy(conditions))
  const permitted = permittedBy(conditions).filter((pattern) => !isHeld(grants, pattern))
  return { grants, ask: [...new Set([...ask, ...permitted])] }
}

/** With what conditions touch as a question and no longer as an answer. */
export const undecided = ({ grants, ask }: Carried, touched: readonly string[]): Carried =>
  touched.length === 0
    ? { grants, ask }
    : {
        grants: grants.map((grant) => withoutTouched(grant, touched)),
        ask: [...new Set([...ask, ...askOfTouched(grants, touched)])],
      }

/** A machine's token: an API key's own. */
export const machineClaimsOf = (facts: MemberFacts, carried: Carried, asked: Asked): TokenClaims => {
  const sub = `${API_KEY_SUBJECT_PREFIX}${asked.client_id}`
  return claimsFor({ sub, membership_id: null, roles: [], ...carried }, facts, asked, [])
}
