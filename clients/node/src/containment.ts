// Does one set of rights lie within another? Decided exactly, because the rule against escalation rests on it: what
// somebody gives must lie within what he holds himself.
//
// Infinitely many permissions exist, but patterns can tell only finitely many kinds of them apart: a permission that
// nobody lists literally is told from another only by whether its resource stands in some `resource:*` and its action
// in some `*:action`. So it is enough to look at every literal, and at one permission for each pair of such a
// resource (or a fresh one) and such an action (or a fresh one). Tenantry's namespace has one wildcard, so one fresh
// permission stands for it; the permissions that go by name only are held where they are literals, and nowhere else.

import { type Asked, type Grant, isReserved, isUnderTenantryWildcard, parseAsked } from './permissions.ts'

/**
 * The most work one question may be: representatives times grants, some 0.2 s. Real roles need some hundreds; beyond
 * this the answer is "not contained", because what cannot be decided is refused.
 */
export const MAX_COMPARISONS = 1_000_000

/** What `firstOutside` names when the question is beyond `MAX_COMPARISONS`. */
export const TOO_LARGE = '*'

/**
 * Is every permission that `inner` holds also held by `outer`? Exact, in either direction, up to `MAX_COMPARISONS`.
 *
 * @example
 * contains([{ permissions: ['*:read'], excludes: [] }], [{ permissions: ['invoice:read'], excludes: [] }]) // true
 */
export function contains(outer: readonly Grant[], inner: readonly Grant[]): boolean {
  return firstOutside(outer, inner) === undefined
}

/**
 * Names one permission that `inner` holds and `outer` does not; undefined if there is none. It may be a made-up one
 * (`anything:read`) where a pattern reaches further than any name mentioned, or `*` if the question was too large.
 *
 * @example
 * firstOutside(member, admin) // 'tenantry.anything:anything'
 */
export function firstOutside(outer: readonly Grant[], inner: readonly Grant[]): string | undefined {
  const outerSets = outer.map(compile)
  const innerSets = inner.map(compile)
  const grants = [...outerSets, ...innerSets]
  const resources = union(grants, 'resources')
  const actions = union(grants, 'actions')
  const literals = union(grants, 'literals')
  const representatives = literals.size + (resources.size + 1) * (actions.size + 1)
  if (representatives * grants.length > MAX_COMPARISONS) return TOO_LARGE

  for (const asked of representativesOf(literals, resources, actions)) {
    if (anyHolds(innerSets, asked) && !anyHolds(outerSets, asked)) return asked.permission
  }
  return undefined
}

/** Patterns as sets, so that a question costs a few look-ups however long a role's list is. */
type PatternSet = {
  everything: boolean
  tenantry: boolean
  readonly resources: Set<string>
  readonly actions: Set<string>
  readonly literals: Set<string>
}

type CompiledGrant = { readonly permissions: PatternSet; readonly excludes: PatternSet }

function compile(grant: Grant): CompiledGrant {
  return { permissions: compilePatterns(grant.permissions), excludes: compilePatterns(grant.excludes) }
}

function compilePatterns(patterns: readonly string[]): PatternSet {
  const set: PatternSet = {
    everything: false,
    tenantry: false,
    resources: new Set(),
    actions: new Set(),
    literals: new Set(),
  }
  for (const pattern of patterns) addPattern(set, pattern)
  return set
}

function addPattern(set: PatternSet, pattern: string): void {
  if (pattern === '*') set.everything = true
  else if (pattern === 'tenantry.*') set.tenantry = true
  else if (pattern.startsWith('*:')) set.actions.add(pattern.slice(2))
  else if (pattern.endsWith(':*')) set.resources.add(pattern.slice(0, -2))
  else set.literals.add(pattern)
}

function union(grants: readonly CompiledGrant[], kind: 'resources' | 'actions' | 'literals'): Set<string> {
  const all = new Set<string>()
  for (const grant of grants) {
    for (const name of grant.permissions[kind]) all.add(name)
    for (const name of grant.excludes[kind]) all.add(name)
  }
  return all
}

function* representativesOf(
  literals: ReadonlySet<string>,
  resources: ReadonlySet<string>,
  actions: ReadonlySet<string>,
): Generator<Asked> {
  const fresh = freshName(literals, resources, actions)
  yield* parseAll([...literals, `tenantry.${fresh}:${fresh}`])
  for (const resource of [...resources, fresh]) {
    if (!isReserved(resource)) yield* parseAll([...actions, fresh].map((action) => `${resource}:${action}`))
  }
}

/** What does not parse can be held by nobody, so it is left out. */
function* parseAll(permissions: Iterable<string>): Generator<Asked> {
  for (const permission of permissions) {
    const asked = parseAsked(permission)
    if (asked !== undefined) yield asked
  }
}

/**
 * A name that is part of no name mentioned: `anything`, unless somebody uses that word, then one longer than them
 * all.
 */
function freshName(...mentioned: ReadonlySet<string>[]): string {
  let longest = 0
  let isTaken = false
  for (const name of mentioned.flatMap((set) => [...set])) {
    longest = Math.max(longest, name.length)
    isTaken ||= name.includes('anything')
  }
  return isTaken ? 'anything'.padEnd(longest + 1, '-') : 'anything'
}

function anyHolds(grants: readonly CompiledGrant[], asked: Asked): boolean {
  return grants.some((grant) => covers(grant.permissions, asked) && !covers(grant.excludes, asked))
}

function covers(set: PatternSet, asked: Asked): boolean {
  if (set.literals.has(asked.permission)) return true
  if (asked.reserved) return set.tenantry && isUnderTenantryWildcard(asked)
  return set.everything || set.actions.has(asked.action) || set.resources.has(asked.resource)
}
