// Pages of search results (AuthZEN 1.0, Pagination). A token says where to go on, and for which question: with another it
// would skip results of which nobody was told. Nothing is cut silently.
import { createHash } from 'node:crypto'
import type { components } from '@tenantry/client/contract'
import canonicalize from 'canonicalize'
import { Problem } from '../../errors.ts'
import { DEFAULT_LIMIT, decodeCursor, encodeCursor } from '../../http/pagination.ts'
import { isStorable } from '../../http/text.ts'
import { breathing } from '../breathing.ts'

const LARGEST_PAGE = 200

/** Where a page begins, and how it is told where the next one does. */
export interface Place {
  limit: number
  after: string | undefined
  tokenAfter(position: string): string
}

/** What a token holds: which question, the limit as it was asked for, and the position. */
type Held = [question: string, limit: number, position: string]

/**
 * @param question all that the results follow from
 * @throws Problem `cursor.invalid` for a token of another question, or another limit than it began with
 */
export const placeOf = (question: unknown, { token, limit }: components['schemas']['SearchPage'] = {}): Place => {
  const digest = createHash('sha256')
    .update(canonicalize(question) ?? '')
    .digest('base64url')
  const held = token === undefined ? undefined : heldIn(token)
  if (held && (held[0] !== digest || (limit !== undefined && limit !== held[1]))) {
    throw invalidToken('The token is of another request: send it with the same entities, context and limit.')
  }
  const asked = held?.[1] ?? limit ?? DEFAULT_LIMIT
  return {
    limit: Math.min(asked, LARGEST_PAGE),
    after: held?.[2],
    tokenAfter: (position) => encodeCursor([digest, asked, position] satisfies Held),
  }
}

export const invalidToken = (detail: string): Problem =>
  new Problem('cursor.invalid', { detail, errors: [{ pointer: '/page/token', detail }] })

const heldIn = (token: string): Held | undefined => {
  try {
    return decodeCursor(token, isHeld)
  } catch {
    throw invalidToken('Send the `next_token` of the page before exactly as it came, or none to start again.')
  }
}

const isHeld = (value: unknown): value is Held => {
  if (!Array.isArray(value) || value.length !== 3) return false
  const [question, limit, position] = value
  const isPosition = typeof position === 'string' && isStorable(position)
  return typeof question === 'string' && Number.isInteger(limit) && limit > 0 && isPosition
}

export interface Page<Result> {
  results: Result[]
  page: { next_token: string }
}

export const noResults = <Result>(): Page<Result> => ({ results: [], page: { next_token: '' } })

const READ_AT_ONCE = 200
/** Of those that there are. Few of many may be results, and no request should read them all. */
const MOST_READ = 2_000

interface Candidates<Candidate, Result> {
  /** In the order of their positions. Fewer than the limit: there are no more. */
  list(after: string | undefined, limit: number): Promise<readonly Candidate[]>
  positionOf(candidate: Candidate): string
  /** Undefined for one that is no result. */
  resultOf(candidate: Candidate): Result | undefined
}

/** Reads candidates until the page is full and one more is known, they are at an end, or enough were read. */
export const fillPage = async <Candidate, Result>(
  { limit, after, tokenAfter }: Place,
  { list, positionOf, resultOf }: Candidates<Candidate, Result>,
): Promise<Page<Result>> => {
  const results: Result[] = []
  const breathe = breathing()
  let last = after
  for (let read = 0; read < MOST_READ; read += READ_AT_ONCE) {
    const candidates = await list(last, READ_AT_ONCE)
    for (const candidate of candidates) {
      await breathe()
      const result = resultOf(candidate)
      if (result !== undefined && results.length === limit)
        return { results, page: { next_token: tokenAfter(last ?? '') } }
      if (result !== undefined) results.push(result)
      last = positionOf(candidate)
    }
    if (candidates.length < READ_AT_ONCE) return { results, page: { next_token: '' } }
  }
  return { results, page: { next_token: tokenAfter(last ?? '') } }
}
