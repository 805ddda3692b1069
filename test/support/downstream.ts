// A service somewhere else that verifies tokens offline and follows revocations, over real HTTP.
import { createVerifier, TenantryError, type Verifier, type VerifierOptions } from '@tenantry/client'
import type { Test } from 'tap'

const PATIENCE_MS = 20_000

export const eventually = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  const start = performance.now()
  while (!(await holds())) {
    if (performance.now() - start > PATIENCE_MS) throw new Error(`it never came true: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export interface Downstream {
  verifier: Verifier
  /** What a token is there: `accepted`, or the code of the refusal. */
  outcome(token: string): Promise<string>
  becomes(token: string, wanted: string): Promise<void>
}

interface Settings extends Omit<VerifierOptions, 'revocations'> {
  api_key: string
  revocations?: Partial<VerifierOptions['revocations']>
}

/** Follows the service that listens there; it begins with its first token. */
export const aDownstream = (t: Test, url: string, { api_key, revocations, ...options }: Settings): Downstream => {
  const verifier = createVerifier({
    jwks_uri: `${url}/.well-known/jwks.json`,
    ...options,
    revocations: {
      ...{ api_key, stream_url: `${url}/revocations/stream`, snapshot_url: `${url}/revocations` },
      ...revocations,
    },
  })
  t.teardown(() => verifier.close())
  const outcome = async (token: string): Promise<string> => {
    try {
      await verifier.verify(token)
      return 'accepted'
    } catch (error) {
      if (error instanceof TenantryError) return error.code
      throw error
    }
  }
  const becomes = (token: string, wanted: string) => eventually(async () => (await outcome(token)) === wanted)
  return { verifier, outcome, becomes }
}
