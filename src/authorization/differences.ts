// Who gains and who loses what, for people to read: concrete permissions where there is a catalogue, else patterns. Pure.
import { contains, type Grant, holds } from '@tenantry/client'
import { narrow } from '../tokens/narrowing.ts'
import { OWN_PERMISSIONS } from './own-permissions.ts'

type Grants = readonly Grant[]

/** What `before` holds and `after` does not. Without a catalogue it is empty exactly if that is nothing. */
export const lostBetween = (before: Grants, after: Grants, catalogue: readonly string[]): string[] =>
  catalogue.length > 0
    ? [...catalogue, ...OWN_PERMISSIONS].filter((each) => holds(before, each) && !holds(after, each))
    : contains(after, before)
      ? []
      : lostPatterns(before, after)

/** More than people would read; and comparing each with each takes time. */
const MOST_COMPARED = 60

/**
 * The patterns that anybody mentions and of which all is lost, the widest only; and where that does not tell it all, those
 * held before of which something is lost. Of very long lists, whatever the grants allowed that are no longer there.
 */
const lostPatterns = (before: Grants, after: Grants): string[] => {
  const patternsOf = ({ permissions, excludes }: Grant): string[] => [...permissions, ...excludes]
  const mentioned = [...new Set([...before, ...after].flatMap(patternsOf))]
  if (mentioned.length > MOST_COMPARED) return permissionsOf(withoutThese(before, after))
  const gone = mentioned.filter((pattern) => isHeldWithin(before, pattern) && !isHeldWithin(after, pattern))
  const widest = gone.filter((pattern) => !gone.some((other) => other !== pattern && covers(other, pattern)))
  const told: Grant = { permissions: widest, excludes: [] }
  const rest = permissionsOf(before).filter((pattern) => !contains([...after, told], narrow(before, [pattern])))
  return [...new Set([...widest, ...rest])].sort()
}

const permissionsOf = (grants: Grants): string[] =>
  [...new Set(grants.flatMap(({ permissions }) => permissions))].sort()

const withoutThese = (grants: Grants, these: Grants): Grant[] => {
  const textOf = ({ permissions, excludes }: Grant): string => JSON.stringify([permissions, excludes])
  const known = new Set(these.map(textOf))
  return grants.filter((grant) => !known.has(textOf(grant)))
}

const covers = (wide: string, pattern: string): boolean =>
  contains([{ permissions: [wide], excludes: [] }], [{ permissions: [pattern], excludes: [] }])

/** Whether the grants hold anything that the pattern matches. */
const isHeldWithin = (grants: Grants, pattern: string): boolean => !contains([], narrow(grants, [pattern]))
