// What must exist before the service can answer: the platform's history with the built-in roles, the root key, a signing
// key. All under the platform's lock, so replicas that start together agree.
import { findRootKey, insertApiKey, updateSecret } from './api-keys/queries.ts'
import { hashOf, hintOf } from './api-keys/secrets.ts'
import { ASSIGN_ANY } from './authorization/escalation.ts'
import { type Actor, History } from './database/history.ts'
import { PLATFORM } from './database/schema.ts'
import type { Database, PlatformTx } from './database/scope.ts'
import { ensureEpoch } from './epochs/operations.ts'
import type { ApiKeyPrincipal } from './http/principal.ts'
import { newId } from './ids.ts'
import { apiKeyTarget } from './revocations/targets.ts'
import { insertBuiltInRoles } from './roles/built-in.ts'
import type { Seal } from './sealing.ts'
import { type Algorithm, generateKey } from './signing-keys/generation.ts'
import { ensureKey, resealKeys } from './signing-keys/rotation.ts'

/** Everything, the two permissions that go by name only included. */
const ROOT_PERMISSIONS = ['*', 'tenantry.*', 'tenantry.token:issue', ASSIGN_ANY]
const SYSTEM: Actor = { type: 'system', id: null }

export interface Platform {
  root: { hash: Buffer; principal: ApiKeyPrincipal }
}

interface Prepare {
  root_api_key: string
  seal: Seal
  algorithm: Algorithm
  now: Date
}

export const preparePlatform = async (
  database: Database,
  { root_api_key, seal, algorithm, now }: Prepare,
): Promise<Platform> => {
  const key = await generateKey(algorithm) // before the lock; thrown away where there is one already
  return database.asPlatform('prepare the platform at start', async (tx) => {
    const history = await lockPlatform(tx, now)
    const root_id = await ensureRootKey(tx, history, root_api_key, now)
    await resealKeys(tx, seal)
    await ensureEpoch(tx, now)
    await ensureKey({ tx, history, actor: SYSTEM, now }, seal, key)
    return { root: { hash: hashOf(root_api_key), principal: rootPrincipal(root_id) } }
  })
}

const rootPrincipal = (id: string): ApiKeyPrincipal => ({
  ...{ kind: 'api_key', id, tenant_id: null, tenant_status: null, ends_at: null },
  rights: [[{ permissions: ROOT_PERMISSIONS, excludes: [] }]],
  by_name: [], // the root key may assign anything, so nothing is ever compared with what it holds
})

const lockPlatform = async (tx: PlatformTx, now: Date): Promise<History> => {
  const history = await History.ensure(tx, PLATFORM)
  if (history.revision > 0) return history
  await insertBuiltInRoles(tx, history.next, now.toISOString())
  await history.append(tx, { type: 'platform.created', actor: SYSTEM, at: now, data: {} })
  return history
}

/** The row of the root key. A changed TENANTRY_ROOT_API_KEY replaces the secret, the id stays. */
const ensureRootKey = async (tx: PlatformTx, history: History, secret: string, now: Date): Promise<string> => {
  const hash = hashOf(secret)
  const row = await findRootKey(tx)
  if (row?.hash.equals(hash)) return row.id
  const id = row?.id ?? newId()
  const change = { hash, hint: hintOf(secret), revision: history.next }
  if (row) await updateSecret(tx, id, change)
  else {
    await insertApiKey(tx, {
      ...{ history_id: PLATFORM, id, name: 'root', permissions: ROOT_PERMISSIONS, excludes: [], root: true },
      ...{ ...change, expires_at: null, created_at: now.toISOString() },
    })
  }
  await history.append(tx, {
    ...{
      type: row ? 'api_key.replaced' : 'api_key.created',
      actor: SYSTEM,
      at: now,
      data: { api_key_id: id, root: true },
    },
    revokes: row ? [apiKeyTarget(id)] : [],
  })
  return id
}
