// What happens to an API key, inside one scope. A key of a tenant is in the tenant's history, a platform key in the
// platform's.
import type { components } from '@tenantry/client/contract'
import { requireEndWithinOwn, requireMayActOn, requireWithinOwn } from '../authorization/escalation.ts'
import { isGrantable } from '../authorization/own-permissions.ts'
import type { History } from '../database/history.ts'
import type { Scope, Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { requireFuture } from '../expiry.ts'
import { requireMatch } from '../http/preconditions.ts'
import type { By } from '../http/write.ts'
import { newId } from '../ids.ts'
import { apiKeyTarget } from '../revocations/targets.ts'
import { lockHistory } from '../tenants/locking.ts'
import { type ApiKeyRow, deleteApiKey, findApiKey, insertApiKey } from './queries.ts'
import { hashOf, hintOf, makeSecret } from './secrets.ts'

type ApiKeyCreate = components['schemas']['ApiKeyCreate']

export const createApiKey = async (
  tx: Tx,
  by: By,
  scope: Scope,
  { name, permissions, excludes = [], expires_at }: ApiKeyCreate,
): Promise<{ key: ApiKeyRow; secret: string; history: History }> => {
  requirePatterns({ permissions, excludes })
  requireFuture(expires_at, by.now)
  requireWithinOwn(by.principal, [{ permissions, excludes }])
  requireEndWithinOwn(by.principal, expires_at, [{ permissions, excludes }])
  const history = await lockHistory(tx, by, scope)
  const secret = makeSecret()
  const key = await insertApiKey(tx, {
    ...{ history_id: history.id, id: newId(), name, hash: hashOf(secret), hint: hintOf(secret), permissions, excludes },
    ...{ root: false, expires_at: expires_at ?? null, revision: history.next, created_at: by.now.toISOString() },
  })
  await history.append(tx, {
    ...{ type: 'api_key.created', actor: by.actor, at: by.now, personal: { name } },
    data: { api_key_id: key.id, permissions, excludes, expires_at: key.expires_at },
  })
  return { key, secret, history }
}

const requirePatterns = (lists: { permissions: string[]; excludes: string[] }): void => {
  const errors = Object.entries(lists).flatMap(([list, patterns]) =>
    patterns.flatMap((pattern, index) =>
      isGrantable(pattern)
        ? []
        : [{ pointer: `/${list}/${index}`, detail: `"${pattern}" is not a permission or pattern.` }],
    ),
  )
  if (errors.length > 0) throw new Problem('permission.invalid', { errors })
}

export const revokeApiKey = async (
  tx: Tx,
  by: By,
  scope: Scope,
  id: string,
  ifMatch: string | undefined,
): Promise<History> => {
  const history = await lockHistory(tx, by, scope)
  const key = await findApiKey(tx, history.id, id)
  if (!key) throw new Problem('api_key.not_found')
  requireMatch(ifMatch, key.revision)
  if (key.root) throw new Problem('api_key.root')
  const isItself = by.principal.kind === 'api_key' && by.principal.id === id
  if (!isItself) requireMayActOn(by.principal, [key])
  await deleteApiKey(tx, history.id, id)
  await history.append(tx, {
    ...{ type: 'api_key.deleted', actor: by.actor, at: by.now, data: { api_key_id: id } },
    revokes: [apiKeyTarget(id)],
  })
  return history
}
