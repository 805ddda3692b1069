// Who is calling? Runs in onRequest, before any body is parsed: a stranger gets 401, never a 400 that teaches the schema.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiKeys } from '../api-keys/authentication.ts'
import { presentedBy } from '../api-keys/presented.ts'
import { Problem } from '../errors.ts'
import { isId } from '../ids.ts'
import type { Strangers } from '../issuers/strangers.ts'
import { after, type Soon } from '../soon.ts'
import type { TokenHolders } from '../tokens/authentication.ts'
import { isBoundToTenant, isVouchedFor, loginOf } from '../tokens/claims.ts'
import type { Operation } from './contract.ts'
import type { RequestLog } from './logging.ts'
import type { Identity, Principal } from './principal.ts'
import type { RateLimit } from './rate-limit.ts'

const BEARER = /^Bearer ([^\s]+)$/i
const JWT_START = 'eyJ' // base64url of `{"`

/** What an `Authorization` header shows. @throws Problem 401 */
export const credentialIn = (authorization = ''): string => {
  if (!/^Bearer\b/i.test(authorization)) throw new Problem('credential.missing') // RFC 6750 §3.1: another scheme is none
  const credential = BEARER.exec(authorization)?.[1]
  if (!credential) throw new Problem('credential.invalid')
  return credential
}

export const isToken = (credential: string): boolean => credential.startsWith(JWT_START)

/** The root key comes first, because it may be any text; then our keys by their shape; then tokens. */
export const authenticateWith =
  (apiKeys: ApiKeys, tokenHolders: TokenHolders, limit: RateLimit | undefined) =>
  (request: FastifyRequest, { any_audience, bounded }: Operation, reply: FastifyReply): Soon<void> => {
    const credential = credentialIn(request.headers.authorization)
    return after(principalOf(request, credential, { apiKeys, tokenHolders, any_audience, bounded }), (principal) => {
      request.principal = principal
      ;(request.log as RequestLog).identify(principal) // as `logging.ts` makes it
      const headers = limit?.(principal)
      if (headers !== undefined) reply.headers(headers)
    })
  }

/** For what is about the caller alone: whoever logged in at a trusted identity provider is somebody too. */
export const identifyWith =
  (apiKeys: ApiKeys, tokenHolders: TokenHolders, strangers: Strangers) =>
  async (request: FastifyRequest): Promise<void> => {
    const credential = credentialIn(request.headers.authorization)
    const found = await strangers.find(credential, namedTenant(request))
    if (typeof found === 'string') throw new Problem('token.invalid', { detail: found })
    request.identities = found ?? [
      identityOf(
        await principalOf(request, credential, { apiKeys, tokenHolders, any_audience: false, bounded: false }),
      ),
    ]
  }

/** Before the request is validated: what is no id names no tenant, and is refused later. */
const namedTenant = ({ query }: FastifyRequest): string | undefined => {
  const { tenant_id } = query as { tenant_id?: unknown }
  return isId(tenant_id) ? tenant_id : undefined
}

interface Finders {
  apiKeys: ApiKeys
  tokenHolders: TokenHolders
  any_audience: boolean
  /** Whether the caller may be known from memory. */
  bounded: boolean
}

const principalOf = (
  request: FastifyRequest,
  credential: string,
  { apiKeys, tokenHolders, any_audience, bounded }: Finders,
): Soon<Principal> => {
  const presented = presentedBy(credential)
  const root = apiKeys.root(presented)
  if (root) return root
  if (isToken(credential)) {
    return after(tokenHolders.find(credential, { any_audience, ...(bounded && { presented }) }), (holder) => {
      if (typeof holder === 'string') throw new Problem(holder)
      return holder
    })
  }
  return after(
    bounded ? apiKeys.recall(credential, request.ip, presented) : apiKeys.find(credential, request.ip),
    (principal) => {
      if (principal === undefined) throw new Problem('credential.invalid')
      return principal
    },
  )
}

const identityOf = (principal: Principal): Identity => {
  const nobody = { issuer_id: null, email: null, email_verified: null, auth_time: null }
  if (principal.kind === 'api_key')
    return { ...nobody, type: 'api_key', id: principal.id, tenant_id: principal.tenant_id }
  const { token, user_id, tenant_id } = principal
  return {
    ...{
      ...nobody,
      type: 'user',
      id: user_id,
      tenant_id: isBoundToTenant(token) || isVouchedFor(token) ? tenant_id : null,
    },
    ...{ issuer_id: token.issuer_id ?? null, auth_time: loginOf(token) },
  }
}
