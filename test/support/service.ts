// The service as a test uses it: through its contract with `inject`, on a database of its own, at a time that the test
// says. Builders make what a test needs through the API.
import { randomBytes } from 'node:crypto'
import type { components } from '@tenantry/client/contract'
import type { LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { Database } from '../../src/database/scope.ts'
import { makeLog } from '../../src/http/logging.ts'
import { assembleService, type Service } from '../../src/service.ts'
import type { Algorithm } from '../../src/signing-keys/generation.ts'
import { openTestDatabase, type TestDatabase } from './databases.ts'

type Schemas = components['schemas']
type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE' | 'HEAD' | 'OPTIONS'

// biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever came back; that it fits the contract is what it tests
type Json = any

export interface Answer {
  status: number
  body: Json
  headers: Record<string, string | string[] | number | undefined>
  text: string
}

interface Sent {
  method: Method
  url: string
  headers: Record<string, string>
  /** An object is sent as JSON. */
  payload?: string | object
}

/** How a request reaches the service. */
type Way = (sent: Sent) => Promise<Pick<LightMyRequestResponse, 'statusCode' | 'headers' | 'body'>>

/** Through the framework, without a socket. */
export const injected =
  ({ app }: Service): Way =>
  (sent) =>
    app.fastify.inject(sent)

/** As everybody else reaches it. */
const served =
  (address: string): Way =>
  async ({ method, url, headers, payload }) => {
    const isText = typeof payload === 'string'
    const type = payload === undefined || isText ? {} : { 'content-type': 'application/json' }
    const body = payload === undefined || isText ? (payload ?? null) : JSON.stringify(payload)
    const response = await fetch(address + url, { method, headers: { ...type, ...headers }, body })
    return {
      ...{ statusCode: response.status, headers: Object.fromEntries(response.headers) },
      body: await response.text(),
    }
  }

/** Speaks to the service with one credential. */
export class Caller {
  readonly #way: Way
  readonly #credential: string | undefined

  constructor(way: Way, credential: string | undefined) {
    this.#way = way
    this.#credential = credential
  }

  async call(method: Method, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await this.#way({
      method,
      url,
      headers: {
        ...(this.#credential === undefined ? {} : { authorization: `Bearer ${this.#credential}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: body as string | object }),
    })
    const isJson = String(answer.headers['content-type']).includes('json')
    return {
      status: answer.statusCode,
      body: isJson && answer.body !== '' ? JSON.parse(answer.body) : undefined,
      headers: answer.headers,
      text: answer.body,
    }
  }

  get = (url: string, headers?: Record<string, string>) => this.call('GET', url, undefined, headers)
  post = (url: string, body?: unknown, headers?: Record<string, string>) => this.call('POST', url, body, headers)
  /** As OAuth's endpoints have it. */
  form = (url: string, fields: Record<string, string>, headers?: Record<string, string>) =>
    this.post(url, new URLSearchParams(fields).toString(), {
      ...{ 'content-type': 'application/x-www-form-urlencoded', ...headers },
    })
  patch = (url: string, body?: unknown, headers?: Record<string, string>) => this.call('PATCH', url, body, headers)
  put = (url: string, body?: unknown, headers?: Record<string, string>) => this.call('PUT', url, body, headers)
  delete = (url: string, headers?: Record<string, string>) => this.call('DELETE', url, undefined, headers)
}

const ISSUER = 'http://tenantry.test'

export class TestService {
  readonly issuer: string
  readonly root_api_key: string
  readonly encryption_key: Buffer
  readonly service: Service
  readonly test_database: TestDatabase
  /** What was logged, line by line. */
  readonly logged: Json[]
  readonly time: { now: Date }
  #names = 0
  #address: Promise<string> | undefined

  constructor(
    service: Service,
    test_database: TestDatabase,
    { issuer, time, encryption_key, logged }: Pick<TestService, 'issuer' | 'time' | 'encryption_key' | 'logged'>,
  ) {
    this.issuer = issuer
    this.service = service
    this.test_database = test_database
    this.root_api_key = service.root_api_key
    this.encryption_key = encryption_key
    this.logged = logged
    this.time = time
  }

  get now(): Date {
    return this.time.now
  }

  /** Moves the clock: nothing in a test waits. */
  advance(seconds: number): void {
    this.time.now = new Date(this.time.now.getTime() + seconds * 1000)
  }

  /** An instant that many seconds from now, as RFC 3339. */
  instant(seconds: number): string {
    return new Date(this.time.now.getTime() + seconds * 1000).toISOString()
  }

  as(credential: string | undefined): Caller {
    return new Caller(injected(this.service), credential)
  }

  /** The same through a socket on loopback; checks are answered before the framework there. */
  async overHttp(credential: string | undefined): Promise<Caller> {
    this.#address ??= this.service.app.fastify.listen({ host: '127.0.0.1', port: 0 })
    return new Caller(served(await this.#address), credential)
  }

  get root(): Caller {
    return this.as(this.root_api_key)
  }

  get stranger(): Caller {
    return this.as(undefined)
  }

  async aTenant(input: Partial<Schemas['TenantCreate']> = {}): Promise<Schemas['Tenant']> {
    return made(await this.root.post('/tenants', { name: `Tenant ${++this.#names}`, ...input }))
  }

  async aMembership(
    tenant_id: string,
    input: Partial<Schemas['MembershipCreate']> = {},
  ): Promise<Schemas['Membership']> {
    return made(await this.root.post('/memberships', { tenant_id, user_id: `user_${++this.#names}`, ...input }))
  }

  async anApiKey(input: Partial<Schemas['ApiKeyCreate']> = {}): Promise<Schemas['ApiKeyCreated']> {
    return made(
      await this.root.post('/api-keys', { name: `key ${++this.#names}`, permissions: ['tenantry.*'], ...input }),
    )
  }

  /** A trusted issuer of the tenant, or a shared one. */
  async anIssuer(input: Partial<Schemas['IssuerCreate']> = {}): Promise<Schemas['Issuer']> {
    const issuer = `https://${++this.#names}.login.example`
    return made(
      await this.root.post('/issuers', { issuer, audiences: ['my-application'], shares_user_ids: true, ...input }),
    )
  }

  /** A role of the tenant, or a shared one; `invoice:read` unless it says otherwise. */
  async aRole(input: Partial<Schemas['RoleCreate']> = {}): Promise<Schemas['Role']> {
    const key = `role-${++this.#names}`
    return made(await this.root.post('/roles', { key, name: key, permissions: ['invoice:read'], ...input }))
  }

  /** A policy of the tenant, or a shared one; nobody reads invoices when it is closed, unless it says otherwise. */
  async aPolicy(input: Partial<Schemas['PolicyCreate']> = {}): Promise<Schemas['Policy']> {
    const key = `policy-${++this.#names}`
    const text = 'forbid (principal, action == Action::"invoice:read", resource) when { context has closed };'
    return made(await this.root.post('/policies', { key, text, ...input }))
  }

  async aGroup(tenant_id: string, input: Partial<Schemas['GroupCreate']> = {}): Promise<Schemas['Group']> {
    return made(await this.root.post('/groups', { tenant_id, name: `Group ${++this.#names}`, ...input }))
  }

  /** To a membership or a group; of `member` on `project/42` unless it says otherwise. */
  async aGrant(tenant_id: string, input: Partial<Schemas['GrantCreate']>): Promise<Schemas['AccessGrant']> {
    const resource = { type: 'project', id: '42' }
    return made(await this.root.post('/grants', { tenant_id, role: 'member', resource, ...input }))
  }

  /** A token of the user for Tenantry itself, unless another audience is asked for. */
  async aToken(tenant_id: string, user_id: string, input: Partial<Schemas['TokenCreate']> = {}): Promise<string> {
    const { access_token } = made(await this.root.post('/tokens', { tenant_id, user_id, ...input }))
    return access_token
  }

  /** A token exchange (RFC 8693), by nobody in particular unless a header says so. */
  exchange(subject_token: string, fields: Record<string, string>, headers?: Record<string, string>): Promise<Answer> {
    const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange'
    const subject_token_type = 'urn:ietf:params:oauth:token-type:jwt'
    return this.stranger.form('/oauth/token', { grant_type, subject_token, subject_token_type, ...fields }, headers)
  }

  /** A new member with this role, and what speaks with that member's token. */
  async aMember(
    tenant_id: string,
    role = 'member',
  ): Promise<{ membership: Schemas['Membership']; caller: Caller; token: string }> {
    const membership = await this.aMembership(tenant_id, { roles: [role] })
    const token = await this.aToken(tenant_id, membership.user_id)
    return { membership, caller: this.as(token), token }
  }

  /** Every row of the database, or of one tenant, table by table: whether anything at all changed. (That a key was used is noted at any time.) */
  async dump(tenant_id?: string): Promise<string> {
    const tables = await this.test_database.superuser(
      `select table_name as name, min(column_name) filter (where column_name in ('history_id', 'tenant_id')) as owner
       from information_schema.columns where table_schema = 'tenantry' group by 1 order by 1`,
    )
    const selects = tables.map(
      ({ name, owner }) =>
        `select '${name}' as name, (to_jsonb(x) - 'last_used_at')::text as row from tenantry.${name} x ${
          tenant_id === undefined ? '' : `where ${owner ?? "to_jsonb(x) ->> 'id'"}::text = '${tenant_id}'`
        }`,
    )
    const rows = await this.test_database.superuser(`${selects.join(' union all ')} order by 1, 2`)
    return rows.map(({ name, row }) => `${name} ${row}`).join('\n')
  }

  /** The revision of a tenant's history: whether anything changed. */
  async revisionOf(tenant_id: string): Promise<number> {
    const [row] = await this.test_database.superuser(
      'select revision::int as revision from tenantry.histories where id = $1',
      [tenant_id],
    )
    return Number(row?.revision)
  }
}

/** The body of a 200 or 201; anything else fails the test with what came instead. */
export const made = ({ status, body, text }: Answer): Json => {
  if (status !== 200 && status !== 201) throw new Error(`expected success, got ${status}: ${text}`)
  return body
}

/** The settings of a service in a test, where it does not say otherwise. */
export const TEST_CONFIG = {
  issuer: ISSUER,
  audiences: undefined,
  cors_origins: undefined,
  signing_algorithm: 'ES256' as const,
  previous_encryption_key: undefined,
  allow_loopback_issuers: false,
  staleness_ms: 500,
  ready_grace_ms: 0,
  access_log: true,
  // No test is refused for what another did, nor because the machine is slow.
  ...{ max_event_loop_delay_ms: 0, bad_attempts: 0, rate_limit: 0, trusted_proxies: undefined },
  failover: undefined,
}

export interface Options {
  /** Where it is served, if it is. */
  issuer?: string
  audiences?: string[]
  cors_origins?: string[]
  allow_loopback_issuers?: boolean
  now?: Date
  /** The time is that of everybody else: for those whose clock no test can set. */
  live?: boolean
  signing_algorithm?: Algorithm
  staleness_ms?: number
  ready_grace_ms?: number
  access_log?: boolean
  rate_limit?: number
  bad_attempts?: number
  trusted_proxies?: string[]
  max_event_loop_delay_ms?: number
  /** Another service whose database, secrets and clock this one shares: a replica of it. With `now`, the clock is its own. */
  replica_of?: TestService
  /** Replicas only: sealed with the first, now with the second. */
  encryption_keys?: { previous?: Buffer; present: Buffer }
}

const liveTime = {
  get now() {
    return new Date()
  },
}

/** A service of its own, closed when the test ends. */
export const aService = async (t: Test, options: Options = {}): Promise<TestService> => {
  const {
    issuer = ISSUER,
    audiences,
    cors_origins,
    allow_loopback_issuers = false,
    signing_algorithm = 'ES256',
    staleness_ms = TEST_CONFIG.staleness_ms,
    ready_grace_ms = TEST_CONFIG.ready_grace_ms,
    access_log = TEST_CONFIG.access_log,
    rate_limit = TEST_CONFIG.rate_limit,
    bad_attempts = TEST_CONFIG.bad_attempts,
    trusted_proxies = TEST_CONFIG.trusted_proxies,
    max_event_loop_delay_ms = TEST_CONFIG.max_event_loop_delay_ms,
    replica_of,
    encryption_keys,
  } = options
  const test_database = replica_of?.test_database ?? (await openTestDatabase())
  const ownTime = options.live ? liveTime : { now: options.now ?? new Date() }
  const time = options.now === undefined && replica_of ? replica_of.time : ownTime
  const logged: Json[] = []
  const log = makeLog('trace', { write: (line) => logged.push(JSON.parse(line)) })
  const opened = {
    database: replica_of === undefined ? test_database.database : borrowed(test_database.database),
    root_api_key: replica_of?.root_api_key ?? `root-${randomBytes(24).toString('base64url')}`,
    encryption_key: encryption_keys?.present ?? replica_of?.encryption_key ?? randomBytes(32),
    root_api_key_file: undefined,
  }
  const previous_encryption_key = encryption_keys?.previous
  const config = {
    ...TEST_CONFIG,
    issuer,
    audiences,
    cors_origins,
    allow_loopback_issuers,
    signing_algorithm,
    staleness_ms,
    ready_grace_ms,
    access_log,
    ...{ rate_limit, bad_attempts, trusted_proxies, max_event_loop_delay_ms },
    previous_encryption_key,
  }
  const service = await assembleService(
    opened,
    config,
    log,
    () => time.now,
    async () => {},
  )
  t.teardown(() => service.close())
  return new TestService(service, test_database, { issuer, time, encryption_key: opened.encryption_key, logged })
}

/** The same database, which the first service closes. */
const borrowed = (database: Database): Database => {
  return new Proxy(database, {
    get: (target, name) => {
      if (name === 'close') return async () => {}
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
