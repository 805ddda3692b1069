// The tables. What drizzle cannot say (FORCE, roles, policies' grants, functions) is in drizzle/0001_isolation.sql.
// Every tenant-owned key begins with the tenant: `tenant_id`, or `history_id` where the row may also be the platform's.
import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgSchema,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { bytes, instant, transactionId } from './columns.ts'

/** The platform's history. It is no tenant: no tenant may have this id. */
export const PLATFORM = '00000000-0000-0000-0000-000000000000'

export type JsonObject = { [key: string]: unknown }

/** A permission of the product, as its catalogue describes it. */
export interface CatalogueEntry {
  key: string
  description: string
  /** Whether wildcards grant it. */
  wildcard: boolean
  acr: string | null
  max_age: number | null
}

export type Effect = 'permit' | 'forbid'

export const tenantry = pgSchema('tenantry')

const revision = () => bigint({ mode: 'number' }).notNull()
const ownTenant = () => uuid().generatedAlwaysAs(sql.raw(`nullif(history_id, '${PLATFORM}'::uuid)`))
const patterns = () => text().array().notNull()

export const histories = tenantry.table('histories', {
  id: uuid().primaryKey(),
  revision: revision(),
  head_hash: bytes().notNull(),
})

/** Which shared roles a tenant may give: the platform's, named by tenants. `owner` is in each, named or not. */
export const roleSets = tenantry.table(
  'role_sets',
  {
    history_id: uuid().notNull(),
    id: uuid().notNull(),
    key: text().notNull(),
    name: text().notNull(),
    roles: text().array().notNull(),
    default: boolean().notNull(),
    revision: revision(),
    created_at: instant().notNull(),
    updated_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'role_sets_pkey', columns: [t.history_id, t.id] }),
    unique('role_sets_key').on(t.key),
    foreignKey({ name: 'role_sets_history', columns: [t.history_id], foreignColumns: [histories.id] }),
    uniqueIndex('role_sets_one_default').on(t.history_id).where(sql`"default"`),
    check('role_sets_platform', sql.raw(`history_id = '${PLATFORM}'::uuid`)),
  ],
)

export const tenants = tenantry.table(
  'tenants',
  {
    id: uuid().primaryKey(),
    slug: text().notNull(),
    name: text().notNull(),
    status: text({ enum: ['active', 'suspended', 'archived', 'deletion_scheduled', 'erased'] }).notNull(),
    settings: jsonb().$type<JsonObject>().notNull(),
    metadata: jsonb().$type<JsonObject>().notNull(),
    role_set: text(),
    /** Whether policies believe what a check says of its subject and resource. */
    trust_caller_properties: boolean().notNull().default(false),
    deletes_at: instant(),
    revision: revision(),
    created_at: instant().notNull(),
    updated_at: instant().notNull(),
  },
  (t) => [
    foreignKey({ name: 'tenants_history', columns: [t.id], foreignColumns: [histories.id] }),
    foreignKey({ name: 'tenants_role_set', columns: [t.role_set], foreignColumns: [roleSets.key] }),
    index('tenants_of_role_set').on(t.role_set).where(sql`role_set is not null`),
    index('tenants_slug').on(t.slug),
    index('tenants_deletes_at').on(t.deletes_at).where(sql`deletes_at is not null`),
    check('tenants_not_platform', sql.raw(`id <> '${PLATFORM}'::uuid`)),
    check('tenants_status', sql`status in ('active', 'suspended', 'archived', 'deletion_scheduled', 'erased')`),
  ],
)

/** Directory: who holds a slug, or held it lately (`released_at`). Written only by `claim_slug` and `release_slug`. */
export const slugs = tenantry.table(
  'slugs',
  {
    slug: text().primaryKey(),
    tenant_id: uuid().notNull(),
    released_at: instant(),
  },
  (t) => [
    foreignKey({ name: 'slugs_history', columns: [t.tenant_id], foreignColumns: [histories.id] }),
    index('slugs_of_tenant').on(t.tenant_id),
  ],
)

