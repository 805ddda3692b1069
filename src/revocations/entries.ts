// Reads revocation entries, in one round trip (drizzle/0002_revocations.sql), and forgets those that are over.
import type { components } from '@tenantry/client/contract'
import { lte } from 'drizzle-orm'
import { revocations } from '../database/schema.ts'
import type { Database } from '../database/scope.ts'
import type { Epoch } from '../epochs/queries.ts'

export type Entry = components['schemas']['RevocationEntry']

export interface Batch {
  /** What was visible: where the next reading continues. */
  snapshot: string
  /** The platform's revision at that moment. */
  platform_revision: number
  entries: Entry[]
  /** What revisions of that moment may be compared with. */
  epoch: Epoch
}

// Both functions are stable: within one statement they see one snapshot.
const READ = {
  name: 'read_revocations_of_epoch',
  text: `select (tenantry.read_revocations($1, $2, $3)::jsonb || jsonb_build_object('epoch', tenantry.read_epoch()::jsonb)) as value`,
}

export interface Wanted {
  /** Only what was not visible then; all live entries without it. */
  since: string | undefined
  /** One tenant's entries and the platform's; everybody's without it. */
  tenant_id: string | undefined
  now: Date
}

export const readEntries = async (database: Database, { since, tenant_id, now }: Wanted): Promise<Batch> =>
  (await database.call(READ, since ?? null, tenant_id ?? null, now.toISOString())) as Batch // the function's own shape

export const forgetEntries = (database: Database, now: Date): Promise<void> =>
  database.asPlatform('forget revocations that are over', async (tx) => {
    await tx.delete(revocations).where(lte(revocations.expires_at, now.toISOString()))
  })
