// What both grants of the token endpoint share: whom a token may be for, and making it.
import type { TokenClaims } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Database } from '../database/scope.ts'
import { OAuthError } from '../http/oauth-errors.ts'
import type { KeyRing } from '../signing-keys/key-ring.ts'
import { signWithin } from '../tokens/size.ts'
import { wordsOf } from './scope.ts'
import { type Named, targetOf } from './target.ts'

export type TokenRequest = components['schemas']['OAuthTokenRequest']
export type TokenAnswer = components['schemas']['OAuthToken']

export interface IssuingServices {
  config: Pick<Config, 'issuer' | 'audiences'>
  database: Database
  clock: Clock
  keys: KeyRing
}

/** The tenant that a request names, and the rest of its scope. */
export const namedIn = async (
  { config, database }: IssuingServices,
  { tenant_id, tenant_slug, resource, scope }: TokenRequest,
): Promise<{ tenant_id: string | null | undefined; words: string[] }> => {
  const words = wordsOf(scope)
  const named: Named = {
    ...(tenant_id !== undefined && { tenant_id }),
    ...(tenant_slug !== undefined && { tenant_slug }),
    ...(resource !== undefined && { resource }),
    scope: words,
  }
  return { tenant_id: await targetOf(database, config.issuer, named), words }
}

/** @throws OAuthError `invalid_scope` when it would be too long to be sent */
export const signed = async (
  { keys }: IssuingServices,
  claims: TokenClaims,
  platform_revision: number,
  scope: string | undefined,
): Promise<TokenAnswer> => {
  const { access_token: sign } = await keys.signersAt(platform_revision)
  const access_token = signWithin(sign, claims)
  if (access_token === undefined) {
    throw new OAuthError('invalid_scope', 'There is more to hold than a token can carry: narrow it with scope.')
  }
  return {
    ...{ access_token, token_type: 'Bearer', expires_in: claims.exp - claims.iat },
    ...(scope !== undefined && { scope }),
  }
}
