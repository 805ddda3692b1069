// The id of a request: the caller's own, where it gives one, so that it is found in both logs.
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

const REQUEST_ID = /^[\w.:+/=-]{1,128}$/

/** Of letters that need no escaping in JSON, whoever gave it. */
export const requestIdOf = ({ 'x-request-id': given }: IncomingHttpHeaders): string =>
  typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
