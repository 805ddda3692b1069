// How every change in a tenant begins, whichever slice makes it.
import { History } from '../database/history.ts'
import type { Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { findTenant, type TenantRow } from './queries.ts'
import { isWritable } from './status.ts'

export type { TenantRow } from './queries.ts'

/** Takes the tenant's lock, and then reads the tenant. @throws Problem `tenant.not_found` */
export const lockTenant = async (tx: Tx, id: string): Promise<{ history: History; tenant: TenantRow }> => {
  const history = await History.lock(tx, id)
  const tenant = history && (await findTenant(tx, id))
  if (!tenant) throw new Problem('tenant.not_found')
  return { history, tenant }
}

/** The same, for changes that a tenant on its way out refuses. @throws Problem `tenant.not_writable` too */
export const lockWritableTenant = async (tx: Tx, id: string): Promise<{ history: History; tenant: TenantRow }> => {
  const locked = await lockTenant(tx, id)
  if (!isWritable(locked.tenant.status)) throw new Problem('tenant.not_writable')
  return locked
}
