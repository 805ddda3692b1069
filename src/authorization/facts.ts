// Reads the facts of a decision, with the revisions they are true at, in one statement (drizzle/0001_isolation.sql).
import {
  type Facts,
  type Grant,
  type ResourceRef,
  type Revocable,
  revocationTargetsOf,
  type SlimClaims,
  type TenantStatus,
} from '@tenantry/client'
import { sql } from 'drizzle-orm'
import { type JsonObject, PLATFORM } from '../database/schema.ts'
import type { Database, Tx } from '../database/scope.ts'
import type { Principal } from '../http/principal.ts'
import { effective } from '../permissions/by-name.ts'
import { TENANT } from '../revocations/targets.ts'
import { withoutTouched } from '../tokens/touched.ts'
import { type Conditions, conditionsOf, type ToldConditions, touchedBy } from './conditions.ts'
import { tenantWide } from './tenant-wide.ts'

export interface Tenant {
  id: string
  slug: string
  status: TenantStatus
}

export interface Member {
  id: string
  user_id: string
  status: 'active' | 'suspended'
  expires_at: string | null
  signed_out_at: string | null
  roles: (Grant & { key: string })[]
  /** What is held besides: through a group, for a time, on the resource that was asked about. */
  grants: HeldGrant[]
  /** Whether there are grants on single resources at all: without any, the facts are the same for every resource. */
  has_resource_grants: boolean
  /** Told where policies may look at them: what is stored of the membership, and the ids of its groups. */
  properties: JsonObject | null
  groups: string[] | null
}

/** A role that is held through a group (`grant_id` null), or by a grant of the membership or of a group. */
export interface HeldGrant extends Grant {
  key: string
  grant_id: string | null
  group_id: string | null
  resource: ResourceRef | null
  not_before: string | null
  expires_at: string | null
}

/** What a role grants on single resources of one type, from the first such grant's beginning to the last one's end. */
export interface ResourceRole extends Grant {
  resource_type: string
  not_before: string | null
  expires_at: string | null
}

/** Facts of a tenant, and the revisions they are true at. */
export interface AtRevisions {
  tenant: Tenant
  revision: number
  platform_revision: number
  /** What is asked of everybody besides. */
  conditions: Conditions
  /** What is stored of the resource that was asked about, where policies may look at it; null for one that is not registered. */
  resource_properties: JsonObject | null
}

/** What `read_facts` answers. */
export interface MemberFacts extends AtRevisions {
  /** What the catalogue has granted by name only; it is in the roles' excludes already. */
  by_name: string[]
  membership: Member | null
}

export interface ApiKeyFacts extends AtRevisions {
  by_name: string[]
  api_key: (Grant & { id: string; expires_at: string | null }) | null
}

/** What is true of the bearer of a token, and which of the token's targets were revoked since it was minted. */
export interface BearerFacts {
  facts: MemberFacts | null
  revoked: string[]
}

const READ_FACTS = { name: 'read_facts', text: 'select tenantry.read_facts($1, $2, $3, $4, $5) as value' }
const READ_API_KEY_FACTS = {
  name: 'read_api_key_facts',
  text: 'select tenantry.read_api_key_facts($1, $2, $3, $4) as value',
}

/** Facts as the database tells them. */
export type Told<F extends AtRevisions> = Omit<F, 'conditions'> & ToldConditions

const withConditions = <F extends AtRevisions>({ step_up, policies, ...facts }: Told<F>): F =>
  ({ ...facts, conditions: conditionsOf({ step_up, policies }) }) as unknown as F // the rest of it, and what was left out

/** `read_facts` tells roles as they are stored; from here on they are read as the catalogue has it. */
const asCatalogued = (told: Told<MemberFacts> | null): MemberFacts | null => told && catalogued(told)

export const catalogued = (told: Told<MemberFacts>): MemberFacts => {
  const facts = withConditions<MemberFacts>(told)
  if (!facts.membership || facts.by_name.length === 0) return facts
  const [roles, grants] = [facts.membership.roles, facts.membership.grants].map((held) =>
    held.map((role) => effective(role, facts.by_name)),
  ) as [Member['roles'], HeldGrant[]] // each as it was, with more excludes
  return { ...facts, membership: { ...facts.membership, roles, grants } }
}

/** What a token is issued on: the facts, and whether the credential that asks for it still holds. */
export interface IssuingFacts {
  facts: MemberFacts | null
  /** The product's permissions, where it has a catalogue. */
  catalogue: string[]
  /** What the user may hold on single resources. */
  resource_roles: ResourceRole[]
  holds: boolean
  /** Whether the login counts that it goes back to. */
  login_holds: boolean
}

/** What a token goes back to that is asked for by exchange: an issuer's word, or a token of ours. */
export interface Source {
  /** `revision`: as it was when the login was verified; null where a token says so, which is stale if it was changed. */
  issuer?: { id: string; revision: number | null; anonymous: boolean } | undefined
  token?: Revocable | undefined
}

