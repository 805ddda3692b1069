// What a source of tokens is told, checked once when it is made.

import { isApiKey } from '../revocations/credential.ts'
import { platformTimer, type Timer } from '../revocations/timer.ts'
import { misconfigured, requireUrl } from '../settings.ts'

/** One of two ways to get tokens: for a user whose token is at hand, or for oneself. */
export type TokenSourceOptions = {
  readonly issuer: string
  /** Whom the tokens are for, unless a call says otherwise. */
  readonly audience: string
  /** What the tokens are narrowed to, unless a call says otherwise. Default: not at all. */
  readonly scope?: string | undefined
  /**
   * Token exchange: what gives the user's own token, of a trusted issuer or of Tenantry. It is called for every token, so
   * that one source can serve many users; what it got for one is never given to another.
   */
  readonly subject_token?: (() => string | Promise<string>) | undefined
  /** Default: `urn:ietf:params:oauth:token-type:jwt`. */
  readonly subject_token_type?: string | undefined
  /** The id of an API key. Without `subject_token` the tokens are for the key itself. */
  readonly client_id?: string | undefined
  /** Its secret. */
  readonly client_secret?: string | undefined
  /** Default: `<issuer>/oauth/token`. */
  readonly token_url?: string | undefined
  /** Default: the platform's `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** Default: the system's clock. */
  readonly clock?: (() => Date) | undefined
  /** From 0 to 1, for what must not happen everywhere at once. Default: `Math.random`. */
  readonly random?: (() => number) | undefined
  /** For tests. Default: the platform's timers. */
  readonly timer?: Timer | undefined
}

export type TokenSourceSettings = {
  readonly audience: string
  readonly scope: string
  readonly subject_token: (() => string | Promise<string>) | undefined
  readonly subject_token_type: string
  readonly token_url: string
  /** How the client shows itself to the token endpoint. */
  readonly headers: Readonly<Record<string, string>>
  readonly fetch: typeof globalThis.fetch
  readonly clock: () => Date
  readonly random: () => number
  readonly timer: Timer
}

/**
 * Fills in the defaults.
 *
 * @throws TenantryError `configuration`, naming the option
 */
export function readTokenSourceOptions(options: TokenSourceOptions): TokenSourceSettings {
  const { issuer, audience, scope = '', subject_token, client_id } = options
  if (typeof issuer !== 'string' || issuer === '') throw lacking('"issuer", a text that is not empty')
  if (typeof audience !== 'string' || audience === '') throw lacking('"audience", a text that is not empty')
  if (subject_token !== undefined && typeof subject_token !== 'function') throw lacking('"subject_token", a function')
  if (subject_token === undefined && client_id === undefined) throw lacking('either "subject_token" or "client_id"')
  return {
    ...{ audience, scope, subject_token },
    subject_token_type: options.subject_token_type ?? 'urn:ietf:params:oauth:token-type:jwt',
    token_url: requireUrl('token_url', options.token_url, issuer, '/oauth/token', 'createTokenSource'),
    headers: readClient(options),
    fetch: options.fetch ?? globalThis.fetch,
    clock: options.clock ?? (() => new Date()),
    random: options.random ?? Math.random,
    timer: options.timer ?? platformTimer,
  }
}

/** HTTP Basic (RFC 6749 §2.3.1), both parts form-encoded. */
function readClient({ client_id, client_secret }: TokenSourceOptions): Record<string, string> {
  if (client_id === undefined && client_secret === undefined) return {}
  if (!isApiKey(client_id) || !isApiKey(client_secret)) throw lacking('both "client_id" and "client_secret"')
  const shown = `${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`
  return { authorization: `Basic ${Buffer.from(shown).toString('base64')}` }
}

function lacking(what: string): Error {
  return misconfigured(`createTokenSource needs ${what}.`)
}
