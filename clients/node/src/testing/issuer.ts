// An issuer for the tests of those who verify: real keys, real tokens, real revocations, and no server.

import { createVerifier, type Verifier } from '../verifier.ts'
import type { VerifierOptions } from '../verifier-options.ts'
import { claimsFor, type Mint, OTHER_TENANT_ID, TEST_TENANT_ID, TestKey } from './mint.ts'
import { TestService } from './service.ts'

export type TestIssuerOptions = {
  /** Default: `https://tenantry.test`. */
  readonly issuer?: string | undefined
  /** The audience of the service under test. */
  readonly audience: string
  /** Default: the system's clock. */
  readonly clock?: (() => Date) | undefined
}

export type TestIssuer = {
  readonly issuer: string
  readonly audience: string
  /** A good token, unless what it is told to say makes it none. */
  mint(mint?: Mint): string
  /** Ready-made tokens. Each takes what `mint` takes. */
  readonly tokens: {
    valid(mint?: Mint): string
    /** Ended a while ago: `invalid_token`, reason `expired`. */
    expired(mint?: Mint): string
    /** Good for a service that does not follow revocations; `stale_token` for one that does. */
    stale(mint?: Mint): string
    /** A good token of `OTHER_TENANT_ID`: `tenant_mismatch` where `TEST_TENANT_ID`, or whichever you use, is asked for. */
    wrongTenant(mint?: Mint): string
    /** For somebody else: `invalid_token`, reason `audience`. */
    wrongAudience(mint?: Mint): string
    /** `invalid_token`, reason `not_yet_valid`. */
    notYetValid(mint?: Mint): string
  }
  /**
   * Makes tokens stale that were minted before, as the service does when access changes: those of a tenant that fit the
   * target, such as `tenant`, `membership:<id>`, `role:<key>` or `api_key:<id>`. Tokens that are minted after it are good.
   */
  revoke(revocation: { readonly tenant_id?: string | undefined; readonly target: string }): void
  /** What the verifier or the adapter of the service under test is made with: it fetches from here, and follows revocations. */
  verifierOptions(): VerifierOptions
  /** One that is made so, when first used. */
  readonly verifier: Verifier
}

/** As long as the longest token, and a minute. */
const ENTRY_SECONDS = 3_660

/**
 * Makes an issuer in this process. Everything is verified by the very code that runs in production; only the network is
 * missing.
 *
 * @example
 * const issuer = createTestIssuer({ audience: 'https://api.example.com' })
 * await app.register(tenantry, issuer.verifierOptions())
 * const headers = { authorization: `Bearer ${issuer.mint({ roles: ['viewer'] })}` }
 */
export function createTestIssuer({
  issuer = 'https://tenantry.test',
  audience,
  clock = () => new Date(),
}: TestIssuerOptions): TestIssuer {
  const key = new TestKey()
  const service = new TestService(issuer, key, clock)
  const revisions = new Map<string, number>()
  let verifier: Verifier | undefined

  const revisionOf = (tenant_id: string): number => revisions.get(tenant_id) ?? 1
  const inSeconds = (seconds: number): Date => new Date(clock().getTime() + seconds * 1_000)
  const claimsOf = (mint: Mint) => {
    const claims = claimsFor(mint, { issuer, audience, now: clock() })
    return { ...claims, rev: mint.rev ?? { [claims.tenant_id]: revisionOf(claims.tenant_id), platform: 1 } }
  }
  const mint = (mint: Mint = {}): string => key.sign(claimsOf(mint))
  const revoke: TestIssuer['revoke'] = ({ tenant_id = TEST_TENANT_ID, target }) => {
    const rev = revisionOf(tenant_id) + 1
    revisions.set(tenant_id, rev)
    service.publish({ history: tenant_id, target, rev, expires_at: inSeconds(ENTRY_SECONDS).toISOString() })
  }
  const stale = (mint: Mint = {}): string => {
    const claims = claimsOf(mint)
    revoke({ tenant_id: claims.tenant_id, target: `token:${claims.jti}` })
    return key.sign(claims)
  }
  const verifierOptions = (): VerifierOptions => ({
    ...{ issuer, audience, clock, fetch: service.fetch },
    revocations: { api_key: 'tests' },
  })

  return {
    ...{ issuer, audience, mint, revoke, verifierOptions },
    tokens: {
      ...{ valid: mint, stale },
      expired: (options) => mint({ ...options, issued_at: inSeconds(-600), ttl_seconds: 300 }),
      wrongTenant: (options) => mint({ tenant_id: OTHER_TENANT_ID, ...options }),
      wrongAudience: (options) => mint({ audience: `${audience}/another`, ...options }),
      notYetValid: (options) => mint({ ...options, not_before: inSeconds(300), ttl_seconds: 600 }),
    },
    get verifier() {
      verifier ??= createVerifier(verifierOptions())
      return verifier
    },
  }
}