// In this order: what is revoked after the revisions of a token were read makes it stale, what was revoked before does not hold.
const READ_ISSUING_FACTS = {
  name: 'read_issuing_facts',
  text: `select json_build_object('facts', tenantry.read_facts($1, $2, null, null, null),
    'catalogue', tenantry.read_catalogue_keys(),
    'resource_roles', tenantry.read_resource_roles($1, $2),
    'holds', $4::uuid is null or tenantry.holds_api_key($3, $4, $5),
    'login_holds', ($6::uuid is null or tenantry.holds_login($6, $7, $8))
      and ($9::uuid is null or tenantry.find_revoked($9, $10, $11, $12, $5) = '{}')) as value`,
}

type WithTold<Found extends { facts: MemberFacts | null }> = Omit<Found, 'facts'> & { facts: Told<MemberFacts> | null }

/** Without a user: what a machine's token is issued on. Without a principal: for whoever has logged in elsewhere. */
export const readFactsToIssue = async (
  database: Database,
  { tenant_id, user_id }: { tenant_id: string; user_id: string | null },
  principal: Principal | undefined,
  now: Date,
  { issuer, token }: Source = {},
): Promise<IssuingFacts> => {
  const key = principal === undefined ? [null, null] : [principal.tenant_id ?? PLATFORM, principal.id]
  const login = issuer === undefined ? [null, null, false] : [issuer.id, issuer.revision, issuer.anonymous]
  const [of_tenant, , revision, platform_revision, targets] = token ? bearerOf(token, now) : [null, null, 0, 0, []]
  const subject = [of_tenant, revision, platform_revision, targets]
  const found = await database.call(
    ...([READ_ISSUING_FACTS, tenant_id, user_id] as const),
    ...[...key, now.toISOString(), ...login, ...subject],
  )
  const { facts, ...rest } = found as WithTold<IssuingFacts> // the statement's own shape
  return { ...rest, facts: asCatalogued(facts) }
}

/** What holds in the whole tenant, and on the one resource if one is named. Null: there is no such tenant. */
export const readFactsOfUser = async (
  database: Database,
  tenant_id: string,
  user_id: string,
  resource?: ResourceRef,
): Promise<MemberFacts | null> => {
  const { type = null, id = null } = resource ?? {}
  const told = await database.call(READ_FACTS, tenant_id, user_id, null, type, id)
  return asCatalogued(told as Told<MemberFacts> | null) // the function's own shape
}

// One call of the function after the other, in the server: each of the facts is of one snapshot, and all come in one round trip.
const READ_FACTS_OF_API_KEYS = {
  name: 'read_facts_of_api_keys',
  text: `select coalesce(json_agg(
      tenantry.read_api_key_facts(a.tenant_id, a.id, a.resource_type, a.resource_id) order by a.place), '[]') as value
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) with ordinality
      as a (tenant_id, id, resource_type, resource_id, place)`,
}

/** In the order of those asked for. */
export const readFactsOfApiKeys = async (
  database: Database,
  keys: readonly { tenant_id: string; id: string; resource?: ResourceRef | undefined }[],
): Promise<(ApiKeyFacts | null)[]> => {
  const [tenants, ids] = [keys.map(({ tenant_id }) => tenant_id), keys.map(({ id }) => id)]
  const types = keys.map(({ resource }) => resource?.type ?? null)
  const resources = keys.map(({ resource }) => resource?.id ?? null)
  const found = await database.call(READ_FACTS_OF_API_KEYS, tenants, ids, types, resources)
  const told = found as (Told<ApiKeyFacts> | null)[] // the statement's own shape
  return told.map((facts) => facts && withConditions<ApiKeyFacts>(facts))
}

/** What `read_member_facts` answers; `facts.membership` is null where somebody was removed that very moment. */
export interface MembersPage {
  revision: number
  platform_revision: number
  members: { id: string; facts: MemberFacts | null }[]
}

type ToldPage = Omit<MembersPage, 'members'> & { members: { id: string; facts: Told<MemberFacts> | null }[] }

const READ_MEMBER_FACTS = {
  name: 'read_member_facts',
  text: 'select tenantry.read_member_facts($1, $2, $3, $4, $5) as value',
}

/** The members after one, in the order of their ids. Null: there is no such tenant. */
export const readFactsOfMembers = async (
  database: Database,
  tenant_id: string,
  { after, limit, resource }: { after: string; limit: number; resource?: ResourceRef | undefined },
): Promise<MembersPage | null> => {
  const { type = null, id = null } = resource ?? {}
  const page = (await database.call(READ_MEMBER_FACTS, tenant_id, after, limit, type, id)) as ToldPage | null // the function's own shape
  return page && { ...page, members: page.members.map(({ id, facts }) => ({ id, facts: asCatalogued(facts) })) }
}

const READ_CATALOGUE_KEYS = { name: 'read_catalogue_keys', text: 'select tenantry.read_catalogue_keys() as value' }

