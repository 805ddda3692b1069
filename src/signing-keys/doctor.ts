// Can this process sign? Asked by `tenantry doctor`.
import type { Check } from '../database/doctor.ts'
import type { Database } from '../database/scope.ts'
import { Seal, SealError } from '../sealing.ts'
import { listSigningKeys } from './queries.ts'
import { sealingContext } from './rotation.ts'

/** @param encryption_keys the present one, then a previous one */
export const examineSigningKey = async (database: Database, encryption_keys: Buffer[]): Promise<Check> => {
  const name = 'signing key'
  const [present, ...previous] = encryption_keys
  if (present === undefined) return { name, ok: false, detail: 'not checked: the settings give no encryption key' }
  try {
    const keys = await database.asPlatform('try to unseal the signing keys', listSigningKeys)
    const seal = new Seal(present, ...previous)
    for (const { kid, sealed_private_key } of keys) seal.open(sealed_private_key, sealingContext(kid))
    const active = keys.find(({ status }) => status === 'active')
    return { name, ok: true, detail: active ? `${active.kid} can be unsealed` : 'none yet; the first start makes one' }
  } catch (error) {
    if (!(error instanceof SealError)) throw error
    return { name, ok: false, detail: `${error.message}; set the TENANTRY_ENCRYPTION_KEY that it was sealed with` }
  }
}
