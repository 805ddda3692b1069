// Finds the principal behind an API key, and remembers when a key was last used without slowing the request down.
import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import type { Cache, Kept } from '../freshness/cache.ts'
import { tenantName } from '../freshness/evictions.ts'
import type { Attempts } from '../http/attempts.ts'
import type { ApiKeyPrincipal } from '../http/principal.ts'
import { effective } from '../permissions/by-name.ts'
import { apiKeyTarget } from '../revocations/targets.ts'
import { after, type Soon } from '../soon.ts'
import type { TenantStatus } from '../tenants/status.ts'
import { type Presented, presentedBy } from './presented.ts'
import { updateLastUsed } from './queries.ts'
import { hashOf, isSecret } from './secrets.ts'

interface FoundKey {
  id: string
  tenant_id: string | null
  tenant_status: TenantStatus | null
  permissions: string[]
  excludes: string[]
  expires_at: string | null
  by_name: string[]
}

const FIND = { name: 'find_api_key', text: 'select tenantry.find_api_key($1) as value' }
const MINUTE_MS = 60_000

interface Options {
  database: Database
  clock: Clock
  root: { hash: Buffer; principal: ApiKeyPrincipal }
  cache: Cache
  attempts: Attempts
}

export class ApiKeys {
  readonly #database: Database
  readonly #clock: Clock
  readonly #root: { hash: Buffer; principal: ApiKeyPrincipal }
  readonly #cache: Cache
  readonly #attempts: Attempts
  readonly #used = new Map<string, number>()

  constructor({ database, clock, root, cache, attempts }: Options) {
    this.#database = database
    this.#clock = clock
    this.#root = root
    this.#cache = cache
    this.#attempts = attempts
  }

  /** The root key, compared in constant time; it needs no look-up, so it works however the database is. */
  root({ hash }: Pick<Presented, 'hash'>): ApiKeyPrincipal | undefined {
    if (!timingSafeEqual(hash, this.#root.hash)) return undefined
    this.#noteUse(this.#root.principal.id)
    return this.#root.principal
  }

  /**
   * Looked up by the hash of the secret, so that no comparison of secrets ever runs in variable time.
   * @param address where it came from
   * @throws Problem `rate.limited`
   */
  async find(secret: string, address: string): Promise<ApiKeyPrincipal | undefined> {
    return this.#attempts.find(address, secret, async () => this.#ifNotOver(await this.#read(secret, hashOf(secret))))
  }

  /** The same from memory, where it is there: as old as facts may be. */
  recall(secret: string, address: string, { hash, name } = presentedBy(secret)): Soon<ApiKeyPrincipal | undefined> {
    const kept: Kept<ApiKeyPrincipal> = { read: () => this.#read(secret, hash), namesOf }
    return this.#attempts.find(address, secret, () => after(this.#cache.get(name, kept), (key) => this.#ifNotOver(key)))
  }

  /** Whose it is, if that is known without looking for it: the root key's, or from memory. Counts as no attempt. */
  known(credential: string): ApiKeyPrincipal | undefined {
    const presented = presentedBy(credential)
    const root = this.root(presented)
    if (root !== undefined || !this.#attempts.isGood(credential)) return root
    const key = this.#cache.peek<ApiKeyPrincipal>(presented.name)
    return key && this.#ifNotOver(key)
  }

  /** What has not the shape of a secret costs no look-up. */
  async #read(secret: string, hash: Buffer): Promise<ApiKeyPrincipal | null> {
    if (!isSecret(secret)) return null
    const key = (await this.#database.call(FIND, hash)) as FoundKey | null // the function's own shape
    return key && principalOf(key)
  }

  #ifNotOver(key: ApiKeyPrincipal | null): ApiKeyPrincipal | undefined {
    if (key === null || (key.ends_at !== null && Date.parse(key.ends_at) <= this.#clock().getTime())) return undefined
    this.#noteUse(key.id)
    return key
  }

  #noteUse(id: string): void {
    const minute = Math.floor(this.#clock().getTime() / MINUTE_MS) * MINUTE_MS
    if (this.#used.get(id) !== minute) this.#used.set(id, minute)
  }

  /** Writes what was noted since the last time. Called every minute and at the end; losing it loses only a time. */
  async flush(): Promise<void> {
    if (this.#used.size === 0) return
    const uses = [...this.#used].map(([id, at]) => ({ id, last_used_at: new Date(at).toISOString() }))
    this.#used.clear()
    await this.#database.asPlatform('note when API keys were last used', (tx) => updateLastUsed(tx, uses))
  }
}

const principalOf = (key: FoundKey): ApiKeyPrincipal => {
  const own = {
    kind: 'api_key' as const,
    id: key.id,
    rights: [[effective({ permissions: key.permissions, excludes: key.excludes }, key.by_name)]],
    by_name: key.by_name,
    ends_at: key.expires_at,
  }
  return key.tenant_id === null || key.tenant_status === null
    ? { ...own, tenant_id: null, tenant_status: null }
    : { ...own, tenant_id: key.tenant_id, tenant_status: key.tenant_status }
}

const namesOf = ({ id, tenant_id }: ApiKeyPrincipal): string[] => [
  apiKeyTarget(id),
  ...(tenant_id === null ? [] : [tenantName(tenant_id)]),
]