/** The product's permissions. */
export const readCatalogueKeys = (database: Database): Promise<string[]> =>
  database.call(READ_CATALOGUE_KEYS) as Promise<string[]> // the function's own shape

const READ_BEARER_FACTS = {
  name: 'read_bearer_facts',
  text: `select json_build_object('facts', tenantry.read_facts($1, null, $2, null, null),
    'revoked', tenantry.find_revoked($1, $3, $4, $5, $6)) as value`,
}

type Bearer = readonly [string, string | null, number, number, string[], string]

const bearerOf = (token: Revocable, now: Date): Bearer => {
  const { tenant_id, membership_id, rev } = token
  return [
    ...([tenant_id, membership_id, rev[tenant_id] ?? 0, rev.platform ?? 0] as const),
    ...([revocationTargetsOf(token), now.toISOString()] as const),
  ]
}

export const readFactsOfBearer = async (database: Database, token: Revocable, now: Date): Promise<BearerFacts> => {
  const found = await database.call(READ_BEARER_FACTS, ...bearerOf(token, now))
  const { facts, revoked } = found as WithTold<BearerFacts> // the statement's own shape
  return { facts: asCatalogued(facts), revoked }
}

/** What a member's roles grant now, in the order of the token's: for one that does not carry it (`tokens/size.ts`). */
export const readGrantsOfRoles = async (
  database: Database,
  { tenant_id, membership_id, roles }: Pick<SlimClaims, 'tenant_id' | 'membership_id' | 'roles'>,
  now: Date,
): Promise<Grant[] | undefined> => {
  const found = await database.call(READ_FACTS, tenant_id, null, membership_id, null, null)
  const facts = asCatalogued(found as Told<MemberFacts> | null)
  const touched = facts ? touchedBy(facts.conditions) : []
  const held = new Map(facts?.membership ? tenantWide(facts.membership, now).map((role) => [role.key, role]) : [])
  return roles.flatMap((key) => {
    const role = held.get(key)
    return role ? [withoutTouched({ permissions: role.permissions, excludes: role.excludes }, touched)] : []
  })
}

/** The same within a transaction of the token's tenant. */
export const readFactsOfBearerWithin = async (tx: Tx, token: Revocable, now: Date): Promise<BearerFacts> => {
  const [tenant_id, membership_id, revision, platform_revision, targets, at] = bearerOf(token, now)
  const [row] = await tx
    .select({
      facts: sql<Told<MemberFacts> | null>`tenantry.read_facts(${tenant_id}, null, ${membership_id}, null, null)`,
      revoked: sql<
        string[]
      >`tenantry.find_revoked(${tenant_id}, ${revision}, ${platform_revision}, ${sql.param(targets)}, ${at})`,
    })
    .from(sql`(values (1)) as one`)
  if (!row) throw new Error('the facts of a token answered no row')
  return { ...row, facts: asCatalogued(row.facts) }
}

/**
 * Whether the token was revoked, by the rule that holds offline too. Only that its tenant stands still is left to the
 * facts: the tokens of a suspended tenant may read the tenant.
 */
export const isRevoked = ({ facts, revoked }: BearerFacts): boolean =>
  revoked.some((target) => target !== TENANT || facts?.tenant.status === 'active')

export const readFactsOfApiKey = async (
  database: Database,
  tenant_id: string,
  api_key_id: string,
  resource?: ResourceRef,
): Promise<ApiKeyFacts | null> => {
  const { type = null, id = null } = resource ?? {}
  const told = (await database.call(READ_API_KEY_FACTS, tenant_id, api_key_id, type, id)) as Told<ApiKeyFacts> | null // the function's own shape
  return told && withConditions<ApiKeyFacts>(told)
}

/** PostgreSQL's JSON writes an instant in another way than everything else here. */
const instantOf = (end: string | null): string | null => (end === null ? null : new Date(end).toISOString())

export const factsOfMember = (facts: MemberFacts | null): Facts => ({
  tenant: facts?.tenant ?? null,
  subject: facts?.membership
    ? {
        kind: 'membership',
        id: facts.membership.id,
        status: facts.membership.status,
        expires_at: instantOf(facts.membership.expires_at),
        grants: [
          ...facts.membership.roles.map(({ key, permissions, excludes }) => ({ role: key, permissions, excludes })),
          ...facts.membership.grants.map(({ key, ...grant }) => ({ role: key, ...grant })),
        ],
      }
    : null,
})

export const factsOfApiKey = (facts: ApiKeyFacts | null): Facts => {
  if (!facts?.api_key) return { tenant: facts?.tenant ?? null, subject: null }
  const { id, permissions, excludes } = facts.api_key
  const expires_at = instantOf(facts.api_key.expires_at)
  const grants = [effective({ role: null, permissions, excludes }, facts.by_name)]
  return { tenant: facts.tenant, subject: { kind: 'api_key', id, status: 'active', expires_at, grants } }
}
