// The entry `@tenantry/client/context`: for whom the present work is done, in requests and in jobs.

export { type ContextData, type ContextSource, TenantContext } from './context/context.ts'
export { currentTenant, findContext, getContext, runWithoutContext } from './context/current.ts'
export { type RestoreOptions, runWithContext, type SerializedContext, serializeContext } from './context/job.ts'
