// What happens to a single token.
import type { TokenClaims } from '@tenantry/client'
import { readFactsOfBearerWithin } from '../authorization/facts.ts'
import type { Tx } from '../database/scope.ts'
import type { By } from '../http/write.ts'
import { tokenTarget } from '../revocations/targets.ts'
import { lockTenant } from '../tenants/locking.ts'

/** Makes one token stale. Repeatable: a second time changes nothing and takes no revision. */
export const revokeToken = async (tx: Tx, by: By, token: TokenClaims): Promise<void> => {
  const { history } = await lockTenant(tx, token.tenant_id, by)
  const target = tokenTarget(token.jti)
  const { revoked } = await readFactsOfBearerWithin(tx, token, by.now)
  if (revoked.includes(target)) return
  await history.append(tx, {
    ...{ type: 'token.revoked', actor: by.actor, at: by.now, data: { jti: token.jti, client_id: token.client_id } },
    revokes: [target],
  })
}
