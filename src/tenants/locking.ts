// How every change in a tenant begins, whichever slice makes it: the lock, then the tenant and the caller as they are now.
import { lockPlatform, requireUnchanged } from '../authorization/recheck.ts'
import { History } from '../database/history.ts'
import type { Scope, Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { By } from '../http/write.ts'
import { findTenant, type TenantRow } from './queries.ts'
import { isWritable } from './status.ts'

export type { TenantRow } from './queries.ts'

interface Locked {
  history: History
  tenant: TenantRow
}

/** Takes the tenant's lock. @throws Problem `tenant.not_found`, `principal.changed` */
export const lockTenant = async (tx: Tx, id: string, by: By): Promise<Locked> => {
  const history = await History.lock(tx, id)
  const tenant = history && (await findTenant(tx, id))
  if (!tenant) throw new Problem('tenant.not_found')
  const { tenant_status } = by.principal
  if (tenant_status !== null && tenant_status !== tenant.status) throw new Problem('principal.changed')
  await requireUnchanged(tx, by)
  return { history, tenant }
}

/** The same, for changes that a tenant on its way out refuses. @throws Problem `tenant.not_writable` too */
export const lockWritableTenant = async (tx: Tx, id: string, by: By): Promise<Locked> => {
  const locked = await lockTenant(tx, id, by)
  if (!isWritable(locked.tenant.status)) throw new Problem('tenant.not_writable')
  return locked
}

/** Of what may be a tenant's or the platform's: the lock of its history. */
export const lockHistory = async (tx: Tx, by: By, scope: Scope): Promise<History> =>
  scope === 'platform' ? lockPlatform(tx, by) : (await lockWritableTenant(tx, scope.tenant_id, by)).history
