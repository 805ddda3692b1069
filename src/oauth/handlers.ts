// HTTP in and out of the OAuth endpoints: clients get tokens, ask about them and revoke them.
import type { components } from '@tenantry/client/contract'
import type { ApiKeys } from '../api-keys/authentication.ts'
import { readFactsToIssue } from '../authorization/facts.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Database } from '../database/scope.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { OAuthError } from '../http/oauth-errors.ts'
import { type ApiKeyPrincipal, mayDo } from '../http/principal.ts'
import type { Write } from '../http/write.ts'
import type { KeyRing } from '../signing-keys/key-ring.ts'
import type { TokenHolders } from '../tokens/authentication.ts'
import { DEFAULT_TTL_SECONDS, isAudience, machineClaimsOf } from '../tokens/claims.ts'
import { revokeToken } from '../tokens/operations.ts'
import { authenticateClient } from './clients.ts'
import { narrowTo, wordsOf } from './scope.ts'
import { invalidTarget, targetOf } from './target.ts'

interface Services {
  config: Pick<Config, 'issuer' | 'audiences'>
  database: Database
  write: Write
  clock: Clock
  keys: KeyRing
  api_keys: ApiKeys
  token_holders: TokenHolders
}

type Mine = 'requestToken' | 'introspectToken' | 'revokeToken'
type Introspection = components['schemas']['Introspection']

const NO_STORE = { 'Cache-Control': 'no-store' }
const LONGEST_TOKEN = 8_192 // of headers, which many servers let have 8 KiB in all

export const oauthHandlers = (services: Services): Pick<Handlers, Mine> => {
  const { write, api_keys, token_holders } = services
  const clientOf = ({ authorization, body }: Call<Mine>): Promise<ApiKeyPrincipal> =>
    authenticateClient(api_keys, { authorization, body })

  return {
    requestToken: async (call) => {
      if (call.body.grant_type !== 'client_credentials') {
        throw new OAuthError('unsupported_grant_type', 'Tokens are given for client_credentials.')
      }
      return { status: 200, body: await machineToken(services, await clientOf(call), call.body), headers: NO_STORE }
    },

    introspectToken: async (call) => {
      const client = await clientOf(call)
      const bearer = await token_holders.inspect(call.body.token)
      const isForeign = client.tenant_id !== null && client.tenant_id !== bearer?.tenant_id
      const body = bearer === undefined || isForeign ? { active: false } : introspectionOf(bearer.claims)
      return { status: 200, body, headers: NO_STORE }
    },

    revokeToken: async (call) => {
      const principal = await clientOf(call)
      const claims = (await token_holders.inspect(call.body.token))?.claims
      const isForeign = principal.tenant_id !== null && principal.tenant_id !== claims?.tenant_id
      if (claims === undefined || isForeign) return { status: 200, body: undefined } // RFC 7009 §2.2
      if (claims.client_id !== principal.id && !mayDo(principal, 'tenantry.membership:manage')) {
        throw new OAuthError('unauthorized_client', 'The token was issued to another client.')
      }
      await write({ ...call, principal, scope: { tenant_id: claims.tenant_id } }, async (tx, by) => {
        await revokeToken(tx, by, claims)
        return { status: 200, body: undefined }
      })
      return { status: 200, body: undefined }
    },
  }
}

const introspectionOf = (
  claims: NonNullable<Awaited<ReturnType<TokenHolders['inspect']>>>['claims'],
): Introspection => {
  const { iss, sub, aud, exp, iat, jti, client_id, tenant_id, tenant_slug, membership_id } = claims
  return {
    ...{ active: true, token_type: 'Bearer', iss, sub, exp, iat, jti, client_id },
    ...{ aud: typeof aud === 'string' ? aud : [...aud], tenant_id, tenant_slug, membership_id },
    ...{ roles: [...claims.roles], permissions: [...claims.permissions] },
    grants: claims.grants.map(({ permissions, excludes }) => ({
      permissions: [...permissions],
      excludes: [...excludes],
    })),
  }
}

/** RFC 6749 §4.4. */
const machineToken = async (
  { config, database, clock, keys }: Services,
  client: ApiKeyPrincipal,
  { tenant_id: id, tenant_slug, resource, scope, audience }: components['schemas']['OAuthTokenRequest'],
): Promise<components['schemas']['OAuthToken']> => {
  const { issuer } = config
  const words = wordsOf(scope)
  const named = await targetOf(database, issuer, {
    ...(id !== undefined && { tenant_id: id }),
    ...(tenant_slug !== undefined && { tenant_slug }),
    ...(resource !== undefined && { resource }),
    scope: words,
  })
  const tenant_id = named ?? client.tenant_id
  if (tenant_id === null || (client.tenant_id !== null && client.tenant_id !== tenant_id)) throw invalidTarget()
  if (audience === undefined || audience === issuer || !isAudience(config, audience)) {
    throw new OAuthError('invalid_target', 'Name the audience that the token is for; with Tenantry itself use the key.')
  }
  const now = clock()
  const { facts, holds } = await readFactsToIssue(database, { tenant_id, user_id: null }, client, now)
  if (!holds) throw new OAuthError('invalid_client', 'The API key is over.')
  if (facts?.tenant.status !== 'active') throw invalidTarget()
  const narrowed = narrowTo(client.rights.flat(), words)
  const asked = { issuer, audience, client_id: client.id, ttl_seconds: DEFAULT_TTL_SECONDS, now }
  const claims = machineClaimsOf(facts, { grants: narrowed.grants, ends_at: client.ends_at }, asked)
  const { access_token: sign } = await keys.signersAt(facts.platform_revision)
  const access_token = sign(claims)
  if (access_token.length > LONGEST_TOKEN) {
    throw new OAuthError('invalid_scope', 'The key may do so much that a token cannot carry it: narrow it with scope.')
  }
  return {
    ...{ access_token, token_type: 'Bearer', expires_in: claims.exp - claims.iat },
    ...(narrowed.scope !== undefined && { scope: narrowed.scope }),
  }
}
