// What happens to a single token.
import { API_KEY_SUBJECT_PREFIX, type TokenClaims } from '@tenantry/client'
import { readFactsOfBearerWithin } from '../authorization/facts.ts'
import { announceRevocations, type Tx } from '../database/scope.ts'
import type { By } from '../http/write.ts'
import { tokenTarget } from '../revocations/targets.ts'
import { lockTenant } from '../tenants/locking.ts'

/** Makes one token stale. Repeatable: a second time changes nothing and takes no revision. */
export const revokeToken = async (tx: Tx, by: By, token: TokenClaims): Promise<void> => {
  const { history } = await lockTenant(tx, token.tenant_id, by)
  const target = tokenTarget(token.jti)
  const { revoked } = await readFactsOfBearerWithin(tx, token, by.now)
  if (revoked.includes(target)) return announceRevocations(tx)
  await history.append(tx, {
    ...{ type: 'token.revoked', actor: by.actor, at: by.now, data: { jti: token.jti, client_id: token.client_id } },
    revokes: [target],
  })
}

/** Who acts for the member with this token. A user's id is personal: it goes beside the event. */
export const recordDelegation = async (tx: Tx, by: By, token: TokenClaims): Promise<void> => {
  const { history } = await lockTenant(tx, token.tenant_id, by)
  const { jti, membership_id, aud, exp, act } = token
  const actor = act?.sub ?? ''
  const isMachine = actor.startsWith(API_KEY_SUBJECT_PREFIX)
  const api_key_id = isMachine ? actor.slice(API_KEY_SUBJECT_PREFIX.length) : null
  await history.append(tx, {
    ...{ type: 'token.delegated', actor: by.actor, at: by.now },
    data: { jti, membership_id, audience: aud, expires_at: new Date(exp * 1_000).toISOString(), api_key_id },
    ...(isMachine ? {} : { personal: { user_id: actor } }),
  })
}
