// The policies of tenants in memory, by the digest that facts name them with. Within an epoch, what is under a digest never
// changes, so nothing here is ever out of date: when policies change, facts name another. In another epoch the same revision
// may be of another text.
import { LRUCache } from 'lru-cache'
import type { Database } from '../database/scope.ts'
import { after, type Soon } from '../soon.ts'
import { PolicyEngine } from './engine.ts'
import { readPolicies } from './queries.ts'
import { type PoliciesInForce, PolicySet } from './set.ts'

const MOST_SETS = 5_000
/** About bytes: a hundred policies of usual length take 50 KB. */
const MOST_CHARACTERS = 32_000_000

/** Facts, so far as they name policies. */
interface Naming {
  readonly tenant: { readonly id: string }
  readonly conditions: { readonly policies: PoliciesInForce | null }
  readonly by_name: readonly string[]
}

export class PolicySets {
  readonly #database: Database
  readonly #engine = new PolicyEngine()
  readonly #known = new LRUCache<string, PolicySet>({ max: MOST_SETS, maxSize: MOST_CHARACTERS })
  readonly #readings = new Map<string, Promise<PolicySet | undefined>>()

  constructor(database: Database) {
    this.#database = database
  }

  /** A new epoch has begun. What is still being read may be of the one before. */
  forget(): void {
    this.#known.clear()
    this.#readings.clear()
    this.#engine.forget()
  }

  /** Undefined where the tenant's policies are others by now: then the facts have to be read again. */
  find(tenant_id: string, digest: string): Soon<PolicySet | undefined> {
    return this.#known.get(digest) ?? this.#readings.get(digest) ?? this.#read(tenant_id, digest)
  }

  /** Whether what is stored of the resource matters; it may, where policies are others by now and facts are read again. */
  lookAtResource({ tenant, conditions, by_name }: Naming, permission: string | undefined): Soon<boolean> {
    const { policies } = conditions
    if (policies === null) return false
    return after(this.find(tenant.id, policies.digest), (set) => {
      if (set === undefined) return true
      return permission === undefined ? set.reads_resource : set.readsResourceFor(permission, by_name)
    })
  }

  #read(tenant_id: string, digest: string): Promise<PolicySet | undefined> {
    const isOurs = (): boolean => this.#readings.get(digest) === reading
    const reading: Promise<PolicySet | undefined> = readPolicies(this.#database, tenant_id)
      .then((found) => {
        if (found === null || !isOurs()) return undefined
        const set = new PolicySet(found.policies, this.#engine)
        this.#known.set(found.digest, set, { size: set.size })
        return found.digest === digest ? set : undefined
      })
      .finally(() => isOurs() && this.#readings.delete(digest))
    this.#readings.set(digest, reading)
    return reading
  }
}