export const memberships = tenantry.table(
  'memberships',
  {
    tenant_id: uuid().notNull(),
    id: uuid().notNull(),
    user_id: text().notNull(),
    status: text({ enum: ['active', 'suspended'] }).notNull(),
    email: text(),
    display_name: text(),
    properties: jsonb().$type<JsonObject>().notNull(),
    expires_at: instant(),
    signed_out_at: instant(),
    revision: revision(),
    created_at: instant().notNull(),
    updated_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'memberships_pkey', columns: [t.tenant_id, t.id] }),
    unique('memberships_user').on(t.tenant_id, t.user_id),
    foreignKey({ name: 'memberships_tenant', columns: [t.tenant_id], foreignColumns: [tenants.id] }),
    uniqueIndex('memberships_directory').on(t.id),
    index('memberships_of_user').on(t.user_id, t.id),
    index('memberships_email').on(t.tenant_id, sql`lower(email)`),
    check('memberships_status', sql`status in ('active', 'suspended')`),
  ],
)

export const roles = tenantry.table(
  'roles',
  {
    history_id: uuid().notNull(),
    id: uuid().notNull(),
    tenant_id: ownTenant(),
    key: text().notNull(),
    name: text().notNull(),
    description: text().notNull(),
    permissions: patterns(),
    excludes: patterns(),
    built_in: boolean().notNull(),
    revision: revision(),
    created_at: instant().notNull(),
    updated_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'roles_pkey', columns: [t.history_id, t.id] }),
    unique('roles_key').on(t.history_id, t.key),
    foreignKey({ name: 'roles_history', columns: [t.history_id], foreignColumns: [histories.id] }),
    uniqueIndex('roles_directory').on(t.id),
  ],
)

export const membershipRoles = tenantry.table(
  'membership_roles',
  {
    tenant_id: uuid().notNull(),
    membership_id: uuid().notNull(),
    role_id: uuid().notNull(),
    role_history_id: uuid().notNull(),
  },
  (t) => [
    primaryKey({ name: 'membership_roles_pkey', columns: [t.tenant_id, t.membership_id, t.role_id] }),
    foreignKey({
      name: 'membership_roles_membership',
      columns: [t.tenant_id, t.membership_id],
      foreignColumns: [memberships.tenant_id, memberships.id],
    }).onDelete('cascade'),
    foreignKey({
      name: 'membership_roles_role',
      columns: [t.role_history_id, t.role_id],
      foreignColumns: [roles.history_id, roles.id],
    }),
    // By the role first: a shared one's holders are in many tenants, and deleting a role looks for them.
    index('membership_roles_of_role').on(t.role_id, t.tenant_id, t.membership_id),
    check('membership_roles_own_or_shared', sql.raw(`role_history_id in (tenant_id, '${PLATFORM}'::uuid)`)),
  ],
)

export const groups = tenantry.table(
  'groups',
  {
    tenant_id: uuid().notNull(),
    id: uuid().notNull(),
    name: text().notNull(),
    description: text().notNull(),
    revision: revision(),
    created_at: instant().notNull(),
    updated_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'groups_pkey', columns: [t.tenant_id, t.id] }),
    unique('groups_name').on(t.tenant_id, t.name),
    foreignKey({ name: 'groups_tenant', columns: [t.tenant_id], foreignColumns: [tenants.id] }),
    uniqueIndex('groups_directory').on(t.id),
  ],
)

/** What a group's members hold in the whole tenant. */
export const groupRoles = tenantry.table(
  'group_roles',
  {
    tenant_id: uuid().notNull(),
    group_id: uuid().notNull(),
    role_id: uuid().notNull(),
    role_history_id: uuid().notNull(),
  },
  (t) => [
    primaryKey({ name: 'group_roles_pkey', columns: [t.tenant_id, t.group_id, t.role_id] }),
    foreignKey({
      name: 'group_roles_group',
      columns: [t.tenant_id, t.group_id],
      foreignColumns: [groups.tenant_id, groups.id],
    }).onDelete('cascade'),
    foreignKey({
      name: 'group_roles_role',
      columns: [t.role_history_id, t.role_id],
      foreignColumns: [roles.history_id, roles.id],
    }),
    index('group_roles_of_role').on(t.role_id, t.tenant_id, t.group_id),
    check('group_roles_own_or_shared', sql.raw(`role_history_id in (tenant_id, '${PLATFORM}'::uuid)`)),
  ],
)

