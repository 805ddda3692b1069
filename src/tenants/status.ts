// The states of a tenant.
//
//   active ⇄ suspended          suspend, reactivate
//   active, suspended → deletion_scheduled → erased     delete, then the end of the grace period
//   deletion_scheduled → active                         restore
import type { components } from '@tenantry/client/contract'

export type TenantStatus = components['schemas']['TenantStatus']

/** Gone, or on the way out: nothing in it may change any more. */
export const isWritable = (status: TenantStatus): boolean => status === 'active' || status === 'suspended'
