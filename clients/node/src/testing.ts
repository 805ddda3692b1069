// The entry `@tenantry/client/testing`: for the tests of services that verify tokens. Not for production: whoever loads this
// can sign, with a key that nobody else trusts.

export { createTestIssuer, type TestIssuer, type TestIssuerOptions } from './testing/issuer.ts'
export { type Mint, OTHER_TENANT_ID, TEST_TENANT_ID } from './testing/mint.ts'
