// Who is calling? Runs in onRequest, before any body is parsed: a stranger gets 401, never a 400 that teaches the schema.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiKeys } from '../api-keys/authentication.ts'
import { isSecret } from '../api-keys/secrets.ts'
import { Problem } from '../errors.ts'
import type { TokenHolders } from '../tokens/authentication.ts'
import type { Principal } from './principal.ts'

const BEARER = /^Bearer ([^\s]+)$/i
const JWT_START = 'eyJ' // base64url of `{"`

// RFC 6750 §3.1: no error code when no credential was sent.
const challenge = (error?: string): { headers: Record<string, string> } => ({
  headers: { 'WWW-Authenticate': error ? `Bearer realm="tenantry", error="${error}"` : 'Bearer realm="tenantry"' },
})

/** What an `Authorization` header shows. @throws Problem 401 */
export const credentialIn = (authorization: string | undefined): string => {
  if (!authorization) throw new Problem('credential.missing', challenge())
  const credential = BEARER.exec(authorization)?.[1]
  if (!credential) throw new Problem('credential.invalid', challenge('invalid_request'))
  return credential
}

/** The 401 for a credential that is not good. */
export const unauthorized = (code: 'credential.invalid' | 'token.invalid' | 'token.stale'): Problem =>
  new Problem(code, challenge('invalid_token'))

export const isToken = (credential: string): boolean => credential.startsWith(JWT_START)

/** The root key comes first, because it may be any text; then our keys by their shape; then tokens. */
export const authenticateWith =
  (apiKeys: ApiKeys, tokenHolders: TokenHolders) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const credential = credentialIn(request.headers.authorization)
    request.principal = await principalOf(credential, apiKeys, tokenHolders)
    request.log = reply.log = request.log.child(logFields(request.principal))
  }

const principalOf = async (credential: string, apiKeys: ApiKeys, tokenHolders: TokenHolders): Promise<Principal> => {
  const root = apiKeys.root(credential)
  if (root) return root
  if (isSecret(credential)) {
    const principal = await apiKeys.find(credential)
    if (principal) return principal
    throw unauthorized('credential.invalid')
  }
  if (!isToken(credential)) throw unauthorized('credential.invalid')
  const holder = await tokenHolders.find(credential)
  if (typeof holder === 'string') throw unauthorized(holder)
  return holder
}

const logFields = (principal: Principal): Record<string, string> => ({
  principal: `${principal.kind}:${principal.id}`,
  ...(principal.tenant_id === null ? {} : { principal_tenant_id: principal.tenant_id }),
})