export const groupMembers = tenantry.table(
  'group_members',
  {
    tenant_id: uuid().notNull(),
    group_id: uuid().notNull(),
    membership_id: uuid().notNull(),
  },
  (t) => [
    primaryKey({ name: 'group_members_pkey', columns: [t.tenant_id, t.group_id, t.membership_id] }),
    foreignKey({
      name: 'group_members_group',
      columns: [t.tenant_id, t.group_id],
      foreignColumns: [groups.tenant_id, groups.id],
    }).onDelete('cascade'),
    foreignKey({
      name: 'group_members_membership',
      columns: [t.tenant_id, t.membership_id],
      foreignColumns: [memberships.tenant_id, memberships.id],
    }).onDelete('cascade'),
    index('group_members_of_membership').on(t.tenant_id, t.membership_id, t.group_id),
  ],
)

/** A role that a membership or a group holds on one resource, or for a time. */
export const grants = tenantry.table(
  'grants',
  {
    tenant_id: uuid().notNull(),
    id: uuid().notNull(),
    membership_id: uuid(),
    group_id: uuid(),
    role_id: uuid().notNull(),
    role_history_id: uuid().notNull(),
    resource_type: text(),
    resource_id: text(),
    not_before: instant(),
    expires_at: instant(),
    revision: revision(),
    created_at: instant().notNull(),
    updated_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'grants_pkey', columns: [t.tenant_id, t.id] }),
    // One way to hold a role on a resource, so that taking it away takes it away. The facts of a decision come from here.
    unique('grants_once')
      .on(t.tenant_id, t.membership_id, t.resource_type, t.resource_id, t.role_id, t.group_id)
      .nullsNotDistinct(),
    foreignKey({
      name: 'grants_membership',
      columns: [t.tenant_id, t.membership_id],
      foreignColumns: [memberships.tenant_id, memberships.id],
    }).onDelete('cascade'),
    foreignKey({
      name: 'grants_group',
      columns: [t.tenant_id, t.group_id],
      foreignColumns: [groups.tenant_id, groups.id],
    }).onDelete('cascade'),
    foreignKey({
      name: 'grants_role',
      columns: [t.role_history_id, t.role_id],
      foreignColumns: [roles.history_id, roles.id],
    }),
    uniqueIndex('grants_directory').on(t.id),
    index('grants_of_group').on(t.tenant_id, t.group_id, t.resource_type, t.resource_id),
    // Only for queries that repeat the condition. A resource may have as many grants as there are members, and a member as
    // many as there are resources: with a choice of indexes, the facts of a decision would at times read all of them.
    index('grants_on_resource')
      .on(t.tenant_id, t.resource_type, t.resource_id, t.id)
      .where(sql`num_nonnulls(resource_id) = 1`),
    index('grants_of_role').on(t.role_id, t.tenant_id, t.id),
    check('grants_one_holder', sql`num_nonnulls(membership_id, group_id) = 1`),
    check('grants_whole_resource', sql`num_nonnulls(resource_type, resource_id) in (0, 2)`),
    check('grants_own_or_shared', sql.raw(`role_history_id in (tenant_id, '${PLATFORM}'::uuid)`)),
  ],
)

/** Of the product's things those that it registers; grants need no such row. */
export const resources = tenantry.table(
  'resources',
  {
    tenant_id: uuid().notNull(),
    type: text().notNull(),
    id: text().notNull(),
    properties: jsonb().$type<JsonObject>().notNull(),
    revision: revision(),
    created_at: instant().notNull(),
    updated_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'resources_pkey', columns: [t.tenant_id, t.type, t.id] }),
    foreignKey({ name: 'resources_tenant', columns: [t.tenant_id], foreignColumns: [tenants.id] }),
  ],
)

