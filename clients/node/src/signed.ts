// The entry `@tenantry/client/signed`: how signed objects of others are opened, for those who verify more than our tokens.

export { type FetchedDocument, fetchDocument } from './fetch-document.ts'
export { Jwks, type JwksOptions } from './jwks.ts'
export { type JwsRules, openJws, type Signed } from './jws.ts'
export { ALGORITHMS, type Algorithm, type VerificationKey } from './keys.ts'
