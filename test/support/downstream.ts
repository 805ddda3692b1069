// A service somewhere else that verifies tokens offline and follows revocations, over real HTTP.
import { createVerifier, TenantryError, type Timer, type Verifier, type VerifierOptions } from '@tenantry/client'
import type { Test } from 'tap'

const PATIENCE_MS = 20_000

export const eventually = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  const start = performance.now()
  while (!(await holds())) {
    if (performance.now() - start > PATIENCE_MS) throw new Error(`it never came true: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** What becomes of a token whose key was thrown away: whether the entry or the key set is heard of first is chance. */
export const KEY_GONE = ['stale_token', 'invalid_token']

const SILENCE_MS = 15_000 // what the client takes for one

/** For a verifier that is to try again at once: only what bounds a wait takes its time. */
export const hurried: Timer = (delay_ms, work, kind) => {
  const isBound = kind === 'awaited' || delay_ms === SILENCE_MS
  const timeout = setTimeout(work, isBound ? delay_ms : Math.min(delay_ms, 20))
  if (kind === 'background') timeout.unref()
  return () => clearTimeout(timeout)
}

export interface Downstream {
  verifier: Verifier
  /** What a token is there: `accepted`, or the code of the refusal. */
  outcome(token: string): Promise<string>
  /** Waits until it is one of these. */
  becomes(token: string, ...wanted: string[]): Promise<void>
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
  const becomes = (token: string, ...wanted: string[]) => eventually(async () => wanted.includes(await outcome(token)))
  return { verifier, outcome, becomes }
}
