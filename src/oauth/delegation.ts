// Delegation (RFC 8693 §1.1): the new token says who acts for the user, and the tenant's history tells of it.
import { type Actor, MAX_ACTORS, type TokenClaims } from '@tenantry/client'
import { OAuthError } from '../http/oauth-errors.ts'
import { type ApiKeyPrincipal, mayDo } from '../http/principal.ts'
import type { Write } from '../http/write.ts'
import { NOTHING_TOLD } from '../permissions/step-up.ts'
import { recordDelegation } from '../tokens/operations.ts'
import { actorOf, type Bearer, type BearerServices, refuse, type Shown } from './bearers.ts'
import type { TokenRequest } from './issuing.ts'
import { invalidTarget } from './target.ts'

/** By name only, so that no pattern allows it by accident; only API keys hold it. */
export const DELEGATE = 'tenantry.token:delegate'

/** The bearer with whoever acts for them: the last actor outside, and those before inside (§4.1). */
export const delegated = async (
  services: BearerServices,
  bearer: Bearer,
  shown: Omit<Shown, 'token' | 'type'>,
  { actor_token, actor_token_type }: TokenRequest,
): Promise<Bearer> => {
  if (actor_token === undefined) return bearer
  if (shown.client === undefined || !mayDo(shown.client, DELEGATE)) {
    throw new OAuthError('unauthorized_client', `Delegation takes a client that holds ${DELEGATE}.`)
  }
  const { sub, exp } = await actorOf(services, { ...shown, token: actor_token, type: actor_token_type })
  const act = bearer.act === undefined ? { sub } : { sub, act: bearer.act }
  if (lengthOf(act) > MAX_ACTORS) refuse(`A chain has ${MAX_ACTORS} actors at most.`)
  const login = { ...bearer.login, ends_at: Math.min(bearer.login.ends_at, exp) }
  return { ...bearer, act, login, authentication: NOTHING_TOLD } // it was not the actor who logged in like that
}

const lengthOf = (act: Actor | undefined): number => (act === undefined ? 0 : 1 + lengthOf(act.act))

/** What is done here in somebody's name must not look like that one's own doing. */
export const requireElsewhere = ({ act }: Bearer, audience: string, issuer: string): void => {
  if (act !== undefined && audience === issuer) throw invalidTarget('A delegated token is not for Tenantry itself.')
}

/** Before the token is handed out: one that nobody could read of in the history must not exist. */
export const tellOf = async (write: Write, client: ApiKeyPrincipal | undefined, claims: TokenClaims): Promise<void> => {
  if (claims.act === undefined || client === undefined) return
  const scope = { tenant_id: claims.tenant_id }
  const call = { operation_id: 'requestToken', principal: client, scope, idempotency_key: undefined }
  await write({ ...call, path: {}, query: {}, body: {} }, async (tx, by) => {
    await recordDelegation(tx, by, claims)
    return { status: 200, body: undefined }
  })
}
