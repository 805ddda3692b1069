// The four built-in roles as rows of the platform. What they grant is defined once, in @tenantry/client, because offline
// verifiers rank by them.
import { BUILT_IN_ROLES } from '@tenantry/client'
import { PLATFORM } from '../database/schema.ts'
import type { PlatformTx } from '../database/scope.ts'
import { insertRoles } from './queries.ts'

// Their ids are the same in every installation, so that nothing depends on which one made them.
const idOf = (index: number): string => `00000000-0000-7000-8000-00000000000${index + 1}`

export const insertBuiltInRoles = async (tx: PlatformTx, revision: number, at: string): Promise<void> => {
  await insertRoles(
    tx,
    BUILT_IN_ROLES.map(({ key, name, description, permissions, excludes }, index) => ({
      ...{ history_id: PLATFORM, id: idOf(index), key, name, description, built_in: true },
      ...{ permissions: [...permissions], excludes: [...excludes], revision, created_at: at, updated_at: at },
    })),
  )
}
