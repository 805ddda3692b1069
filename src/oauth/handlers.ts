// HTTP in and out of the OAuth endpoints: clients get tokens, ask about them and revoke them.
import type { components } from '@tenantry/client/contract'
import type { ApiKeys } from '../api-keys/authentication.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { OAuthError } from '../http/oauth-errors.ts'
import { type ApiKeyPrincipal, mayDo } from '../http/principal.ts'
import { countToken } from '../metrics/instruments.ts'
import type { TokenHolders } from '../tokens/authentication.ts'
import { revokeToken } from '../tokens/operations.ts'
import { authenticateClient } from './clients.ts'
import { type ExchangeServices, exchangedToken } from './exchange.ts'
import { machineToken } from './machine-tokens.ts'

interface Services extends ExchangeServices {
  api_keys: ApiKeys
}

type Mine = 'requestToken' | 'introspectToken' | 'revokeToken'
type Introspection = components['schemas']['Introspection']

const NO_STORE = { 'Cache-Control': 'no-store' }

type Grant = (
  services: Services,
  client: ApiKeyPrincipal | undefined,
  body: components['schemas']['OAuthTokenRequest'],
) => Promise<components['schemas']['OAuthToken']>

const GRANTS = new Map<string, Grant>([
  ['client_credentials', machineToken],
  ['urn:ietf:params:oauth:grant-type:token-exchange', exchangedToken],
])
export const GRANT_TYPES = [...GRANTS.keys()]

export const oauthHandlers = (services: Services): Pick<Handlers, Mine> => {
  const { write, api_keys, token_holders } = services
  const clientOf = ({ authorization, address, body }: Call<Mine>): Promise<ApiKeyPrincipal> =>
    authenticateClient(api_keys, { authorization, address, body })

  return {
    requestToken: async (call) => {
      const grant = GRANTS.get(call.body.grant_type)
      if (grant === undefined) {
        throw new OAuthError('unsupported_grant_type', `Tokens are given for ${GRANT_TYPES.join(' and ')}.`)
      }
      const isAnonymous = call.authorization === undefined && call.body.client_secret === undefined
      const client = isAnonymous && grant === exchangedToken ? undefined : await clientOf(call)
      const token = await grant(services, client, call.body)
      countToken(grant === exchangedToken ? 'token_exchange' : 'client_credentials')
      return { status: 200, body: token, headers: NO_STORE }
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
  const { iss, sub, aud, exp, iat, jti, client_id, tenant_id, tenant_slug, membership_id, act, scope } = claims
  const { acr, auth_time } = claims
  return {
    ...{ active: true, token_type: 'Bearer', iss, sub, exp, iat, jti, client_id },
    ...{ aud: typeof aud === 'string' ? aud : [...aud], tenant_id, tenant_slug, membership_id },
    ...{ roles: [...claims.roles], permissions: [...claims.permissions], ...(act && { act: { ...act } }) },
    ...(scope !== undefined && { scope }),
    ...(acr !== undefined && { acr }),
    ...(auth_time !== undefined && { auth_time }),
    grants: claims.grants.map(({ permissions, excludes }) => ({
      permissions: [...permissions],
      excludes: [...excludes],
    })),
    ...(claims.ask && { ask: [...claims.ask] }),
  }
}
