// What goes wrong with the feed. Nothing here contains the credential.

import { TenantryError } from '../errors.ts'

export function unavailable(message: string, cause?: unknown): TenantryError {
  return new TenantryError('revocations_unavailable', message, { cause })
}

/** An attempt to hear from the feed that failed. */
export class FeedFault extends TenantryError {
  /** The status that was answered instead; null if there was no answer. */
  readonly http_status: number | null

  constructor(message: string, { http_status = null, cause }: { http_status?: number | null; cause?: unknown } = {}) {
    super('revocations_unavailable', message, { cause })
    this.http_status = http_status
  }

  /** Asking again soon will not help; a person has to give the credential its right, or another credential. */
  get isRefusal(): boolean {
    return this.http_status === 401 || this.http_status === 403
  }
}

/** What the feed said is not what the contract says. */
export class FeedNonsense extends FeedFault {}

export function refusedWith(http_status: number, url: string): FeedFault {
  const because = http_status === 401 || http_status === 403 ? ': the API key is not good for it' : ''
  return new FeedFault(`The revocation feed at ${url} answered ${http_status}${because}.`, { http_status })
}

export function asFault(error: unknown, url: string): FeedFault {
  if (error instanceof FeedFault) return error
  return new FeedFault(`The revocation feed at ${url} cannot be read.`, { cause: error })
}
