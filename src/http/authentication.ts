// Who is calling? Runs in onRequest, before any body is parsed: a stranger gets 401, never a 400 that teaches the schema.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiKeys } from '../api-keys/authentication.ts'
import { isSecret } from '../api-keys/secrets.ts'
import { Problem } from '../errors.ts'
import type { TokenHolders } from '../tokens/authentication.ts'
import type { Principal } from './principal.ts'

const BEARER = /^Bearer ([^\s]+)$/i
const JWT_START = 'eyJ' // base64url of `{"`

const credentialOf = (request: FastifyRequest): string => {
  const header = request.headers.authorization ?? ''
  if (!/^Bearer\b/i.test(header)) throw new Problem('credential.missing') // RFC 6750 §3.1: another scheme is none
  const credential = BEARER.exec(header)?.[1]
  if (!credential) throw new Problem('credential.invalid')
  return credential
}

/** The root key comes first, because it may be any text; then our keys by their shape; then tokens. */
export const authenticateWith =
  (apiKeys: ApiKeys, tokenHolders: TokenHolders) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const credential = credentialOf(request)
    request.principal = await principalOf(credential, apiKeys, tokenHolders)
    request.log = reply.log = request.log.child(logFields(request.principal))
  }

const principalOf = async (credential: string, apiKeys: ApiKeys, tokenHolders: TokenHolders): Promise<Principal> => {
  const root = apiKeys.root(credential)
  if (root) return root
  if (isSecret(credential)) {
    const principal = await apiKeys.find(credential)
    if (principal) return principal
    throw new Problem('credential.invalid')
  }
  if (!credential.startsWith(JWT_START)) throw new Problem('credential.invalid')
  const holder = await tokenHolders.find(credential)
  if (typeof holder === 'string') throw new Problem(holder)
  return holder
}

const logFields = (principal: Principal): Record<string, string> => ({
  principal: `${principal.kind}:${principal.id}`,
  ...(principal.tenant_id === null ? {} : { principal_tenant_id: principal.tenant_id }),
})
