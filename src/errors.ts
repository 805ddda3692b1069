// Every problem Tenantry answers with: one closed catalogue, from which come the status, the title and the page that
// says what to do (`/errors/<code>`).

interface Entry {
  status: number
  title: string
  /** What to do about it, for the person who reads the page. */
  advice: string
}

const entry = (status: number, title: string, advice: string): Entry => ({ status, title, advice })

export const CATALOGUE = {
  'request.invalid': entry(
    400,
    'Invalid request',
    'The request does not meet the contract. Each entry of `errors` points at a value and says what is wrong with it; the contract is at /docs.',
  ),
  'cursor.invalid': entry(
    400,
    'Invalid cursor',
    'Send the `next_cursor` of the page before exactly as it came, or leave `cursor` out to start again.',
  ),
  'tenant.required': entry(
    400,
    'Tenant required',
    'This credential belongs to no tenant, so the request must name one: `tenant_id`, or `context.tenant_id` in a check.',
  ),
  'credential.missing': entry(401, 'Credential missing', 'Send `Authorization: Bearer <API key or token>`.'),
  'credential.invalid': entry(
    401,
    'Credential not valid',
    'The API key is unknown, mistyped, expired or revoked. Check that it was copied whole; create another with POST /api-keys.',
  ),
  'token.invalid': entry(
    401,
    'Token not valid',
    'The token is malformed, expired, signed by somebody else, or not meant for this service (its audience must be this issuer). Get a fresh one.',
  ),
  'token.stale': entry(
    401,
    'Token stale',
    'The token was good, but since it was issued access was narrowed: the membership, its roles, a policy, what the catalogue demands, or the key that asked for it. Get a fresh one, if the user still is a member.',
  ),
  'login.insufficient': entry(
    401,
    'Login not sufficient',
    'The permission is there, and what it is about needs a more recent or a stronger login: `acr_values` and `max_age` of the challenge say which (RFC 9470). Let the user log in so, and exchange the new token.',
  ),
  'credential.not_a_user': entry(
    403,
    'Not a user',
    'An API key has no memberships. Send the token that the user logged in with, or ask GET /memberships with `user_id`.',
  ),
  'permission.missing': entry(
    403,
    'Permission missing',
    'The credential lacks the permission that the problem names. Ask an administrator of the tenant, or use another key.',
  ),
  'role.exceeds_own': entry(
    403,
    'More than one’s own rights',
    'Nobody can give, or take from somebody, rights that they do not have themselves. Rights that end give none that last longer. A provisioning key with `tenantry.role:assign_any` may.',
  ),
  'scope.platform_only': entry(
    403,
    'For the platform only',
    'Credentials that belong to a tenant cannot do this. Use a platform API key.',
  ),
  'tenant.suspended': entry(
    403,
    'Tenant suspended',
    'The tenant is suspended or scheduled for deletion: its own credentials can only read the tenant itself until the platform reactivates it.',
  ),
  'tenant.mismatch': entry(
    403,
    'Another tenant',
    'The credential is not of the tenant that the gateway lets through here. Get a token for that tenant, if you belong to it.',
  ),
  'role.missing': entry(
    403,
    'Role missing',
    'The credential lacks the role that the problem names. Ask an administrator of the tenant.',
  ),
  not_found: entry(404, 'Not found', 'There is nothing at this address.'),
  'error.not_found': entry(
    404,
    'No such error code',
    'There is no page for this code. All codes are in the contract, at `Problem.code`.',
  ),
  'tenant.not_found': entry(404, 'Tenant not found', 'There is no such tenant that this credential can see.'),
  'membership.not_found': entry(
    404,
    'Membership not found',
    'There is no such membership that this credential can see.',
  ),
  'role.not_found': entry(404, 'Role not found', 'There is no such role that this credential can see.'),
  'role_set.not_found': entry(404, 'Role set not found', 'There is no such set of roles.'),
  'policy.not_found': entry(404, 'Policy not found', 'There is no such policy that this credential can see.'),
  'api_key.not_found': entry(404, 'API key not found', 'There is no such API key that this credential can see.'),
  'issuer.not_found': entry(404, 'Issuer not found', 'There is no such issuer that this credential can see.'),
  'group.not_found': entry(404, 'Group not found', 'There is no such group that this credential can see.'),
  'grant.not_found': entry(404, 'Grant not found', 'There is no such grant that this credential can see.'),
  'resource.not_found': entry(
    404,
    'Resource not found',
    'No such resource is registered that this credential can see. PUT registers it.',
  ),
  'method.not_allowed': entry(
    405,
    'Method not allowed',
    'This address exists, but not with this method; `Allow` lists those it has.',
  ),
  'membership.exists': entry(
    409,
    'Already a member',
    'The user has a membership in this tenant already; change that one.',
  ),
  'issuer.exists': entry(409, 'Issuer exists', 'This issuer is trusted here already; change that one.'),
  'issuer.same_users': entry(
    409,
    'Another issuer has these users',
    'Another issuer is trusted for user ids with the same prefix, or without one: each could say to be the other’s users. Give this one a `user_id_prefix` of its own; or, if both really mean the same people, say so with `shares_user_ids`.',
  ),
  'issuer.too_many': entry(409, 'Too many issuers', 'A tenant trusts ten issuers at most. Delete one first.'),
  'membership.last_owner': entry(
    409,
    'The tenant’s last owner',
    'A tenant keeps at least one active owner without an end date. Make somebody else an owner first.',
  ),
  'role.key_taken': entry(
    409,
    'Key taken',
    'A role with this key exists already, here, shared, or in a tenant. Choose another; keys mean one role.',
  ),
  'role.in_use': entry(
    409,
    'Role in use',
    'Memberships hold this role. Say with `remap_to` which role they get in its place; `dry_run=true` shows whom it concerns.',
  ),
  'role.built_in': entry(
    409,
    'Built-in role',
    'Built-in roles are not deleted, and what `owner` grants is fixed: owners can do whatever can be done in a tenant.',
  ),
  'role.too_many': entry(409, 'Too many roles', 'A tenant has 100 roles of its own at most, and 100 are shared.'),
  'group.name_taken': entry(409, 'Name taken', 'The tenant has a group of this name already. Choose another.'),
  'group.too_many': entry(
    409,
    'Too many groups',
    'A tenant has 1,000 groups at most, and a membership is in 50 of them at most.',
  ),
  'grant.exists': entry(
    409,
    'Granted already',
    'This role is granted here already, perhaps for another time. Change that grant: GET /grants lists it.',
  ),
  'grant.too_many': entry(
    409,
    'Too many grants',
    'A membership or a group has 20 grants for the whole tenant at most. Take back those that are over.',
  ),
  'role_set.key_taken': entry(409, 'Key taken', 'A set of roles with this key exists already. Change that one.'),
  'role_set.in_use': entry(
    409,
    'Role set in use',
    'Tenants are on this set. Put them on another with PATCH /tenants/{tenant_id} first.',
  ),
  'role_set.too_many': entry(409, 'Too many role sets', 'There are 100 sets of roles at most.'),
  'policy.key_taken': entry(409, 'Key taken', 'A policy with this key exists here already. Change that one.'),
  'policy.too_many': entry(
    409,
    'Too many policies',
    'A tenant has 100 policies of its own at most, of 128 KiB together, and as many are shared.',
  ),
  'membership.suspended': entry(
    409,
    'Membership suspended',
    'No token is issued for a suspended membership. Reactivate it first.',
  ),
  'membership.expired': entry(
    409,
    'Membership expired',
    'No token is issued for a membership that has ended. Give it a later end first.',
  ),
  'tenant.slug_taken': entry(
    409,
    'Slug taken',
    'Another tenant has this slug, or gave it up less than 90 days ago. Choose another.',
  ),
  'tenant.not_active': entry(
    409,
    'Tenant not active',
    'The tenant is suspended, or on its way out; what was asked needs an active one.',
  ),
  'tenant.not_writable': entry(
    409,
    'Tenant not writable',
    'The tenant is scheduled for deletion or erased. Restore it first, while that is possible.',
  ),
  'tenant.not_restorable': entry(409, 'Tenant not restorable', 'The time to restore the tenant is over.'),
  'api_key.root': entry(
    409,
    'The root key',
    'The root key is not revoked through the API. Start the service with another TENANTRY_ROOT_API_KEY to replace it.',
  ),
  'principal.changed': entry(
    409,
    'Your rights changed',
    'While the request waited its turn, the rights of its credential changed. Nothing was done; try again.',
  ),
  'idempotency.in_progress': entry(
    409,
    'Still in progress',
    'A request with this Idempotency-Key is running. Try again in a moment.',
  ),
  'idempotency.answer_lost': entry(
    409,
    'Done before, answer lost',
    'The request with this Idempotency-Key was carried out, but its answer was sealed with an encryption key that the service no longer has. Look up what it made. To avoid this, keep TENANTRY_PREVIOUS_ENCRYPTION_KEY for a day.',
  ),
  'precondition.failed': entry(
    412,
    'Changed in the meantime',
    'The resource is no longer the one named by If-Match. Read it again and decide anew.',
  ),
  'body.too_large': entry(413, 'Body too large', 'A body may have 64 KiB at most.'),
  'media_type.unsupported': entry(415, 'Media type not supported', 'Send `Content-Type: application/json`.'),
  'role.unknown': entry(422, 'Unknown role', 'One of the roles does not exist here; GET /roles lists those that do.'),
  'role.not_in_set': entry(
    422,
    'Role not for this tenant',
    'The role is shared, but not in the set of roles that this tenant may give; GET /roles lists those that are. The platform decides on sets.',
  ),
  'role_set.unknown': entry(
    422,
    'Unknown role set',
    'There is no set of roles with this key; GET /role-sets lists them.',
  ),
  'tenant.slug_reserved': entry(
    422,
    'Slug reserved',
    'Words such as `www`, `api` or `admin` cannot be slugs. Choose another.',
  ),
  'expires_at.past': entry(
    422,
    'End in the past',
    'An end must lie in the future. To end something now, suspend or remove it.',
  ),
  'grant.lasting': entry(
    422,
    'Neither on a resource nor for a time',
    'A role to keep in the whole tenant belongs into `roles` of the membership or the group. A grant names a resource, a beginning or an end.',
  ),
  'audience.unknown': entry(
    422,
    'Unknown audience',
    'Tokens are issued only for the audiences in TENANTRY_AUDIENCES and for this service itself.',
  ),
  'permission.invalid': entry(
    422,
    'Not a permission',
    'Write `resource:action`, `resource:*`, `*:action` or `*`; `tenantry.*` or one of Tenantry’s own permissions by name.',
  ),
  'policy.invalid': entry(
    422,
    'Not a policy',
    'A policy is one statement of Cedar about the product’s permissions; `errors` say what to change, and in which line.',
  ),
  'permission.unknown': entry(
    422,
    'Unknown permission',
    'The catalogue is strict: roles name only permissions that are in it, and wildcards that match one. GET /permissions lists them.',
  ),
  'issuer.unsafe': entry(
    422,
    'Not a safe address',
    'An issuer is an https URL without user name, and its host is no address of a private network. For development, TENANTRY_ALLOW_LOOPBACK_ISSUERS=true allows http on this machine.',
  ),
  'issuer.prefix_assigned': entry(
    422,
    'The prefix is assigned',
    'The user ids of a tenant’s own issuer get a prefix that Tenantry assigns, so that it cannot speak for others; and no shared issuer’s prefix begins with `idp:`.',
  ),
  'idempotency.mismatch': entry(
    422,
    'Idempotency-Key used before',
    'This Idempotency-Key came with another body before. Use a new key for a new request.',
  ),
  'rate.limited': entry(
    429,
    'Too many requests',
    'This credential has asked more than it may for a while. `RateLimit` says how much is left and `Retry-After` when to go on.',
  ),
  'stream.too_many': entry(
    429,
    'Too many streams',
    'This credential has 200 streams open on this replica. One per process is enough: close some, or use more keys.',
  ),
  'headers.too_large': entry(431, 'Headers too large', 'The request’s headers have more than 16 KiB.'),
  internal: entry(500, 'Internal error', 'Something went wrong on our side. The request id finds it in the log.'),
  'issuer.unavailable': entry(
    503,
    'Issuer unavailable',
    'The keys of the identity provider cannot be had right now. Try again after the time in Retry-After.',
  ),
  'database.unavailable': entry(
    503,
    'Database unavailable',
    'The database cannot be reached right now. Try again after the time in Retry-After.',
  ),
  'database.busy': entry(
    503,
    'Database busy',
    'The database did not answer in time. Nothing was changed. Try again after the time in Retry-After.',
  ),
  overloaded: entry(
    503,
    'Overloaded',
    'This replica has more to do than it can. Try again after the time in Retry-After.',
  ),
  'revision.not_reached': entry(
    503,
    'Revision not reached',
    'What is read here is older than the revision that was demanded, and did not catch up within a second. Try again after the time in Retry-After.',
  ),
} satisfies Record<string, Entry>

export type Code = keyof typeof CATALOGUE

export interface Pointer {
  /** A JSON pointer into the body, or `query/<name>`, `path/<name>`, `header/<name>`. */
  pointer: string
  detail: string
}

interface Particulars {
  /** One sentence about this very case; the catalogue's advice when left out. Public: no secrets, no causes. */
  detail?: string
  errors?: Pointer[]
  headers?: Record<string, string>
  /** Private: goes to the log, never to the caller. */
  cause?: unknown
}

/** The one thing that is thrown for a caller to see. Ends in the problem handler (`http/problems.ts`). */
export class Problem extends Error {
  readonly code: Code
  readonly status: number
  readonly detail: string
  readonly errors: Pointer[]
  readonly headers: Record<string, string>

  constructor(code: Code, { detail, errors = [], headers = {}, cause }: Particulars = {}) {
    super(`${code}: ${detail ?? CATALOGUE[code].title}`, cause === undefined ? {} : { cause })
    this.code = code
    this.status = CATALOGUE[code].status
    this.detail = detail ?? CATALOGUE[code].advice
    this.errors = errors
    this.headers = headers
  }
}
