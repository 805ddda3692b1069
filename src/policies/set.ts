// The policies that are in force in a tenant, its own and the shared ones, and what they say to a question.
import { matches } from '@tenantry/client'
import { LRUCache } from 'lru-cache'
import type { Effect } from '../database/schema.ts'
import type { Findings, PolicyEngine, Request, Statements } from './engine.ts'

/** What facts say of the policies of their tenant: which there are, as a digest, and which permissions they are about. */
export interface PoliciesInForce {
  readonly digest: string
  /** Patterns: of what may be forbidden, and of what may be permitted. */
  readonly forbidden: readonly string[]
  readonly permitted: readonly string[]
  /** Whether policies believe what a check says of properties. */
  readonly trusts_caller: boolean
}

export interface PolicyInForce {
  id: string
  key: string
  effect: Effect
  actions: readonly string[]
  reads_resource: boolean
  text: string
  revision: number
}

/** What says something about a permission. */
interface Concerned extends Statements {
  readonly policies: readonly PolicyInForce[]
  readonly reads_resource: boolean
}

export type PolicyRef = { readonly policy_id: string; readonly policy_key: string }

/** A policy that could not be decided, because what it looks at is not there, or is of another type. */
export type PolicyError = PolicyRef & { readonly detail: string }

export interface Verdict {
  /** The first that forbids; also one that could not be decided, which is told with it. */
  readonly forbidden: (PolicyRef & { readonly detail?: string }) | undefined
  readonly permitted: PolicyRef | undefined
  readonly errors: readonly PolicyError[]
}

const NOTHING: Verdict = { forbidden: undefined, permitted: undefined, errors: [] }

/** Permissions that were asked about; anybody may ask about any. */
const MOST_PERMISSIONS = 500
/** Of many policies, of as many permissions as come to about this; what is over is found again. */
const MOST_CHARACTERS = 50_000

export class PolicySet {
  readonly reads_resource: boolean
  readonly #policies: readonly PolicyInForce[]
  readonly #engine: PolicyEngine
  readonly #concerned = new LRUCache<string, Concerned>({
    ...{ max: MOST_PERMISSIONS, maxSize: MOST_CHARACTERS },
    sizeCalculation: ({ key }, under) => key.length + under.length + 50,
  })

  constructor(policies: readonly PolicyInForce[], engine: PolicyEngine) {
    this.#policies = policies
    this.#engine = engine
    this.reads_resource = policies.some((policy) => policy.reads_resource)
  }

  /** What it takes to keep it, about. */
  get size(): number {
    return this.#policies.reduce((sum, { text, actions }) => sum + text.length + 50 * actions.length, 500)
  }

  /** Whether the stored properties of the resource matter for this permission. */
  readsResourceFor(permission: string, by_name: readonly string[]): boolean {
    return this.#concerning(permission, by_name).reads_resource
  }

  judge(permission: string, by_name: readonly string[], requestOf: () => Request): Verdict {
    const concerned = this.#concerning(permission, by_name)
    if (concerned.policies.length === 0) return NOTHING
    return verdictOf(concerned.policies, this.#ask(concerned, requestOf()))
  }

  /** An engine that has no answer has found all of them undecidable: nothing is permitted, and what forbids forbids. */
  #ask(concerned: Concerned, request: Request): Findings {
    try {
      return this.#engine.ask(concerned, request)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      return { satisfied: [], errors: concerned.policies.map(({ id }) => ({ id, message })) }
    }
  }

  #concerning(permission: string, by_name: readonly string[]): Concerned {
    const isByName = by_name.includes(permission)
    const under = isByName ? `${permission} by name` : permission
    const known = this.#concerned.get(under)
    if (known) return known
    const policies = this.#policies.filter((policy) => isConcerned(policy, permission, isByName))
    const concerned = {
      policies,
      key: policies.map(({ id, revision }) => `${id}:${revision}`).join(),
      reads_resource: policies.some(({ reads_resource }) => reads_resource),
    }
    this.#concerned.set(under, concerned)
    return concerned
  }
}

/** What goes by name only is permitted by no policy that does not name it; forbidden it is by any. */
const isConcerned = ({ effect, actions }: PolicyInForce, permission: string, isByName: boolean): boolean =>
  isByName && effect === 'permit'
    ? actions.includes(permission)
    : actions.some((pattern) => matches(pattern, permission))

const verdictOf = (policies: readonly PolicyInForce[], { satisfied, errors }: Findings): Verdict => {
  const failed = new Map(errors.map(({ id, message }) => [id, message]))
  const first = (effect: Effect, applies: (policy: PolicyInForce) => boolean): PolicyInForce | undefined =>
    policies.find((policy) => policy.effect === effect && applies(policy))
  const forbidding = first('forbid', ({ id }) => satisfied.includes(id)) ?? first('forbid', ({ id }) => failed.has(id))
  const permitting = first('permit', ({ id }) => satisfied.includes(id))
  const detail = forbidding && failed.get(forbidding.id)
  return {
    forbidden: forbidding && { ...refOf(forbidding), ...(detail !== undefined && { detail }) },
    permitted: permitting && refOf(permitting),
    errors: policies.flatMap((policy) => {
      const message = failed.get(policy.id)
      return message === undefined ? [] : [{ ...refOf(policy), detail: message }]
    }),
  }
}

const refOf = ({ id, key }: PolicyInForce): PolicyRef => ({ policy_id: id, policy_key: key })
