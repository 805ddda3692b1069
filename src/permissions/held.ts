// Which of a product's permissions are held, of many at once: looked up, and not compared with each pattern there is.
import type { Grant } from '@tenantry/client'
import { wildcardsOver } from './by-name.ts'

/** The keys, of these, that `holds` holds. None is Tenantry's own: a catalogue has none of those. */
export const heldOf = (keys: readonly string[], grants: readonly Grant[]): string[] => {
  const sets = grants.map(({ permissions, excludes }) => [new Set(permissions), new Set(excludes)] as const)
  return keys.filter((key) => {
    const ways = [key, ...wildcardsOver(key)]
    const isIn = (set: Set<string>): boolean => ways.some((way) => set.has(way))
    return sets.some(([granted, excluded]) => isIn(granted) && !isIn(excluded))
  })
}
