// An API key as an OAuth client: its id is the client_id, its secret the client_secret (RFC 6749 §2.3.1).
import type { ApiKeys } from '../api-keys/authentication.ts'
import { hashOf, isSecret } from '../api-keys/secrets.ts'
import { OAuthError } from '../http/oauth-errors.ts'
import type { ApiKeyPrincipal } from '../http/principal.ts'

interface Credentials {
  /** Undefined with a Bearer key, which says it all. */
  id: string | undefined
  secret: string
}

/** What a request shows of its client. */
export interface Shown {
  authorization: string | undefined
  /** Where it came from. */
  address: string
  body: { client_id?: string; client_secret?: string }
}

const unauthenticated = (): OAuthError =>
  new OAuthError(
    'invalid_client',
    'Authenticate with an API key: its id and secret by HTTP Basic or in the body, or as a Bearer key.',
  )

const decoded = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '))

const fromBasic = (encoded: string): Credentials => {
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  if (colon < 0) throw unauthenticated()
  try {
    return { id: decoded(text.slice(0, colon)), secret: decoded(text.slice(colon + 1)) }
  } catch {
    throw unauthenticated() // a % that encodes nothing
  }
}

const fromHeader = (authorization: string): Credentials => {
  const [, scheme = '', rest = ''] = /^(Basic|Bearer) +(\S+)$/i.exec(authorization) ?? []
  if (rest === '') throw unauthenticated()
  return scheme.toLowerCase() === 'basic' ? fromBasic(rest) : { id: undefined, secret: rest }
}

const credentialsOf = ({ authorization, body }: Shown): Credentials => {
  const { client_id, client_secret } = body
  if (authorization !== undefined && client_secret !== undefined) {
    throw new OAuthError('invalid_request', 'Authenticate in one way: by the header or in the body.')
  }
  if (authorization !== undefined) return fromHeader(authorization)
  if (client_id === undefined || client_secret === undefined) throw unauthenticated()
  return { id: client_id, secret: client_secret }
}

/** @throws OAuthError `invalid_client`, or `invalid_request` when it shows itself twice */
export const authenticateClient = async (apiKeys: ApiKeys, shown: Shown): Promise<ApiKeyPrincipal> => {
  const { id, secret } = credentialsOf(shown)
  const key =
    apiKeys.root({ hash: hashOf(secret) }) ?? (isSecret(secret) ? await apiKeys.find(secret, shown.address) : undefined)
  const claimed = [id, shown.body.client_id].filter((each) => each !== undefined)
  if (!key || claimed.some((each) => each !== key.id)) throw unauthenticated()
  return key
}
