// Keyset pages. A cursor is opaque to the client: base64url of the JSON of where the next page begins.
import { Problem } from '../errors.ts'
import { isId } from '../ids.ts'

export const DEFAULT_LIMIT = 50

export interface Page<T> {
  data: T[]
  next_cursor: string | null
}

export const encodeCursor = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url')

/** @throws Problem `cursor.invalid` when the text is no cursor of ours, or not one for this list. */
export const decodeCursor = <T>(
  cursor: string | undefined,
  isPosition: (value: unknown) => value is T,
): T | undefined => {
  if (cursor === undefined) return undefined
  let position: unknown
  try {
    position = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    throw new Problem('cursor.invalid')
  }
  if (!isPosition(position)) throw new Problem('cursor.invalid')
  return position
}

/** Where a list that is ordered by `id` goes on. UUIDv7 ids are in order of creation. */
export const afterId = (cursor: string | undefined): string | undefined => decodeCursor(cursor, isId)

/** Cuts the page from `limit + 1` rows: the one too many only tells that there are more. */
export const pageOf = <Row, T>(
  rows: Row[],
  limit: number,
  view: (row: Row) => T,
  positionOf: (row: Row) => unknown,
): Page<T> => {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    data: shown.map(view),
    next_cursor: rows.length > limit && last !== undefined ? encodeCursor(positionOf(last)) : null,
  }
}
