// With a strict catalogue nothing unknown comes into a role. Pure.
import { isReserved, matches } from '@tenantry/client'
import { Problem } from '../errors.ts'

interface Catalogue {
  keys: readonly string[]
  strict: boolean
}

/** Whether it names something of the catalogue, or reaches something: `*` is everything, whatever there is. */
export const isKnown = (pattern: string, keys: readonly string[]): boolean =>
  pattern === '*' ||
  pattern === 'tenantry.*' ||
  isReserved(pattern.split(':', 1)[0] ?? '') ||
  keys.some((key) => matches(pattern, key))

/** @throws Problem `permission.unknown`, pointing at each that is neither known nor was there `before` */
export const requireKnown = (
  { keys, strict }: Catalogue,
  lists: Record<string, readonly string[]>,
  before: readonly string[] = [],
): void => {
  if (!strict) return
  const errors = Object.entries(lists).flatMap(([list, patterns]) =>
    patterns.flatMap((pattern, index) =>
      before.includes(pattern) || isKnown(pattern, keys)
        ? []
        : [{ pointer: `/${list}/${index}`, detail: `"${pattern}" means nothing in the catalogue.` }],
    ),
  )
  if (errors.length > 0) throw new Problem('permission.unknown', { errors })
}
