// Policies, parsed once and kept in the engine under names that are used again: the engine cannot forget a name, so there is a
// fixed number of them, and what was kept under one is replaced.
import { LRUCache } from 'lru-cache'
import { type EntityJson, type Value, withCedar } from './cedar.ts'

export interface Statement {
  id: string
  text: string
}

/** Policies to be asked together, under a key that says which they are and of which revision. */
export interface Statements {
  readonly key: string
  readonly policies: readonly Statement[]
}

type Uid = { type: string; id: string }

export interface Request {
  principal: Uid
  action: Uid
  resource: Uid
  context: { [name: string]: Value }
  entities: EntityJson[]
}

/** By id, which of them apply, and which cannot be decided, with why. */
export interface Findings {
  satisfied: readonly string[]
  errors: readonly { id: string; message: string }[]
}

/** Parsed, a policy takes some ten times its text (docs/decisions/0022-conditions.md). */
const MOST_SETS = 500
const MOST_CHARACTERS = 4_000_000

/** Never the same for two that share the one engine of a process. */
let names = 0

type Cedar = Parameters<Parameters<typeof withCedar>[0]>[0]

export class PolicyEngine {
  readonly #kept: LRUCache<string, string>
  #free: string[] = []
  #generation = 0
  /** Names whose policies are to be forgotten by the engine that has them. */
  #released: string[] = []

  constructor({ most = MOST_SETS, most_characters = MOST_CHARACTERS } = {}) {
    this.#kept = new LRUCache({
      ...{ max: most, maxSize: most_characters },
      dispose: (name) => void this.#released.push(name),
    })
  }

  /** @throws when the engine has no answer: it was asked too much */
  ask(statements: Statements, request: Request): Findings {
    const answer = withCedar((cedar, generation) =>
      cedar.statefulIsAuthorized({
        ...{ ...request, preparsedPolicySetId: this.#nameOf(statements, cedar, generation), validateRequest: false },
      }),
    )
    if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '))
    const { reason, errors } = answer.response.diagnostics
    return {
      satisfied: reason,
      errors: errors.map(({ policyId, error }) => ({ id: policyId, message: error.message })),
    }
  }

  /** What is known by key may be of other policies now. */
  forget(): void {
    this.#kept.clear()
  }

  #nameOf({ key, policies }: Statements, cedar: Cedar, generation: number): string {
    if (generation !== this.#generation) this.#beginAnew(generation)
    const known = this.#kept.get(key)
    if (known !== undefined) return known
    const size = policies.reduce((sum, { text }) => sum + text.length, key.length)
    const name = this.#free.pop() ?? `policies-${++names}`
    put(cedar, name, policies)
    this.#kept.set(key, name, { size })
    this.#forgetReleased(cedar)
    return name
  }

  #forgetReleased(cedar: Cedar): void {
    for (const name of this.#released) put(cedar, name, [])
    this.#free.push(...this.#released)
    this.#released = []
  }

  /** What another engine knew, this one does not. */
  #beginAnew(generation: number): void {
    this.#kept.clear()
    this.#released = []
    this.#free = []
    this.#generation = generation
  }
}

const put = (cedar: Cedar, name: string, policies: readonly Statement[]): void => {
  const staticPolicies = Object.fromEntries(policies.map(({ id, text }) => [id, text]))
  const parsed = cedar.preparsePolicySet(name, { staticPolicies })
  if (parsed.type === 'failure') throw new Error(parsed.errors.map(({ message }) => message).join('; '))
}