/** The product's permissions: one row, the platform's, replaced as a whole. `keys` and `by_name` are read from `permissions`. */
export const catalogues = tenantry.table(
  'catalogues',
  {
    history_id: uuid().notNull(),
    permissions: jsonb().$type<CatalogueEntry[]>().notNull(),
    keys: text().array().notNull(),
    by_name: text().array().notNull(),
    /** Those of the permissions that demand something of a login; computed, so that every version keeps it right. */
    step_up: jsonb()
      .$type<CatalogueEntry[]>()
      .notNull()
      .generatedAlwaysAs(sql`jsonb_path_query_array(permissions, '$[*] ? (@.acr != null || @.max_age != null)')`),
    strict: boolean().notNull(),
    revision: revision(),
    updated_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'catalogues_pkey', columns: [t.history_id] }),
    foreignKey({ name: 'catalogues_history', columns: [t.history_id], foreignColumns: [histories.id] }),
    check('catalogues_platform', sql.raw(`history_id = '${PLATFORM}'::uuid`)),
  ],
)

/** Conditions on top of roles. What is read from `text` stands beside it: the database is asked which permissions it touches. */
export const policies = tenantry.table(
  'policies',
  {
    history_id: uuid().notNull(),
    id: uuid().notNull(),
    tenant_id: ownTenant(),
    key: text().notNull(),
    description: text().notNull(),
    text: text().notNull(),
    effect: text({ enum: ['permit', 'forbid'] }).notNull(),
    actions: patterns(),
    reads_resource: boolean().notNull(),
    enabled: boolean().notNull(),
    revision: revision(),
    created_at: instant().notNull(),
    updated_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'policies_pkey', columns: [t.history_id, t.id] }),
    unique('policies_key').on(t.history_id, t.key),
    foreignKey({ name: 'policies_history', columns: [t.history_id], foreignColumns: [histories.id] }),
    uniqueIndex('policies_directory').on(t.id),
    check('policies_effect', sql`effect in ('permit', 'forbid')`),
  ],
)

export const apiKeys = tenantry.table(
  'api_keys',
  {
    history_id: uuid().notNull(),
    id: uuid().notNull(),
    tenant_id: ownTenant(),
    name: text().notNull(),
    hash: bytes().notNull(),
    hint: text().notNull(),
    permissions: patterns(),
    excludes: patterns(),
    root: boolean().notNull(),
    expires_at: instant(),
    last_used_at: instant(),
    revision: revision(),
    created_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'api_keys_pkey', columns: [t.history_id, t.id] }),
    foreignKey({ name: 'api_keys_history', columns: [t.history_id], foreignColumns: [histories.id] }),
    uniqueIndex('api_keys_directory').on(t.id),
    uniqueIndex('api_keys_hash').on(t.hash),
    uniqueIndex('api_keys_one_root').on(t.history_id).where(sql`root`),
  ],
)

export const events = tenantry.table(
  'events',
  {
    history_id: uuid().notNull(),
    revision: revision(),
    tenant_id: ownTenant(),
    type: text().notNull(),
    actor_type: text({ enum: ['api_key', 'membership', 'system'] }).notNull(),
    actor_id: uuid(),
    data: jsonb().$type<JsonObject>().notNull(),
    personal_commitment: bytes(),
    hash: bytes().notNull(),
    created_at: instant().notNull(),
    position: bigint({ mode: 'number' }).notNull().generatedAlwaysAsIdentity({ name: 'events_position_seq' }),
    xid: transactionId().notNull().default(sql`pg_current_xact_id()`),
  },
  (t) => [
    primaryKey({ name: 'events_pkey', columns: [t.history_id, t.revision] }),
    foreignKey({ name: 'events_history', columns: [t.history_id], foreignColumns: [histories.id] }),
    index('events_position').on(t.position),
    index('events_xid').on(t.xid, t.position),
  ],
)

