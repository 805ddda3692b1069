// The client credentials grant (RFC 6749 §4.4): an API key gets a token of its own for one tenant.
import { readFactsToIssue } from '../authorization/facts.ts'
import { OAuthError } from '../http/oauth-errors.ts'
import type { ApiKeyPrincipal } from '../http/principal.ts'
import { effective } from '../permissions/by-name.ts'
import { carriedUnder, DEFAULT_TTL_SECONDS, isAudience, machineClaimsOf } from '../tokens/claims.ts'
import { type IssuingServices, namedIn, signed, type TokenAnswer, type TokenRequest } from './issuing.ts'
import { narrowTo } from './scope.ts'
import { invalidTarget } from './target.ts'

export const machineToken = async (
  services: IssuingServices,
  client: ApiKeyPrincipal | undefined,
  body: TokenRequest,
): Promise<TokenAnswer> => {
  if (client === undefined) throw new OAuthError('invalid_client', 'This grant is for authenticated clients.')
  const { config, database, clock } = services
  const { audience } = body
  const { words, ...named } = await namedIn(services, body)
  const tenant_id = named.tenant_id === undefined ? client.tenant_id : named.tenant_id
  if (tenant_id === null || (client.tenant_id !== null && client.tenant_id !== tenant_id)) throw invalidTarget()
  if (audience === undefined || audience === config.issuer || !isAudience(config, audience)) {
    throw new OAuthError('invalid_target', 'Name the audience that the token is for; with Tenantry itself use the key.')
  }
  const now = clock()
  const { facts, catalogue, holds } = await readFactsToIssue(database, { tenant_id, user_id: null }, client, now)
  if (!holds) throw new OAuthError('invalid_client', 'The API key is over.')
  if (facts?.tenant.status !== 'active') throw invalidTarget()
  const rights = client.rights.flat().map((grant) => effective(grant, facts.by_name))
  const narrowed = narrowTo(carriedUnder(facts.conditions, rights), words)
  const asked = {
    issuer: config.issuer,
    audience,
    client_id: client.id,
    client_ends_at: client.ends_at,
    now,
    catalogue,
  }
  const wanted = { ...asked, ttl_seconds: DEFAULT_TTL_SECONDS, scope: narrowed.scope }
  const claims = machineClaimsOf(facts, narrowed.carried, wanted)
  if (claims.exp <= claims.iat) throw new OAuthError('invalid_client', 'The API key is over.') // within this very second
  return signed(services, claims, facts.platform_revision, narrowed.scope)
}
