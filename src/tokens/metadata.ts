// What clients and resource servers learn from the issuer's address alone: RFC 8414, OpenID Connect Discovery, RFC 9728.
// `scopes_supported` is left out: a scope here is any permission of the product, and `tenant:<slug>`.
import type { components } from '@tenantry/client/contract'
import { GRANT_TYPES } from '../oauth/handlers.ts'
import type { PublicJwk } from '../signing-keys/generation.ts'

type Schemas = components['schemas']

const CLIENT_AUTH = ['client_secret_basic', 'client_secret_post']

export const serverMetadata = (issuer: string, keys: readonly PublicJwk[]): Schemas['ServerMetadata'] => ({
  issuer,
  jwks_uri: `${issuer}/.well-known/jwks.json`,
  token_endpoint: `${issuer}/oauth/token`,
  introspection_endpoint: `${issuer}/oauth/introspect`,
  revocation_endpoint: `${issuer}/oauth/revoke`,
  grant_types_supported: GRANT_TYPES,
  token_endpoint_auth_methods_supported: [...CLIENT_AUTH, 'none'],
  introspection_endpoint_auth_methods_supported: CLIENT_AUTH,
  revocation_endpoint_auth_methods_supported: CLIENT_AUTH,
  response_types_supported: [], // RFC 8414 §2: there is no authorization endpoint; users log in elsewhere
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: [...new Set(keys.map(({ alg }) => alg))],
  service_documentation: `${issuer}/docs`,
})

/** This API, as what tokens with our issuer in `aud` are for. */
export const protectedResource = (issuer: string): Schemas['ProtectedResourceMetadata'] => ({
  resource: issuer,
  authorization_servers: [issuer],
  bearer_methods_supported: ['header'],
  resource_name: 'Tenantry',
  resource_documentation: `${issuer}/docs`,
})
