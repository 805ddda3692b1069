// How a list is read to its end.

const LARGEST_PAGE = 200

export interface Page<T> {
  data: T[]
  next_cursor: string | null
}

/** Reads a list to its end, or to the limit; `next_cursor` then says that there is more. */
export const readAll = async <T>(
  limit: number | undefined,
  readPage: (page: { limit: number; cursor?: string }) => Promise<Page<T>>,
): Promise<Page<T>> => {
  const all: Page<T> = { data: [], next_cursor: null }
  for (
    let left = limit ?? Number.POSITIVE_INFINITY;
    left > 0;
    left = (limit ?? Number.POSITIVE_INFINITY) - all.data.length
  ) {
    const cursor = all.next_cursor === null ? {} : { cursor: all.next_cursor }
    const { data, next_cursor } = await readPage({ limit: Math.min(left, LARGEST_PAGE), ...cursor })
    if (!Array.isArray(data)) throw new SyntaxError('this is no page of a list') // somebody else answers there
    for (const item of data) all.data.push(item)
    all.next_cursor = next_cursor
    if (next_cursor === null) break
  }
  return all
}

/** Said after a list that `--limit` cut. */
export const sayIfCut = ({ data, next_cursor }: Page<unknown>): void => {
  if (next_cursor !== null) process.stderr.write(`The first ${data.length}; there are more.\n`)
}