/** What an event says about a person. Erasing row and salt erases the person; the chain holds only the commitment. */
export const eventPersonalData = tenantry.table(
  'event_personal_data',
  {
    history_id: uuid().notNull(),
    revision: revision(),
    salt: bytes().notNull(),
    data: jsonb().$type<JsonObject>().notNull(),
  },
  (t) => [
    primaryKey({ name: 'event_personal_data_pkey', columns: [t.history_id, t.revision] }),
    foreignKey({
      name: 'event_personal_data_event',
      columns: [t.history_id, t.revision],
      foreignColumns: [events.history_id, events.revision],
    }),
  ],
)

/** Tokens below `revision` of this history that fit `target` are stale; kept until none of them can be valid any more. */
export const revocations = tenantry.table(
  'revocations',
  {
    history_id: uuid().notNull(),
    revision: revision(),
    target: text().notNull(),
    tenant_id: ownTenant(),
    expires_at: instant().notNull(),
    xid: transactionId().notNull().default(sql`pg_current_xact_id()`),
  },
  (t) => [
    primaryKey({ name: 'revocations_pkey', columns: [t.history_id, t.revision, t.target] }),
    foreignKey({
      name: 'revocations_event',
      columns: [t.history_id, t.revision],
      foreignColumns: [events.history_id, events.revision],
    }),
    index('revocations_xid').on(t.xid),
    index('revocations_expires_at').on(t.expires_at),
  ],
)

export const idempotencyKeys = tenantry.table(
  'idempotency_keys',
  {
    history_id: uuid().notNull(),
    credential_id: text().notNull(),
    operation_id: text().notNull(),
    key: text().notNull(),
    request_hash: bytes().notNull(),
    sealed_response: bytes().notNull(),
    created_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'idempotency_keys_pkey', columns: [t.history_id, t.credential_id, t.operation_id, t.key] }),
    index('idempotency_keys_created_at').on(t.created_at),
  ],
)

/** The platform's signing keys; private parts sealed. No tenant scope sees this table. */
export const issuers = tenantry.table(
  'issuers',
  {
    history_id: uuid().notNull(),
    id: uuid().notNull(),
    tenant_id: ownTenant(),
    issuer: text().notNull(),
    audiences: patterns(),
    jwks_uri: text(),
    algorithms: patterns(),
    user_id_claim: text().notNull(),
    email_claim: text().notNull(),
    email_verified_claim: text().notNull(),
    user_id_prefix: text().notNull(),
    client_auth_required: boolean().notNull(),
    revision: revision(),
    created_at: instant().notNull(),
    updated_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'issuers_pkey', columns: [t.history_id, t.id] }),
    uniqueIndex('issuers_directory').on(t.id),
    uniqueIndex('issuers_issuer').on(t.history_id, t.issuer),
    index('issuers_by_name').on(t.issuer, t.id),
    foreignKey({ name: 'issuers_history', columns: [t.history_id], foreignColumns: [histories.id] }),
  ],
)

export const signingKeys = tenantry.table(
  'signing_keys',
  {
    kid: text().primaryKey(),
    algorithm: text({ enum: ['ES256', 'RS256', 'EdDSA'] }).notNull(),
    public_jwk: jsonb().$type<JsonObject>().notNull(),
    sealed_private_key: bytes().notNull(),
    status: text({ enum: ['next', 'active', 'retired'] }).notNull(),
    activates_at: instant().notNull(),
    retired_at: instant(),
    created_at: instant().notNull(),
  },
  () => [
    uniqueIndex('signing_keys_one_active').on(sql`(true)`).where(sql`status = 'active'`),
    check('signing_keys_status', sql`status in ('next', 'active', 'retired')`),
  ],
)

/** From where on histories go on without a gap: after a restore another begins. The newest is the present one. */
export const epochs = tenantry.table('epochs', {
  number: integer().primaryKey(),
  system_identifier: text(),
  database_oid: bigint({ mode: 'number' }),
  timeline: integer(),
  nothing_lost: boolean().notNull(),
  started_at: instant().notNull(),
})
