// What a change would give to whom and take from whom, read from the memberships before and after it.
import type { components } from '@tenantry/client/contract'
import { lostBetween } from '../authorization/differences.ts'
import type { Tx } from '../database/scope.ts'
import { tenantWideBesides } from '../grants/holdings.ts'
import { effective } from '../permissions/by-name.ts'
import { type CatalogueRow, findCatalogue } from '../permissions/operations.ts'
import { findMemberships, type MembershipRow } from './queries.ts'

type DryRun = components['schemas']['DryRun']
type Difference = Pick<DryRun['changes'][number], 'gains' | 'loses'>
type Roles = MembershipRow['roles']

export const MOST_CHANGES = 1_000
/** Nobody else is served while roles are compared. Those that people make take a hundredth of it, whoever holds them. */
const LONGEST_MS = 250

/**
 * Carries the change out and tells what it did to these memberships, or to the one that it makes and answers.
 * @param touched those that are there before, one more than `MOST_CHANGES` at most: then the answer is cut, and says so
 */
export const accessChanges = async (
  tx: Tx,
  touched: MembershipRow[],
  change: () => Promise<MembershipRow | undefined>,
  now: Date,
): Promise<DryRun> => {
  const before = touched.slice(0, MOST_CHANGES)
  const ids = before.map(({ id }) => id)
  const besides_before = await tenantWideBesides(tx, ids, now)
  const made = await change()
  const rows = await findMemberships(tx, ids)
  const after = new Map(rows.map(({ id, roles }) => [id, roles]))
  const besides_after = await tenantWideBesides(tx, ids, now)
  const pairs = made
    ? [{ of: made, from: [], to: made.roles }]
    : before.map((of) => ({
        of,
        from: [...of.roles, ...(besides_before.get(of.id) ?? [])],
        to: [...(after.get(of.id) ?? []), ...(besides_after.get(of.id) ?? [])],
      }))
  const { changes, isWhole } = compareAll(pairs, await findCatalogue(tx))
  return { dry_run: true, changes, truncated: touched.length > MOST_CHANGES || !isWhole }
}

const compareAll = (
  pairs: { of: MembershipRow; from: Roles; to: Roles }[],
  catalogue: CatalogueRow,
): { changes: DryRun['changes']; isWhole: boolean } => {
  const latest = performance.now() + LONGEST_MS
  const known = new Map<string, Difference>()
  const changes: DryRun['changes'] = []
  for (const { of, from, to } of pairs) {
    if (performance.now() > latest) return { changes, isWhole: false }
    const pair = JSON.stringify([from, to]) // many hold the same roles
    const difference = known.get(pair) ?? differenceOf(from, to, catalogue)
    known.set(pair, difference)
    const { tenant_id, user_id } = of
    if (difference.gains.length + difference.loses.length > 0) changes.push({ tenant_id, user_id, ...difference })
  }
  return { changes, isWhole: true }
}

const differenceOf = (from: Roles, to: Roles, { by_name, keys }: CatalogueRow): Difference => {
  const [before, after] = [from, to].map((roles) => roles.map((role) => effective(role, by_name))) as [Roles, Roles]
  return { gains: lostBetween(after, before, keys), loses: lostBetween(before, after, keys) }
}
